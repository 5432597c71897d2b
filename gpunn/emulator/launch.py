"""Runs a kernel on NumPy memory: checks the arguments, launches, and turns what the runtime found into an exception."""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from gpunn.emulator.counters import Counters, active_counters, collect
from gpunn.emulator.faults import Failure, KernelError, describe
from gpunn.emulator.loader import Function, Parameter, runtime
from gpunn.emulator.memory import Copies, byte_range
from gpunn.errors import DeviceError

__all__ = ["KernelError", "launch", "schedules", "strict"]

schedules = ("forward", "reverse", "random")
COUNT, RACE = 1, 2
MAX_THREADS = 1024
MAX_SHARED = 227 << 10  # bytes a block, the most of any architecture (sm_90, sm_100)
MAX_GRID = (2**31 - 1, 65535, 65535)

_FORMATS = {
    "i1": "b7x", "u1": "B7x", "b1": "?7x", "i2": "h6x", "u2": "H6x", "i4": "i4x", "u4": "I4x", "i8": "q", "u8": "Q",
    "f4": "f4x", "f8": "d",
}  # fmt: skip
_DTYPES = {"bf2": "bfloat16"} | {
    code: np.dtype(code).name for code in ("f2", "f4", "f8", "b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
}


class _Array(ctypes.Structure):
    _fields_ = (
        ("low", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("writable", ctypes.c_int32),
        ("parameter", ctypes.c_int32),
    )


class _Launch(ctypes.Structure):  # struct Launch of host/runtime/state.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("entry", "arguments", "arrays")),
        *((name, ctypes.c_void_p) for name in ("shared_low", "shared_high", "module_low", "module_high")),
        ("seed", ctypes.c_uint64),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("array_count", "schedule", "checks")),
    )


_one_launch = threading.Lock()  # the runtime has one set of stacks
_strict: contextvars.ContextVar[bool | None] = contextvars.ContextVar("gpunn emulator strict", default=None)


@contextlib.contextmanager
def strict(on: bool = True) -> Iterator[None]:
    """Make every launch inside strict (or, with False, not), unless the launch itself says."""
    token = _strict.set(on)
    try:
        yield
    finally:
        _strict.reset(token)


def _strict_by_default() -> bool:
    inside = _strict.get()
    return os.environ.get("GPUNN_EMULATOR_STRICT", "0") == "1" if inside is None else inside


def launch(
    function: Function,
    grid: int | Sequence[int],
    block: int | Sequence[int],
    args: Sequence[Any],
    shared_bytes: int = 0,
    *,
    schedule: str = "forward",
    seed: int = 0,
    strict: bool | None = None,
    races: bool | None = None,
    counters: Counters | None = None,
) -> None:
    """Run ``function`` over a grid of blocks.

    args: arrays (dense in some order of axes), None for a null pointer, ints, floats, bytes for structs by value; arity,
    dtypes and ranges are checked against the kernel's signature. schedule: the order of threads in a block and of blocks
    in the grid. strict: run all three schedules on copies of the arrays, which lie far apart, and demand that the outputs
    agree bit for bit; look for races on shared memory, too (``races``). counters: add this launch's counts.
    Raises KernelError for what the kernel did wrong, TypeError and ValueError for arguments that do not fit.
    """
    if schedule not in schedules:
        raise ValueError(f"launch: schedule is {schedule!r}; expected one of {', '.join(schedules)}")
    shape = _check_shape(function, grid, block, shared_bytes)
    strict = _strict_by_default() if strict is None else strict
    races = strict if races is None else races
    wanted = [c for c in (counters, active_counters(function.name)) if c is not None]
    if not function.checked and (wanted or races):
        raise DeviceError(f"{function.name}: built without checks, so it cannot be counted; unset GPUNN_EMULATOR_CHECK")
    call = _call(function)
    values, arrays = call.take(args)
    if not strict:
        _run(call, values, arrays, shape, schedule, seed, races, wanted)
        return
    results = []
    copies = Copies([array for _, array in arrays])
    for order in schedules:
        fresh = copies.make()
        moved = [(index, array) for (index, _), array in zip(arrays, fresh, strict=True)]
        replaced = list(values)
        for index, array in moved:
            replaced[index] = byte_range(array)[0]
        first = order == "forward"
        _run(call, replaced, moved, shape, order, seed, races and first, wanted if first else [])
        results.append(fresh)
    for position, (index, _) in enumerate(arrays):
        if not function.parameters[index].constant:
            _compare(function, function.parameters[index], [result[position] for result in results])
    copies.store(results[0], [not function.parameters[index].constant for index, _ in arrays])


def _check_shape(function: Function, grid, block, shared_bytes: int) -> tuple:
    sizes = []
    for what, given in (("grid", grid), ("block", block)):
        size = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
        if not 1 <= len(size) <= 3 or any(n < 1 for n in size):
            raise ValueError(f"{function.name}: {what} is {given}; expected 1 to 3 sizes of at least 1")
        sizes.append(size + (1,) * (3 - len(size)))
    grid, block = sizes
    if any(n > limit for n, limit in zip(grid, MAX_GRID, strict=True)):
        raise ValueError(f"{function.name}: grid is {grid}; hardware ends at {MAX_GRID}; fold the large axis into x")
    if block[0] * block[1] * block[2] > MAX_THREADS or block[2] > 64:
        raise ValueError(f"{function.name}: block is {block}; hardware ends at {MAX_THREADS} threads and 64 in z")
    if not 0 <= shared_bytes <= MAX_SHARED:
        raise ValueError(f"{function.name}: shared_bytes is {shared_bytes}; hardware ends at {MAX_SHARED}")
    return grid, block, shared_bytes


class _Call:
    """A function's marshalling, prepared once: a packer, and the memory that the arguments are packed into."""

    def __init__(self, function: Function):
        self.function = function
        formats = []
        for p in function.parameters:
            if not p.pointer and p.code not in _FORMATS and p.code != "V":
                raise DeviceError(
                    f"{function.name}: {p.name} of type {p.code} cannot be passed by value; make it a float"
                )
            formats.append("Q" if p.pointer else _FORMATS.get(p.code) or f"{p.bytes}s{-p.bytes % 16}x")
        offsets, at = [], 0
        for part in formats:
            offsets.append(at)
            at += struct.calcsize("<" + part)
        self.packer = struct.Struct("<" + "".join(formats))
        self.memory = ctypes.create_string_buffer(at + 16)
        base = -(-ctypes.addressof(self.memory) // 16) * 16
        self.start = base - ctypes.addressof(self.memory)
        self.pointers = (ctypes.c_void_p * (len(offsets) + 1))(*(base + offset for offset in offsets))
        self.arrays = (_Array * (len(offsets) + 1))()
        self.takers: list[Callable] = [_taker(function, p) for p in function.parameters]

    def take(self, args: Sequence[Any]) -> tuple[list[Any], list[tuple[int, np.ndarray]]]:
        """The value to pack for each parameter, and the arrays with their parameters' numbers."""
        if len(args) != len(self.takers):
            names = ", ".join(p.name for p in self.function.parameters)
            raise TypeError(f"{self.function.name}: got {len(args)} arguments, expected {len(self.takers)} ({names})")
        values = [taker(arg) for taker, arg in zip(self.takers, args, strict=True)]
        pairs = zip(self.function.parameters, args, strict=True)
        return values, [(i, arg) for i, (p, arg) in enumerate(pairs) if p.pointer and arg is not None]


@cache
def _call(function: Function) -> _Call:
    return _Call(function)


def _taker(function: Function, p: Parameter) -> Callable[[Any], Any]:
    where = f"{function.name}: {p.name}"
    wanted = _DTYPES.get(p.code)

    def pointer(arg):
        if arg is None:
            return 0
        if not isinstance(arg, np.ndarray):
            raise TypeError(f"{where} is {type(arg).__name__}, expected an array of {wanted or 'any type'}, or None")
        if wanted is not None and arg.dtype.name != wanted:
            raise TypeError(f"{where} is an array of {arg.dtype.name}, expected {wanted}; cast it with astype")
        if not p.constant and not arg.flags.writeable:
            raise ValueError(f"{where} is read-only, and the kernel takes it as an output; pass a copy")
        return byte_range(arg, where)[0]

    def integer(arg):
        if isinstance(arg, (bool, int, np.integer, np.bool_)):
            return int(arg)
        raise TypeError(f"{where} is {type(arg).__name__}, expected an int")

    def number(arg):
        if isinstance(arg, (bool, int, float, np.number)):
            return float(arg)
        raise TypeError(f"{where} is {type(arg).__name__}, expected a number")

    def block_of_bytes(arg):
        data = bytes(arg) if not isinstance(arg, (np.void, np.ndarray)) else arg.tobytes()
        if len(data) != p.bytes:
            raise ValueError(f"{where} has {len(data)} bytes, expected a struct of {p.bytes}")
        return data

    if p.pointer:
        return pointer
    return block_of_bytes if p.code == "V" else number if p.code[0] == "f" else integer


def _run(call: _Call, values, arrays, shape, schedule: str, seed: int, races: bool, counters: list[Counters]) -> None:
    function = call.function
    grid, block, shared_bytes = shape
    static = function.shared[1] - function.shared[0]
    if static + shared_bytes > MAX_SHARED:
        raise ValueError(
            f"{function.name}: shared memory: {static} bytes static + {shared_bytes} dynamic > {MAX_SHARED}"
        )
    failure = Failure()
    with _one_launch:
        try:
            call.packer.pack_into(call.memory, call.start, *values)
        except struct.error as error:
            raise _out_of_range(function, values, error) from None
        for slot, (index, array) in enumerate(arrays):
            low, high = byte_range(array)
            call.arrays[slot] = (low, high - low, not function.parameters[index].constant, index)
        request = _Launch(
            function.entry,
            ctypes.addressof(call.pointers),
            ctypes.addressof(call.arrays),
            *function.shared,
            *function.module,
            seed + 1,
            grid,
            block,
            shared_bytes,
            len(arrays),
            schedules.index(schedule),
            (COUNT if counters else 0) | (RACE if races else 0),
        )
        failed = runtime().gpunn_launch(ctypes.byref(request), ctypes.byref(failure))
        if not failed and counters:
            collect(function, runtime(), counters, grid[0] * grid[1] * grid[2])
    if failed:
        raise KernelError(describe(function, failure, arrays, schedule))


def _out_of_range(function: Function, values, error: struct.error) -> ValueError:
    for p, value in zip(function.parameters, values, strict=True):
        if not p.pointer and p.code in _FORMATS:
            try:
                struct.pack("<" + _FORMATS[p.code], value)
            except (struct.error, OverflowError):
                return ValueError(f"{function.name}: {p.name} is {value}, which does not fit {_DTYPES[p.code]}")
    return ValueError(f"{function.name}: {error}")


def _compare(function: Function, p: Parameter, results: list[np.ndarray]) -> None:
    raw = [np.asarray(r).tobytes(order="A") for r in results]
    for order, other, array in zip(schedules[1:], raw[1:], results[1:], strict=True):
        if other == raw[0]:
            continue
        # byte-wise, since NaN differs from itself
        bytes_a, bytes_b = (np.frombuffer(r, np.uint8) for r in (raw[0], other))
        first = int(np.flatnonzero(bytes_a != bytes_b)[0]) // array.itemsize
        a, b = (np.frombuffer(r, array.dtype)[first] for r in (raw[0], other))
        raise KernelError(
            f"{function.name}: {p.name} depends on the order of threads: element {first} in memory is {a} when they run "
            f"forward and {b} in {order} order; a barrier is missing, or two threads write the same element"
        )
