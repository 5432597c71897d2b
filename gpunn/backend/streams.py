"""Memory that the launches of one stream hand on to each other: by device, stream, and thread where it has its own."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import capture
from gpunn.backend.contract import Array
from gpunn.backend.loading import require_cupy, require_emulator

EMULATOR = -1  # the device number of emulated arrays, beside those of GPUs
_PER_THREAD = 2  # cudaStreamPerThread


# Whose launches follow each other: a device's number, the stream's handle, and the thread where it has its own.
Place: TypeAlias = tuple[int, int, int]


def place_on(device: int) -> tuple[Place, Any]:
    """The place of launches made now on a device, and the current stream; None on the emulator."""
    if device == EMULATOR:  # a launch there has ended when it returns, so each thread has its own
        return (EMULATOR, 0, threading.get_ident()), None
    stream = require_cupy().cuda.get_current_stream()
    # Each thread has a per-thread default stream of its own, and all of these have one handle.
    return (device, stream.ptr, threading.get_ident() if stream.ptr == _PER_THREAD else 0), stream


def in_program_capture(device: int) -> bool:
    """Whether a program's own capture (`begin_capture` of CuPy's current stream) records what is launched now."""
    return device != EMULATOR and capture.now.get() is None and require_cupy().cuda.get_current_stream().is_capturing()


def _lasts(device: int) -> bool:
    """Whether what is written now is there at once: a capture's numbers come with a replay, into the graph's memory."""
    return capture.now.get() is None and not in_program_capture(device)


_DEFAULT_STREAMS = (0, 1, 2)  # handles: null, cudaStreamLegacy, cudaStreamPerThread


def on(device: int) -> AbstractContextManager:
    """A context in which the arrays' device is current. ValueError in another one's stream, where nothing would go."""
    cuda = require_cupy().cuda
    entered = [cuda.get_current_stream(i).ptr not in _DEFAULT_STREAMS for i in (cuda.runtime.getDevice(), device)]
    if entered == [True, False]:
        raise ValueError(
            f"the arrays are on cuda:{device}, but the current stream is one of cuda:{cuda.runtime.getDevice()}, to "
            f"which their kernels cannot go; enter a stream of cuda:{device}, or cupy.cuda.Device({device})"
        )
    return cuda.Device(device)


def on_device_of(a: Array) -> AbstractContextManager:
    """`on` the array's device, for what CuPy's own functions compute; nothing where that is current, or no GPU's."""
    if isinstance(a, np.ndarray) or a.device.id == require_cupy().cuda.runtime.getDevice():
        return nullcontext()
    return on(a.device.id)


_read: dict[int, tuple[Array | None, ...]] = {}  # by programs' own graphs, of whose ends nobody tells


def keep(arrays: tuple[Array | None, ...], device: int) -> None:
    """While a graph is captured: what its launches read stays where it is, for as long as the graph, or for good."""
    capture.keep(arrays)
    if in_program_capture(device):
        _read[id(arrays)] = arrays


_tickets: dict[Place, Array] = {}
_outgrown: list[Array] = []  # those that a captured graph may know: it keeps nothing alive


def tickets(device: int, count: int, stream: Any = None) -> Array:
    """At least so many int32 zeros for launches on the current stream, each of which leaves zeros behind.

    By them the blocks of a launch find out which of them is the last. ``device`` is CuPy's current one, or EMULATOR;
    ``stream`` is the current one, where the caller has it at hand.
    """
    place = place_on(device)[0] if stream is None or stream.ptr == _PER_THREAD else (device, stream.ptr, 0)
    found = _tickets.get(place)
    if found is None or len(found) < count:
        before, size = found, max(1024, 1 << (count - 1).bit_length())
        if device == EMULATOR:
            found = require_emulator().EmulatedArray.of(np.zeros(size, np.int32))
        else:
            found = require_cupy().zeros(size, np.int32)
        if _lasts(device):
            _tickets[place] = found
            if before is not None:
                _outgrown.append(before)
    return found


_ones: dict[tuple[Place, tuple[int, ...], np.dtype], Array] = {}


def ones(like: Array) -> Array:
    """Ones of a device array's shape and dtype for launches on the current stream: made once, never to be changed."""
    device = EMULATOR if isinstance(like, np.ndarray) else like.device.id
    key = place_on(device)[0], like.shape, like.dtype
    found = _ones.get(key)
    if found is None:
        found = (np if device == EMULATOR else require_cupy()).ones_like(like)
        if device == EMULATOR:
            found.flags.writeable = False
        if _lasts(device):
            _ones[key] = found
    return found


def forget_tickets(device: int) -> None:
    """Have the next launch start from new zeros: one that failed may have left others."""
    found = _tickets.pop(place_on(device)[0], None)
    if found is not None:
        _outgrown.append(found)
