"""What the capture of a step needs of the code inside: the numbers that change from step to step, fed by the host.

A graph's launches have frozen arguments. What an op takes from the host anew at each call (where a dropout's random
numbers begin, an optimiser's rate) it asks for here: while a graph is captured it gets device memory, which each replay
first fills with what the host says then; else None, and the op passes its number as it always does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from numpy.typing import DTypeLike

from gpunn.backend.contract import Array, Shape
from gpunn.errors import CaptureError


class Feed(Protocol):
    """Where a capture gathers what its replays are fed with."""

    def add(self, make: Callable[[], Any], dtype: DTypeLike, shape: Shape) -> Array:
        """Device memory of this dtype and shape that each replay fills with make()."""
        ...

    def guard(self, holds: Callable[[], bool]) -> None:
        """Ask holds() before each replay, before any make(); where it is False the graph is captured anew."""
        ...


_alone = threading.RLock()


def alone() -> threading.RLock:
    """The lock to hold during a capture: one at a time, in which no other thread reads from a stream not its own."""
    return _alone


def _renew_lock() -> None:
    global _alone
    _alone = threading.RLock()  # a forked child may have got it locked by a thread that it lacks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


now: ContextVar[Feed | None] = ContextVar("gpunn capture", default=None)


def fed(make: Callable[[], Any], dtype: DTypeLike, shape: Shape = ()) -> Array | None:
    """While a graph is captured: device memory that holds make() at each replay; dense, on a multiple of 16 bytes.

    make() is called once a replay, in the order of the capture, and not by the capture itself: it has the effects on
    the host that an eager call has (random numbers taken, steps counted). None where nothing is being captured.
    """
    feed = now.get()
    return None if feed is None else feed.add(make, dtype, shape)


def guard(holds: Callable[[], bool]) -> None:
    """While a graph is captured: what its launches take for granted of the host, asked before each replay."""
    feed = now.get()
    if feed is not None:
        feed.guard(holds)


def keep(arrays: tuple[Array | None, ...]) -> None:
    """While a graph is captured: what its launches read stays where it is for as long as the graph."""
    guard(lambda: arrays is not None)


def refuse(why: str) -> None:
    """While a graph is captured: raise CaptureError, since replays would not do what follows here."""
    if now.get() is not None:
        raise CaptureError(why)
