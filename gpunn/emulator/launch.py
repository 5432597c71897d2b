"""Runs a kernel on NumPy memory: checks the arguments, launches, and turns what the runtime found into an exception."""

from __future__ import annotations

import contextvars
import ctypes
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gpunn.emulator.counters import Counters, active_counters, collect
from gpunn.emulator.faults import Failure, KernelError, describe
from gpunn.emulator.fresh import forget
from gpunn.emulator.loader import Compiled, one_at_a_time, runtime
from gpunn.emulator.marshal import Argument, Call, prepared
from gpunn.emulator.memory import Copies
from gpunn.emulator.reserve import blocks_to_run
from gpunn.emulator.runs import Run, compare, schedules
from gpunn.errors import DeviceError
from gpunn.restored import Setting

__all__ = ["KernelError", "launch", "schedules", "strict"]

arrivals = ("wait", "issue")
COUNT, RACE, SPIN, EARLY, ZEROS = 1, 2, 4, 8, 16
MAX_THREADS = 1024
MAX_SHARED = 227 << 10  # bytes a block, the most of any architecture (sm_90, sm_100)
MAX_TOGETHER = 16384  # threads of blocks that run together: a stack each, and two of the kernel's 65,530 mappings
MAX_GRID = (2**31 - 1, 65535, 65535)


class _Launch(ctypes.Structure):  # struct Launch of host/runtime/state.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("entry", "arguments", "arrays")),
        *((name, ctypes.c_void_p) for name in ("shared_low", "shared_high", "module_low", "module_high")),
        *((name, ctypes.c_uint64) for name in ("argument_low", "argument_bytes", "seed", "first")),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("array_count", "schedule", "checks", "together")),
    )


_strict: contextvars.ContextVar[bool | None] = contextvars.ContextVar("gpunn emulator strict", default=None)


def strict(on: bool = True) -> Setting[bool]:
    """Make every launch inside strict (or, with False, not), unless the launch itself says."""
    return Setting(_strict, lambda before: on)


def _strict_by_default() -> bool:
    inside = _strict.get()
    return os.environ.get("GPUNN_EMULATOR_STRICT", "0") == "1" if inside is None else inside


def launch(
    function: Compiled,
    grid: int | Sequence[int],
    block: int | Sequence[int],
    args: Sequence[Any],
    shared_bytes: int = 0,
    *,
    schedule: str = "forward",
    arrival: str = "wait",
    seed: int = 0,
    strict: bool | None = None,
    races: bool | None = None,
    counters: Counters | None = None,
    cooperative: bool = False,
    together: int = 1,
) -> None:
    """Run ``function`` over a grid of blocks.

    args: arrays (dense in some order of axes, or only read), None for a null pointer, ints, floats, bytes for structs
    by value, a Struct for those with pointers in them; arity, dtypes and ranges are checked by the kernel's signature.
    schedule: the order of threads in a block and of blocks in the grid. arrival: when a cp.async brings its data, at
    its "wait" or at its "issue". strict: run all three schedules on copies of the arrays, which lie far apart, where
    there are cp.async with both arrivals, and demand that the outputs agree bit for bit; races: look for races, for
    copies that are read or written over before their wait, and for reads of what nobody wrote (default: where strict).
    counters: add this launch's counts.
    cooperative: run all blocks together, so that they may wait for each other; together: only so many of them at a time
    (a block begins as another ends), as a small GPU would. Up to 16384 threads run together.
    Raises KernelError for what the kernel did wrong, TypeError and ValueError for arguments that do not fit.
    """
    if schedule not in schedules:
        raise ValueError(f"launch: schedule is {schedule!r}; expected one of {', '.join(schedules)}")
    if arrival not in arrivals:
        raise ValueError(f"launch: arrival is {arrival!r}; expected one of {', '.join(arrivals)}")
    shape = _check_shape(function, grid, block, shared_bytes)
    shape = (*shape, _check_together(function, *shape[:2], cooperative, together))
    strict = _strict_by_default() if strict is None else strict
    strict = strict and blocks_to_run() is None
    races = strict if races is None else races
    wanted = [c for c in (counters, active_counters(function.name)) if c is not None]
    if not function.checked and (wanted or races):
        raise DeviceError(f"{function.name}: built without checks, so it cannot be counted; unset GPUNN_EMULATOR_CHECK")
    call = prepared(function)
    values, reached = call.take(args)
    if strict:
        _strict_run(call, values, reached, shape, Run(seed=seed, races=races), wanted)
    else:
        for argument in reached:
            if not argument.parameter.constant:
                forget(argument.array)
        _run(call, values, reached, shape, Run(schedule, arrival == "issue", seed, races), wanted)


def _check_shape(function: Compiled, grid, block, shared_bytes: int) -> tuple:
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


def _check_together(function: Compiled, grid: tuple, block: tuple, cooperative: bool, together: int) -> int:
    """How many blocks may run together."""
    blocks, threads = grid[0] * grid[1] * grid[2], block[0] * block[1] * block[2]
    if together < 1:
        raise ValueError(f"{function.name}: together is {together}; expected at least 1 block")
    wanted = blocks if cooperative else min(together, blocks)
    if wanted * threads > MAX_TOGETHER:
        raise ValueError(
            f"{function.name}: {wanted} blocks of {threads} threads are to run together; the emulator runs at most "
            f"{MAX_TOGETHER} threads together, {MAX_TOGETHER // threads} such blocks; use a smaller grid"
        )
    if wanted > 1 and blocks_to_run() is not None:
        raise ValueError(f"{function.name}: blocks that run together cannot be left out; launch it outside last_blocks")
    return wanted


def _first_block(grid: tuple[int, int, int]) -> int:
    """The first block that runs: 0, or inside ``last_blocks`` one near the end."""
    last, count = blocks_to_run(), grid[0] * grid[1] * grid[2]
    return 0 if last is None else max(0, count - last)


def _run(call: Call, values: list[Any], reached: list[Argument], shape, how: Run, counters: list[Counters]):
    """Whether the run had copies that might have come at another time, and what it read that nobody wrote."""
    function = call.function
    grid, block, shared_bytes, together = shape
    static = sum(variable.bytes for variable in call.shared)
    if static + shared_bytes > MAX_SHARED:
        raise ValueError(
            f"{function.name}: shared memory: {static} bytes static + {shared_bytes} dynamic > {MAX_SHARED}"
        )
    failure = Failure()
    with one_at_a_time:
        entries = call.place(values, reached)
        request = _Launch(
            function.entry,
            ctypes.addressof(call.pointers),
            ctypes.addressof(call.arrays),
            *call.shared_range,
            *function.module,
            ctypes.addressof(call.memory),
            len(call.memory),
            how.seed + 1,
            _first_block(grid),
            grid,
            block,
            shared_bytes,
            entries,
            schedules.index(how.schedule),
            COUNT * bool(counters)
            | RACE * how.races
            | SPIN * (together > 1 or function.spins)
            | EARLY * how.early
            | ZEROS * how.zeros,
            together,
        )
        failed = runtime().gpunn_launch(ctypes.byref(request), ctypes.byref(failure))
        if not failed and counters:
            collect(function, runtime(), counters, grid[0] * grid[1] * grid[2])
        copied = bool(runtime().gpunn_any_copies())
    if failed:
        raise KernelError(describe(function, failure, reached, how.schedule))
    return copied, failure if failure.kind else None


def _strict_run(
    call: Call, values: list[Any], reached: list[Argument], shape, first: Run, wanted: list[Counters]
) -> None:
    """All three schedules, each on copies; the outputs of the first, once the others agree, go to the caller.

    Where there were copies that might come at another time, all three once more: they come early then. Where something
    was read that nobody wrote, that holds zeros in all but the first.
    """
    copies = Copies([argument.array for argument in reached])
    empty: list[np.ndarray | None] = copies.unwritten() if first.races else [None] * len(reached)
    left = [None if bytes_ is None else bytes_.copy() for bytes_ in empty]
    found = copies.make()
    moved = [a._replace(array=b, unwritten=u) for a, b, u in zip(reached, found, left, strict=True)]
    copied, unwritten = _run(call, values, moved, shape, first, wanted)
    rest = [
        Run(order, early, first.seed, zeros=unwritten is not None) for early in (False, True) for order in schedules
    ]
    others = []
    for how in rest[1 : 6 if copied else 3]:
        fresh = copies.make(empty if how.zeros else None)
        _run(call, values, [a._replace(array=b) for a, b in zip(reached, fresh, strict=True)], shape, how, [])
        others.append((how, fresh))
    for position, argument in enumerate(reached):
        if not argument.parameter.constant:
            results = [(how, fresh[position]) for how, fresh in others]
            told = None if unwritten is None else partial(describe, call.function, unwritten, reached, first.schedule)
            compare(call.function, argument.parameter, found[position], results, left[position], told)
    copies.store(found, [not argument.parameter.constant for argument in reached], left)
