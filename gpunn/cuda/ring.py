"""What passes between the host and the replays of a graph: a ring of numbers to feed, a ring of what was measured.

Both lie in mapped pinned memory, so that neither side waits for a copy. A replay takes the slot of its turn; the host
writes to a slot again only once the replay that had it has ended, and takes out what nobody has read yet before.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn import backend
from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.cuda import step

SLOTS = 64  # replays that the host may be ahead


class Short(Exception):
    """A capture ran out of room: capture again with so many bytes more to feed, or of memory."""

    def __init__(self, feed: int = 0, memory: int = 0):
        super().__init__(f"a capture needs {feed} bytes more to feed and {memory} bytes more of memory")
        self.feed, self.memory = feed, memory


class Ring:
    """The rings of one graph, on CuPy's current device and stream; a `gpunn.backend.capture.Feed` while it is captured.

    Args:
        room: bytes a replay may be fed with.
        fault: int64 (2,), shared by the graphs of one owner: the first step with a fault, 0 for none, and its row.
    """

    def __init__(self, room: int, stream: Any, fault: Array):
        cupy = backend.require_cupy()
        words = 2 * -(-room // 16)
        self.stream, self.fault, self.room = stream, fault, 8 * words
        self._fed, self.fed = _mapped((SLOTS, words), np.int64)
        self._measured, self.measured = _mapped((SLOTS, step.HEAD + step.ROWS), np.float64)
        self.feed, self.state = cupy.zeros(words, np.int64), cupy.zeros(2, np.int64)
        self.makers: list[tuple[Callable[[], Any], np.ndarray]] = []
        self.guards: list[Callable[[], bool]] = []
        self.used, self.turn = 16, 0  # bytes fed, the step's number among them; replays so far
        self._unread: list[Callable[[], Measured | None]] = [lambda: None] * SLOTS

    def add(self, make: Callable[[], Any], dtype: DTypeLike, shape: Shape) -> Array:
        """Device memory that each replay fills with make(). Raises Short where there is no room for it."""
        kind = np.dtype(dtype)
        size, start = kind.itemsize * math.prod(shape), self.used
        if start + size > self.room:
            raise Short(feed=size)
        self.used = 16 * -(-(start + size) // 16)
        strides = [kind.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        slots = np.ndarray((SLOTS, *shape), kind, self._fed.view(np.uint8).data, start, (self.room, *strides))
        self.makers.append((make, slots))
        return self.feed.view(np.uint8)[start : start + size].view(kind).reshape(shape)

    def guard(self, holds: Callable[[], bool]) -> None:
        """Ask holds() before each replay."""
        self.guards.append(holds)

    def begin(self) -> None:
        """Launch the graph's first node."""
        step.begin(self.fed, self.state, self.feed)

    def end(self, values: list[Array], watched: list[int]) -> None:
        """Launch its last one."""
        step.end(values, watched, self.feed, self.state, self.fault, self.measured)

    def captured(self) -> None:
        """The capture has ended: tell the device how much is fed."""
        self.state[...] = backend.require_cupy().asarray(np.array([self.turn, self.used // 16], np.int64))

    def write(self, number: int) -> Measured:
        """Fill the slot of the next replay; what it will have measured."""
        slot = self.turn % SLOTS
        if self.turn >= SLOTS:
            if self._measured[slot, 0] <= self.turn - SLOTS:
                self.stream.synchronize()
            if (old := self._unread[slot]()) is not None:
                old.take()
        self._fed[slot, 0] = number
        for make, slots in self.makers:
            slots[slot] = make()
        found = Measured(self, self.turn)
        self._unread[slot] = weakref.ref(found)
        self.turn += 1
        return found

    def read(self, turn: int) -> list[float]:
        """The slot of a replay, which is waited for."""
        slot = self._measured[turn % SLOTS]
        if slot[0] <= turn:
            self.stream.synchronize()
            if slot[0] <= turn:
                raise RuntimeError(
                    f"replay {turn + 1} of a captured step has not ended, though its stream has; "
                    "was it launched on a device that failed?"
                )
        return slot.tolist()


class Measured:
    """What one replay measures: numbers that the host waits for when they are asked for."""

    __slots__ = ("__weakref__", "_numbers", "_ring", "_turn")

    def __init__(self, ring: Ring, turn: int):
        self._ring, self._turn = ring, turn
        self._numbers: list[float] | None = None

    def take(self) -> list[float]:
        """All numbers of the slot."""
        if self._numbers is None:
            self._numbers = self._ring.read(self._turn)
        return self._numbers

    def row(self, row: int) -> float:
        """The value of a row."""
        return self.take()[step.HEAD + row]

    @property
    def fault(self) -> tuple[int, int] | None:
        """The first step until then of which a watched value was not finite, and the value's row."""
        _, _, number, row = self.take()[: step.HEAD]
        return (int(number), int(row)) if number else None


class Reading:
    """One number of a captured step: ``float()`` waits for the step to end."""

    __slots__ = ("_row", "measured")

    def __init__(self, measured: Measured, row: int):
        self.measured, self._row = measured, row

    def __float__(self) -> float:
        return self.measured.row(self._row)

    def __reduce__(self) -> tuple:
        """Copied and pickled as the number."""
        return float, (float(self),)

    def item(self) -> float:
        """The number."""
        return float(self)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec)

    def __repr__(self) -> str:
        return f"Reading({float(self)})"


def _mapped(shape: tuple[int, ...], dtype: DTypeLike) -> tuple[np.ndarray, Array]:
    """Zeros in pinned memory of the host, as the host and as the current device see them."""
    cupy = backend.require_cupy()
    cuda, size = cupy.cuda, np.dtype(dtype).itemsize * math.prod(shape)
    memory = cuda.PinnedMemory(size, cuda.runtime.hostAllocMapped)
    host = np.frombuffer(cuda.PinnedMemoryPointer(memory, 0), dtype, math.prod(shape)).reshape(shape)
    host[...] = 0
    # One address space: what the host calls the memory, the device calls it too.
    there = cuda.UnownedMemory(memory.ptr, size, memory, cuda.runtime.getDevice())
    return host, cupy.ndarray(shape, dtype, cuda.MemoryPointer(there, 0))
