"""CUDA graphs in the look-alike of CuPy: what a capturing stream records, refuses and replays.

The rules are CuPy's and CUDA's: copies between host and device raise a RuntimeError that leaves the capture whole;
waiting for a capturing stream raises cudaErrorStreamCaptureUnsupported and spoils it, so that end_capture raises too.
In one thing this is stricter: a pool may grow nowhere while its stream captures; CuPy's default mode, "relaxed", lets
it, and the thread-local and the global mode refuse it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from tests import counting, cupy_errors, cupy_flights
from tests.cupy_device import Device, current_stream
from tests.cupy_errors import CUDADriverError, CUDARuntimeError

GLOBAL, THREAD_LOCAL, RELAXED = range(3)


class Node(NamedTuple):
    name: str  # "" for what is no node of the graph: memory that was given back
    run: Callable[[], Any]


class Capture:
    """What a stream records between begin_capture and end_capture, with those that joined it by events."""

    def __init__(self, stream, mode):
        self.origin, self.mode, self.device = stream, mode, Device.now()
        self.thread = threading.get_ident()
        self.nodes: list[Node] = []
        self.is_valid = True
        self.streams = {stream.ptr}
        self.unjoined: set[int] = set()

    def record(self, name: str, run: Callable[[], Any]) -> None:
        self.nodes.append(Node(name, run))

    def join(self, stream) -> None:
        """The stream waited for work of this capture, so what follows in it is part of it."""
        if stream.ptr not in self.streams:
            self.streams.add(stream.ptr)
            self.unjoined.add(stream.ptr)
            _live[stream.ptr] = self

    def fail(self, status: int) -> CUDARuntimeError:
        self.is_valid = False
        return CUDARuntimeError(status)

    def end(self, stream) -> Graph:
        if stream.ptr != self.origin.ptr:
            raise self.fail(cupy_errors.UNMATCHED)
        if self.mode != RELAXED and self.thread != threading.get_ident():
            raise self.fail(cupy_errors.WRONG_THREAD)
        for ptr in self.streams:
            del _live[ptr]
        if not self.is_valid:
            raise CUDARuntimeError(cupy_errors.INVALIDATED)
        if self.unjoined:
            raise CUDARuntimeError(cupy_errors.UNJOINED)
        graph = Graph.__new__(Graph)
        graph._nodes = self.nodes
        return graph


_live: dict[int, Capture] = {}  # by the handle of each stream that captures


def reset() -> None:
    _live.clear()
    cupy_flights.flying.clear()


def of(ptr: int) -> Capture | None:
    """The capture that a stream takes part in, whole or spoiled."""
    return _live.get(ptr) if _live else None


def now() -> Capture | None:
    """The capture that a launch in the current stream goes into; None where it runs at once."""
    cupy_flights.land_here()
    if not _live:
        return None
    stream = current_stream()
    capture = _live.get(stream.ptr)
    if capture is None:
        _refuse_null(stream)
    elif not capture.is_valid:
        raise CUDADriverError(cupy_errors.INVALIDATED)
    elif stream.ptr != capture.origin.ptr:
        capture.unjoined.add(stream.ptr)
    return capture


def _refuse_null(stream) -> None:
    """The null stream would wait for blocking streams, which it must not while they capture."""
    for capture in list(_live.values()):
        if not stream.ptr and not capture.origin.is_non_blocking and capture.device == Device.now():
            raise capture.fail(cupy_errors.IMPLICIT)


def is_capturing(stream) -> bool:
    capture = of(stream.ptr)
    if capture is None:
        _refuse_null(stream)
    elif not capture.is_valid:
        raise RuntimeError("the stream was capturing, but an error has invalidated the capture sequence")
    return capture is not None


def refuse_copy(what: str, stream=None) -> None:
    """Copies between host and device ("H2D", "D2H") are not recorded."""
    cupy_flights.land_here()
    if _live and is_capturing(stream or current_stream()):
        raise RuntimeError(f"the current stream is capturing, so {what} are disallowed")


def refuse_library(name: str) -> None:
    if _live and is_capturing(current_stream()):
        raise NotImplementedError(f"calling {name} API during stream capture is currently unsupported")


def refuse_wait(device: int) -> None:
    """Nobody may wait for a device while a stream of it captures."""
    for capture in list(_live.values()):
        if capture.device == device:
            raise capture.fail(cupy_errors.UNSUPPORTED)
    for ptr in list(cupy_flights.flying):
        cupy_flights.land_in(ptr)


def refuse_growth() -> None:
    """cudaMalloc: not in the thread of a capture, nor in any thread beside a global one."""
    for capture in list(_live.values()):
        mine = capture.thread == threading.get_ident() and capture.mode == THREAD_LOCAL
        if mine or capture.mode == GLOBAL or current_stream().ptr in capture.streams:
            raise capture.fail(cupy_errors.UNSUPPORTED)


class Graph:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError(
            "currently this class cannot be initiated by the user and must be created via stream capture"
        )

    def launch(self, stream=None):
        capture = of((stream or current_stream()).ptr)
        if capture is not None:  # a graph within a graph
            capture.nodes += self._nodes
            return
        counting.launched("graph")
        cupy_flights.land_in((stream or current_stream()).ptr)
        for kept in list(_kept.values()):
            kept.poison_if_dropped()
        with np.errstate(all="ignore"):
            for node in self._nodes:
                node.run()

    def upload(self, stream=None):
        pass

    def debug_dot_str(self, flags=0):
        names = [node.name for node in self._nodes if node.name]
        return "\n".join(["digraph {", *(f'"{i}" [label="{name}"];' for i, name in enumerate(names)), "}"])


# ---------------------------------------------------------------- memory that a graph reaches and does not own
class Span:
    """Bytes at an address for NumPy: `owner` is what lives as long as arrays over them do."""

    def __init__(self, ptr, size, owner, storage):
        self.__array_interface__ = {"data": (ptr, False), "shape": (size,), "typestr": "|u1", "version": 3}
        self.owner, self.storage = owner, storage

    @property
    def bytes(self) -> np.ndarray:
        return np.asarray(self)


class _Kept:
    """Memory of NumPy's own that a graph reaches: its owner may drop it, which shows at the next replay."""

    def __init__(self, root):
        self.root = root

    def poison_if_dropped(self) -> None:
        if sys.getrefcount(self.root) == 2:  # ours, and the argument's
            low, high = np.lib.array_utils.byte_bounds(self.root)
            Span(low, high - low, None, self).bytes[...] = 0xFF


_kept: WeakValueDictionary[int, _Kept] = WeakValueDictionary()


def detached(a: np.ndarray) -> np.ndarray:
    """The same memory, by an array that keeps no device array alive; freed memory is poisoned, and still there."""
    if not a.size:
        return np.empty(a.shape, a.dtype)
    root = a
    while root.base is not None and not isinstance(root.base, Span):  # as_strided has a step that is no array
        root = root.base
    while not isinstance(root, np.ndarray):
        root = root.base
    if isinstance(root.base, Span):
        storage = root.base.storage
    else:
        storage = _kept.get(id(root))
        if storage is None:
            storage = _kept[id(root)] = _Kept(root)
    low, high = np.lib.array_utils.byte_bounds(a)
    at = a.__array_interface__["data"][0]
    found = np.ndarray(a.shape, a.dtype, Span(low, high - low, None, storage).bytes, at - low, a.strides)
    found.flags.writeable = a.flags.writeable
    return found
