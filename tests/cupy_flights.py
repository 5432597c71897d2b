"""Results of NCCL's in the look-alike of CuPy that are not there yet: poison, until somebody has waited for them.

They are there for what follows in the same stream, and once a stream or the host has waited for an event behind them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np

from tests.cupy_device import current_stream

POISON = 0xFF


class Flight:
    """Memory that a call in a stream writes."""

    def __init__(self, memory: np.ndarray):
        self.memory, self.result = memory, memory.copy()
        memory.view(np.uint8)[...] = POISON

    def land(self) -> None:
        if self.result is not None:
            self.memory[...] = self.result
            self.result = None


flying: dict[int, list[Flight]] = {}  # by the stream's handle
_lock = threading.RLock()  # ranks may be threads


def start(ptr: int, written: np.ndarray) -> None:
    """A call in this stream has its result."""
    with _lock:
        flying.setdefault(ptr, []).append(Flight(written))


def land(flights: Iterable[Flight]) -> None:
    """Somebody has waited for them."""
    with _lock:
        for flight in flights:
            flight.land()


def land_in(ptr: int) -> None:
    """All that is in a stream has ended, or what follows there comes after it."""
    with _lock:
        land(flying.pop(ptr, ()))


def land_here() -> None:
    """The same of the current stream."""
    if flying:
        land_in(current_stream().ptr)
