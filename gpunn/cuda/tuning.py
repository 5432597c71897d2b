"""Measures the variants that take a problem: what `gpunn tune` keeps and `Operation.choose` reads (tuned.py)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.backend.streams import EMULATOR
from gpunn.cuda import tuned
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.plans import Call, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout
from gpunn.cuda.variants import OPERATIONS, Asking, lacking, using

ROUNDS = 15  # of each variant
SLOW = 4  # times the best of the first calls, past which a variant is not measured further
FLUSHED = 2**27  # bytes written before each call, more than any L2 cache holds

Clock: TypeAlias = Callable[[Callable[[], Any]], float]  # seconds of a call


class Measured(NamedTuple):
    """A problem and what was measured of it."""

    operation: str
    problem: Problem
    before: str  # the variant that runs unmeasured
    choice: tuned.Choice


def collected(run: Callable[[], Any]) -> list[Asking]:
    """The plans that a call of ``run`` makes, each problem once."""
    with using() as asked:
        run()
    return list({tuned.key_of(one.operation, one.problem): one for one in asked}.values())


def measure(asked: Iterable[Asking], clock: Clock | None = None) -> Iterator[Measured]:
    """The variants of each problem that more than one takes, timed by turns on arrays like those it was asked for."""
    for one in asked:
        names = candidates(one)
        if len(names) < 2:
            continue
        operation = OPERATIONS[one.operation]
        arrays = [_array(layout, one.device) for layout in one.inputs.values()]
        calls = {name: _call(one, name, arrays) for name in names}
        times = _by_turns(calls, clock or clock_of(one.device))
        ranked = tuple(sorted(times.items(), key=lambda pair: (pair[1], names.index(pair[0]))))
        choice = tuned.Choice(ranked, tuned.kernels_of(operation.variants))
        yield Measured(one.operation, one.problem, one.chosen, choice)


def candidates(one: Asking) -> list[str]:
    """The variants that can run a problem, in order of preference; none where its arrays are not all of floats."""
    layouts = [found for found in one.inputs.values() if found is not None]
    if any([not isinstance(found, Layout) or found.dtype.name not in STORAGE for found in layouts]):
        return []
    variants = OPERATIONS[one.operation].variants
    return [v.name for v in variants if not v.refusal(one.problem) and not lacking(v, one.problem, one.device)]


def _call(one: Asking, name: str, arrays: list[Array | None]) -> Callable[[], Any]:
    """A call of one variant."""
    variant = OPERATIONS[one.operation].named(name)
    plan = Plan(Call(one.operation, name, "measured", one.problem), variant.plan(one.problem), one.inputs, one.outputs)
    return lambda: plan(*arrays)


def _by_turns(calls: dict[str, Callable[[], Any]], clock: Clock) -> dict[str, float]:
    """Microseconds of each, the median; of what is far too slow the first."""
    for call in calls.values():
        call()  # compiled, and its memory taken
    first = {name: clock(call) for name, call in calls.items()}
    close = [name for name, seconds in first.items() if seconds <= SLOW * min(first.values())]
    samples = {name: [first[name]] for name in calls}
    for number in range(ROUNDS - 1):
        for name in close if number % 2 else reversed(close):
            samples[name].append(clock(calls[name]))
    return {name: round(statistics.median(of) * 1e6, 2) for name, of in samples.items()}


def clock_of(device: int) -> Clock:
    """Seconds of a call on a device: between two events with L2 overwritten before. The emulator's mean nothing."""
    return _host_seconds if device == EMULATOR else _EventClock(device)


def _host_seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


class _EventClock:
    """Between two events of the current stream, behind the writing of FLUSHED bytes: the host has launched by then."""

    def __init__(self, device: int):
        self._cupy = backend.require_cupy()
        with self._cupy.cuda.Device(device):
            self._memory = self._cupy.empty(FLUSHED, np.uint8)

    def __call__(self, call: Callable[[], Any]) -> float:
        cuda = self._cupy.cuda
        start, end = cuda.Event(), cuda.Event()
        for _ in range(4):  # so long that the host is ahead
            self._memory.fill(0)
        start.record()
        call()
        end.record()
        end.synchronize()
        return cuda.get_elapsed_time(start, end) / 1e3


def _array(layout: Any, device: int) -> Array | None:
    """An array of normal numbers with a layout's shape, strides, type and place; None where there is none."""
    if layout is None:
        return None
    where = "emulator" if device == EMULATOR else f"cuda:{device}"
    size = layout.dtype.itemsize
    reach = sum([(n - 1) * stride for n, stride in zip(layout.shape, layout.strides, strict=True)]) // size + 1
    spare = layout.offset // size  # all memory starts on a multiple of 16 bytes
    numbers = np.random.default_rng(0).standard_normal(max(reach, 1) + spare, np.float32).astype(layout.dtype)
    memory = backend.to_device(numbers, where)[spare:]
    strided = np.lib.stride_tricks if device == EMULATOR else backend.require_cupy().lib.stride_tricks
    how = {"subok": True} if device == EMULATOR else {}
    return strided.as_strided(memory, layout.shape, layout.strides, **how)
