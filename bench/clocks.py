"""Seconds of a call: on the host by its clock, on a GPU between two events with the L2 cleared before.

A GPU call is queued behind a kernel that spins until the host has launched everything, so that the events enclose the
device's work and none of the host's. What the host took for launching is measured beside it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.rows import Spread
from gpunn import backend

SPIN = r"""
extern "C" __global__ void spin(long long cycles) {
    long long start = clock64();
    while (clock64() - start < cycles) {}
}
"""
MOST_SPIN = 0.05  # seconds
SETTLE = 0.01  # seconds before each call on the CPU: OpenMP's threads spin on for some ms after PyTorch's step
Call = Callable[[], Any]


@dataclass
class Sample:
    """Seconds of the repeats of one call: on the device, and of the host until it had launched."""

    device: list[float] = field(default_factory=list)
    host: list[float] = field(default_factory=list)

    @property
    def spread(self) -> Spread:
        return Spread.of(self.device)


class Clock:
    """For the CPU: the call is over when it returns, so there is no launch to speak of."""

    def once(self, call: Call) -> tuple[float, float | None]:
        """Seconds of a call until the device is done, and of the host alone."""
        time.sleep(SETTLE)
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin, None


class ProcessorClock(Clock):
    """For the CPU, one thread: seconds in which it ran, whoever else waited for the same core."""

    def once(self, call: Call) -> tuple[float, float | None]:
        begin = time.process_time()
        call()
        return time.process_time() - begin, None


class WallClock(Clock):
    """For whole steps on a GPU, whose launches are a part of what the user waits for: several steps, one wait."""

    def __init__(self, steps: int = 10) -> None:
        self.device, self.steps = backend.require_cupy().cuda.Device(), steps

    def once(self, call: Call) -> tuple[float, float | None]:
        self.device.synchronize()  # all of its streams: a captured step has one of its own
        begin = time.perf_counter()
        for _ in range(self.steps):
            call()
        host = time.perf_counter() - begin
        self.device.synchronize()
        return (time.perf_counter() - begin) / self.steps, host / self.steps


class CudaClock(Clock):
    """For one CUDA device, on CuPy's current stream; PyTorch's default stream is the same one."""

    def __init__(self) -> None:
        self.cupy = backend.require_cupy()
        device = self.cupy.cuda.Device()
        self._cycles_a_second = 1e3 * device.attributes.get("ClockRate", 2_000_000)  # given in kHz
        self._flush = self.cupy.empty(max(64 << 20, 2 * device.attributes["L2CacheSize"]), "uint8")
        self._spin = self.cupy.RawKernel(SPIN, "spin")
        self._start, self._end = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        self._host: dict[int, float] = {}  # by id(call): its last launch

    def once(self, call: Call) -> tuple[float, float | None]:
        stream = self.cupy.cuda.get_current_stream()
        self._flush.data.memset_async(0, self._flush.nbytes, stream)
        wait = min(MOST_SPIN, 1.5 * self._host.get(id(call), 0.001) + 2e-5)
        self._spin((1,), (1,), (int(wait * self._cycles_a_second),))
        self._start.record(stream)
        begin = time.perf_counter()
        result = call()
        host = time.perf_counter() - begin
        self._end.record(stream)
        self._end.synchronize()
        del result  # its memory is not handed out again before the device is done
        self._host[id(call)] = host
        return 1e-3 * self.cupy.cuda.get_elapsed_time(self._start, self._end), host


def by_turns(calls: list[Call], clock: Clock, repeats: int, budget: float) -> list[Sample]:
    """A Sample a call, `repeats` rounds of all calls, every other round backwards; after `budget` seconds 5 at most.

    Neighbours in time make a pair: what else the machine does then meets both alike.
    """
    for call in calls:
        for _ in range(2):
            clock.once(call)
    samples = [Sample() for _ in calls]
    end = time.perf_counter() + budget
    for round_ in range(repeats):
        if round_ >= 5 and time.perf_counter() > end:
            break
        for side in range(len(calls))[:: 1 if round_ % 2 else -1]:
            device, host = clock.once(calls[side])
            samples[side].device.append(device)
            if host is not None:
                samples[side].host.append(host)
    return samples


@contextlib.contextmanager
def captured(call: Call) -> Iterator[Call]:
    """`call` as a CUDA graph: a function that launches it whole. Raises what CuPy raises where it cannot be captured.

    The stream is one of its own, and so is the memory pool, warmed up on it: nothing is allocated while capturing, and
    what the graph writes stays in the pool until the block ends.
    """
    cupy = backend.require_cupy()
    stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    with stream, cupy.cuda.using_allocator(pool.malloc):
        for _ in range(2):
            call()
        stream.synchronize()
        stream.begin_capture()
        try:
            kept = call()
        except BaseException:
            with contextlib.suppress(Exception):  # the capture is broken: ending it raises, but ends it
                stream.end_capture()
            raise
        graph = stream.end_capture()
    current = cupy.cuda.get_current_stream()
    graph.upload(current)
    try:
        yield lambda: graph.launch(current)
    finally:
        current.synchronize()
        del kept
