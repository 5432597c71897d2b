"""Where captured steps run: a stream and memory of their own on one device.

A graph keeps nothing alive and knows addresses, so what its launches reach must stay where it is while it
lives: captures take their memory from a pool that gives nothing back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from gpunn import backend
from gpunn.cuda.ring import Short

R = TypeVar("R")
UNIT = 512  # bytes that CuPy's pools round up to


class Place:
    """A stream, a pool for captures, and the device's word on the first step with a fault: int64 {number, row}.

    The stream waits for the caller's before a call, and the caller's for it after. Eager steps take memory from the
    caller's allocator, so that what they leave behind (an optimiser's state) is none of a graph's.
    """

    def __init__(self, index: int):
        self.cupy = backend.require_cupy()
        cuda = self.cupy.cuda
        self.device, self.index = cuda.Device(index), index
        with self.device:
            self.stream = cuda.Stream(non_blocking=True)
            self._before, self._after = cuda.Event(disable_timing=True), cuda.Event(disable_timing=True)
            self._drawn = _Drawn()
            self.pool = cuda.MemoryPool(self._drawn)
            self.peak = 0  # the most bytes that an eager step had in use
            self.fault = self.inside(lambda: self.cupy.zeros(2, np.int64))

    def inside(self, function: Callable[..., R], *args: Any) -> R:
        """function(*args) on this device and stream."""
        with self.device:
            outer = self.cupy.cuda.get_current_stream()
            if outer == self.stream:
                return function(*args)
            self._before.record(outer)
            self.stream.wait_event(self._before)
            try:
                with self.stream:
                    return function(*args)
            finally:
                self._after.record(self.stream)
                outer.wait_event(self._after)

    def measured(self, function: Callable[..., R], *args: Any) -> R:
        """The same for an eager step, which tells how much memory a capture will need."""
        meter = Meter(self.cupy.cuda.get_allocator())
        with self.cupy.cuda.using_allocator(meter):
            found = self.inside(function, *args)
        self.peak = max(self.peak, meter.peak)
        return found

    def reserve(self, size: int) -> None:
        """Have so many bytes in one piece in the captures' pool. Raises CuPy's OutOfMemoryError."""
        self._drawn.source = self.cupy.cuda.get_allocator()
        try:
            self.pool.malloc(size)
        finally:
            self._drawn.source = None

    def empty(self) -> None:
        """Give back what no graph knows, once none is left."""
        self.stream.synchronize()
        self._drawn = _Drawn()
        self.pool = self.cupy.cuda.MemoryPool(self._drawn)
        self.cupy.get_default_memory_pool().free_all_blocks(self.stream)


class _Drawn:
    """What a pool draws its memory from: an allocator, while there is one. All of it is kept for as long as this is."""

    def __init__(self) -> None:
        self.source: Callable[[int], Any] | None = None
        self._pieces: list[Any] = []

    def __call__(self, size: int) -> Any:
        if self.source is None:
            raise Short(memory=size)
        self._pieces.append(self.source(size))
        return self._pieces[-1]


class Meter:
    """An allocator that passes on another's memory and knows how much of it is in use.

    It also keeps the other alive for as long as its memory is: a pool of CuPy's takes all of it along.
    """

    def __init__(self, source: Callable[[int], Any]):
        self._source = source
        self._memory = backend.require_cupy().cuda
        self.used = self.peak = 0

    def __call__(self, size: int) -> Any:
        pointer = self._source(size)
        block = _Block(self, pointer, UNIT * -(-size // UNIT))
        self.used += block.size
        self.peak = max(self.peak, self.used)
        memory = self._memory.UnownedMemory(pointer.ptr, size, block, pointer.device_id)
        return self._memory.MemoryPointer(memory, 0)


class _Block:
    """A piece of memory in use, and the meter that passed it on."""

    __slots__ = ("meter", "pointer", "size")

    def __init__(self, meter: Meter, pointer: Any, size: int):
        self.meter, self.pointer, self.size = meter, pointer, size

    def __del__(self) -> None:
        self.meter.used -= self.size
