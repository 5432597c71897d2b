"""What a kernel did wrong, in words: kernel, array, index, block, thread, line."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpunn.emulator.build import HEADERS
from gpunn.errors import DeviceError


class KernelError(DeviceError):
    """A kernel on the emulator broke a rule: out of bounds, a divergent barrier, a race, order-dependent output."""


class _Place(ctypes.Structure):
    _fields_ = (("file", ctypes.c_char_p), ("line", ctypes.c_int))

    def __str__(self) -> str:
        return f"{(self.file or b'?').decode()}:{self.line}"


class Failure(ctypes.Structure):
    """What the runtime found: struct Failure of host/runtime/state.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "parameter")),
        *((name, ctypes.c_int64) for name in ("offset", "bytes", "extent")),
        *((name, ctypes.c_int32) for name in ("write", "other_write")),
        *((name, _Place) for name in ("place", "other_place")),
        *((name, ctypes.c_uint32 * 3) for name in ("thread", "block", "other_thread")),
        *((name, ctypes.c_int32) for name in ("waiting", "exited", "total")),
        *((name, ctypes.c_uint64) for name in ("site", "other_site")),
        *((name, ctypes.c_char_p) for name in ("text", "other_text")),
        ("other_block", ctypes.c_uint32 * 3),
        ("other", ctypes.c_int32),
    )


# enum FailureKind of host/runtime/state.h
(
    OUT_OF_BOUNDS, MISALIGNED, READ_ONLY, NULL, DIVERGENT_BARRIER, DIVERGENT_WARP, WARP_MASK, RACE, ASSERT, NO_MEMORY,
    ASYNC_SHAPE, CRASH, TWO_SIDES, UNWRITTEN, STILL_FILLING,
) = range(1, 16)  # fmt: skip
OTHER_THREAD, OTHER_BLOCK, THREAD_OF_OTHER_BLOCK, NOBODY = range(4)  # enum Other
DYNAMIC_SHARED, MODULE, NOWHERE = -1, -2, -3
FIRST_VARIABLE = -100  # the i-th variable of a module goes by the parameter number FIRST_VARIABLE - i


def describe(function, failure: Failure, arrays: Sequence[Any], schedule: str) -> str:
    """The message of a failed launch; `arrays` are its Arguments (marshal.py), by the numbers that the runtime uses."""
    if failure.kind == NO_MEMORY:
        return f"{function.name}: no memory for the threads' stacks; free some, or raise the limit (ulimit -v)"
    what = _WORDS[failure.kind](function, failure, arrays)
    order = "" if schedule == "forward" else f", threads in {schedule} order"
    return f"{function.name}: {what}; block {_index(failure.block)}, thread {_index(failure.thread)}{order}"


def _index(triple) -> str:
    return f"({', '.join(map(str, triple))})"


def _at(function, site: int) -> str:
    line = source_lines(function, [site])[0] if site else "?"
    return "" if line in ("?", ":?") else f" at {line}"  # a kernel built without checks has no lines


def _access(f: Failure) -> str:
    return "writes" if f.write else "reads"


def _target(function, f: Failure, arrays: Sequence[Any]) -> tuple[str, int, str]:
    """How to call the memory, the bytes of its element, and how to describe its size."""
    if f.parameter == DYNAMIC_SHARED:
        return "dynamic shared memory", 1, f"{f.extent} bytes; is shared_bytes of the launch enough?"
    if f.parameter <= FIRST_VARIABLE:
        variable = function.variables[FIRST_VARIABLE - f.parameter]
        return f"shared {variable.name}", 1, f"{variable.bytes} bytes"
    p, array, *_ = arrays[f.parameter]
    return p.name, array.itemsize, f"{array.size} elements of {array.dtype.name}, shape {array.shape}"


def _out_of_bounds(function, f: Failure, arrays) -> str:
    at = _at(function, f.site)
    if f.parameter == NOWHERE:
        return f"{_access(f)} {f.bytes} bytes{at} at an address that lies in no array passed in"
    name, itemsize, size = _target(function, f, arrays)
    index = f"byte {f.offset}" if f.parameter < 0 else f.offset // itemsize
    end = "before the start" if f.offset < 0 else "past the end"
    many = f" ({f.bytes // itemsize} elements at once)" if f.bytes > itemsize > 1 else ""
    return f"{_access(f)} {name}[{index}]{many} {end}{at}: {name} has {size}"


def _misaligned(function, f: Failure, arrays) -> str:
    name, itemsize, _ = _target(function, f, arrays)
    return (
        f"{_access(f)} {f.bytes} bytes of {name} from element {f.offset // itemsize}{_at(function, f.site)}, which is "
        f"no multiple of {f.bytes} bytes in memory: a GPU traps here; align the array, or use a scalar variant"
    )


def _read_only(function, f: Failure, arrays) -> str:
    name, itemsize, _ = _target(function, f, arrays)
    return f"writes {name}[{f.offset // itemsize}]{_at(function, f.site)}, but takes {name} as const"


def _null(function, f: Failure, arrays) -> str:
    given = {p.name for p, *_ in arrays}
    missing = [p.name for p in function.parameters if p.pointer and p.name not in given]
    which = f"; None was passed for {', '.join(missing)}" if missing else ""
    return f"{_access(f)} through a null pointer{_at(function, f.site)}{which}"


def _divergent_barrier(function, f: Failure, arrays) -> str:
    head = f"divergent barrier: {f.waiting} of {f.total} threads wait at {f.place}"
    if f.other_place.line:
        return f"divergent barrier: {_index(f.thread)} waits at {f.place}, {_index(f.other_thread)} at {f.other_place}"
    return f"{head}, {f.exited} have left the kernel ({_index(f.other_thread)} among them)"


def _divergent_warp(function, f: Failure, arrays) -> str:
    other = f"thread {_index(f.other_thread)}"
    where = f"is at {f.other_place}" if f.other_place.line else "never arrives"
    return f"divergent warp operation at {f.place}: its mask names {other}, which {where}"


def _warp_mask(function, f: Failure, arrays) -> str:
    return f"warp operation at {f.place}: the calling lane is not in its own mask"


def _race(function, f: Failure, arrays) -> str:
    did = f"{'wrote' if f.other_write else 'read'}{_at(function, f.other_site)}"
    what = f"{_access(f)} {_element(function, f, arrays)}{_at(function, f.site)}"
    who = f"race: {what}, which thread {_index(f.other_thread)}"
    if not f.total:
        return f"{who} {did} with no barrier between"
    return (
        f"{who} of block {_index(f.other_block)} {did}, and nothing orders the blocks: one has to write, then "
        "__threadfence, then do an atomic; the other an atomic on the same place, then __threadfence, then go on"
    )


def _element(function, f: Failure, arrays) -> str:
    """The element that an access begins at; in shared memory, whose variables are bytes here, the byte."""
    name, itemsize, _ = _target(function, f, arrays)
    return f"{name} at byte {f.offset}" if f.parameter < 0 else f"{name}[{f.offset // itemsize}]"


def _unwritten(function, f: Failure, arrays) -> str:
    wrote = "no thread of the block has" if f.parameter < 0 else "neither the caller nor a kernel has"
    remedy = "write all that is read, with a barrier between" if f.parameter < 0 else "fill it first"
    where = f"{_element(function, f, arrays)}{_at(function, f.site)}"
    return f"reads {where}, which {wrote} written, and a result shows it; {remedy}"


def _still_filling(function, f: Failure, arrays) -> str:
    return (
        f"{_access(f)} {_element(function, f, arrays)}{_at(function, f.site)}, which a cp.async of thread "
        f"{_index(f.other_thread)}{_at(function, f.other_site)} is still filling; wait for its group first, and where "
        "another thread copies then meet at a barrier"
    )


def _assertion(function, f: Failure, arrays) -> str:
    return f"assertion `{(f.text or b'').decode()}` failed at {f.place}"


def _async_shape(function, f: Failure, arrays) -> str:
    return f"cp.async of {f.bytes} bytes, {f.extent} of them read{_at(function, f.site)}; it copies 4, 8 or 16"


def _two_sides(function, f: Failure, arrays) -> str:
    """What a thread does, where, and what another did that does not fit: in the runtime's words (sides.h)."""
    text = (f.text or b"").decode()
    if f.parameter != NOWHERE:
        name, itemsize, _ = _target(function, f, arrays)
        element = f"{name} at byte {f.offset}" if f.parameter < 0 else f"{name}[{f.offset // itemsize}]"
        text = text.replace("{memory}", element)
    what = f"{text}{_at(function, f.site)}"
    if not f.other_text:
        return what
    block, thread = f"block {_index(f.other_block)} ", f"thread {_index(f.other_thread)} "
    who = {OTHER_THREAD: thread, OTHER_BLOCK: block, THREAD_OF_OTHER_BLOCK: f"{block[:-1]}, {thread}"}.get(f.other, "")
    where = f" at {f.other_place}" if f.other_place.line else _at(function, f.other_site)
    return f"{what}; {who}{f.other_text.decode()}{where}"


def _crash(function, f: Failure, arrays) -> str:
    at = _at(function, f.site)
    if f.waiting == signal.SIGFPE:
        return f"divides an integer by zero{at}"
    if f.extent:
        return f"overflows its stack{at}: local arrays are larger than registers ever are"
    return f"reads or writes the invalid address {f.offset:#x}{at}"


_WORDS = {
    OUT_OF_BOUNDS: _out_of_bounds,
    MISALIGNED: _misaligned,
    READ_ONLY: _read_only,
    NULL: _null,
    DIVERGENT_BARRIER: _divergent_barrier,
    DIVERGENT_WARP: _divergent_warp,
    WARP_MASK: _warp_mask,
    RACE: _race,
    ASSERT: _assertion,
    ASYNC_SHAPE: _async_shape,
    CRASH: _crash,
    TWO_SIDES: _two_sides,
    UNWRITTEN: _unwritten,
    STILL_FILLING: _still_filling,
}


def source_lines(function, sites: list[int]) -> list[str]:
    """``file:line`` of each code address, and ``from`` where in another file an inlined helper was called."""
    tool = shutil.which("addr2line")
    if not sites or tool is None:
        return [f"+{site - function.module[0]:#x}" for site in sites]
    # a site is a return address: one byte back lies inside the call
    offsets = [hex(site - function.module[0] - 1) for site in sites]
    command = [tool, "-a", "-i", "-e", str(function.path), *offsets]
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    frames: list[list[str]] = []
    for line in out.splitlines():
        if line.startswith("0x"):
            frames.append([])
        elif frames:
            frames[-1].append(line.split(" (discriminator")[0])
    return [_place(function, found) for found in frames] if len(frames) == len(sites) else ["?"] * len(sites)


def _place(function, frames: list[str]) -> str:
    """One line for the frames of one address, innermost first."""
    own = [frame for frame in frames if not frame.startswith((HEADERS, "??"))]
    if not Path(function.filename).is_absolute():  # the compiler ran in "/", and completes relative names
        own = [frame.lstrip("/") for frame in own]
    if not own:
        return "?"
    file = own[0].rpartition(":")[0]
    caller = next((frame for frame in own if frame.rpartition(":")[0] != file), None)
    return own[0] if caller is None else f"{own[0]} from {caller}"
