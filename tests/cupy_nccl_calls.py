"""Calls of the look-alike's NCCL (tests/cupy_nccl.py): groups of them, captures, and what the ranks' calls give."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tests import counting, cupy_capture, cupy_flights, cupy_streams

if TYPE_CHECKING:
    from tests.cupy_nccl import NcclCommunicator

_RESULTS = {
    1: ("UNHANDLED_CUDA_ERROR", "unhandled cuda error (run with NCCL_DEBUG=INFO for details)"),
    2: ("SYSTEM_ERROR", "unhandled system error (run with NCCL_DEBUG=INFO for details)"),
    4: ("INVALID_ARGUMENT", "invalid argument (run with NCCL_DEBUG=WARN for details)"),
    5: ("INVALID_USAGE", "invalid usage (run with NCCL_DEBUG=WARN for details)"),
    6: ("REMOTE_ERROR", "remote process exited or there was a network error"),
}
INVALID_ARGUMENT, INVALID_USAGE, REMOTE_ERROR = 4, 5, 6
OPS = ("SUM", "PROD", "MAX", "MIN", "AVG")
_FOLDS = {"SUM": np.add, "AVG": np.add, "PROD": np.multiply, "MAX": np.maximum, "MIN": np.minimum}


class NcclError(RuntimeError):
    def __init__(self, status):
        self.status = status
        super().__init__("NCCL_ERROR_{}: {}".format(*_RESULTS[status]))

    def __reduce__(self):
        return type(self), (self.status,)


class Call(NamedTuple):
    """One call of a rank's: what must be the same on all of them, its buffers, and for a send or receive with whom."""

    comm: NcclCommunicator
    what: tuple
    read: np.ndarray | None
    written: np.ndarray | None
    peer: int = -1

    def message(self) -> tuple:
        return self.what, self.peer, None if self.read is None else self.read.copy()


class _Groups(threading.local):
    """A thread's open groups, and what was called in them: (stream, call)."""

    def __init__(self):
        self.depth, self.calls = 0, []


open_groups = _Groups()


def group_start():
    open_groups.depth += 1


def group_end():
    if not open_groups.depth:
        raise NcclError(INVALID_USAGE)
    open_groups.depth -= 1
    if open_groups.depth == 0:
        calls, open_groups.calls = open_groups.calls, []
        cupy_streams.unlaunched.streams.clear()
        if calls:
            _run("ncclGroup", calls)


def take(name: str, stream: int, call: Call) -> None:
    if open_groups.depth:
        open_groups.calls.append((stream, call))
        cupy_streams.unlaunched.streams.add(stream)
    else:
        _run(name, [(stream, call)])


def _run(name: str, calls: list[tuple[int, Call]]) -> None:
    """At once, or with the graph that the streams are being captured into, which must be one."""
    captures = {id(cupy_capture.of(stream)): cupy_capture.of(stream) for stream, _ in calls}
    if len(captures) > 1:
        raise NcclError(INVALID_USAGE)
    (capture,) = captures.values()
    counting.launched(name)
    if capture is None:
        for stream, _ in calls:
            cupy_flights.land_in(stream)
        _perform([call for _, call in calls], False, {stream for stream, _ in calls})
        for stream, call in calls:
            if call.written is not None and call.written.size:
                cupy_flights.start(stream, call.written)
        return
    if not capture.is_valid:
        raise NcclError(1)
    frozen = [call._replace(read=_detached(call.read), written=_detached(call.written)) for _, call in calls]
    node = _Node(frozen)
    for _, call in calls:
        call.comm._graphs.add(node)
    capture.record(name, node)


def _detached(a: np.ndarray | None) -> np.ndarray | None:
    return None if a is None else cupy_capture.detached(a)


class _Node:
    """Calls in a graph."""

    def __init__(self, calls: list[Call]):
        self.calls = calls

    def __call__(self) -> None:
        for call in self.calls:
            call.comm._check()
        _perform(self.calls, True, set())


def _perform(calls: list[Call], captured: bool, streams: set[int]) -> None:
    """Exchange with the other ranks what each of them calls for, and do it."""
    comms = list(dict.fromkeys(call.comm for call in calls))
    for world in dict.fromkeys(comm._world for comm in comms):
        mine = {comm: [call for call in calls if call.comm is comm] for comm in comms if comm._world is world}
        given = {comm._rank: (captured, [call.message() for call in own]) for comm, own in mine.items()}
        for stream in streams:
            cupy_streams.busy[stream] = world
        try:
            found = world.meet(given)
        finally:
            for stream in streams:
                cupy_streams.busy.pop(stream, None)
        assert len({one[0] for one in found}) == 1, "one rank's call is captured, another's is not"
        for comm, own in mine.items():
            _finish(comm._rank, own, [messages for _, messages in found])


def _finish(rank: int, calls: list[Call], found: list[list[tuple]]) -> None:
    """A rank's results from what all ranks have called for, in the order of their calls."""
    collective = [[one for one in messages if one[1] < 0] for messages in found]
    names = [[what for what, *_ in messages] for messages in collective]
    assert all(name == names[0] for name in names), f"the ranks' calls differ: {names}"
    each = iter(zip(*collective, strict=True))
    mail = {peer: [m for m in messages if m[1] == rank and m[2] is not None] for peer, messages in enumerate(found)}
    for peer, messages in enumerate(found):
        sent = [m[0] for m in found[rank] if m[1] == peer and m[2] is not None]
        taken = [m[0] for m in messages if m[1] == rank and m[2] is None]
        assert sent == taken, f"rank {rank} sends {sent} to rank {peer}, which receives {taken}"
    for call in calls:
        if call.peer < 0:
            _combine(rank, call, [message[2] for message in next(each)])
        elif call.written is not None:
            call.written[...] = mail[call.peer].pop(0)[2]


def _combine(rank: int, call: Call, parts: list[np.ndarray]) -> None:
    name, _, _, option = call.what
    if name == "broadcast":
        call.written[...] = parts[option]
    elif name == "allGather":
        call.written[...] = np.concatenate(parts)
    elif name == "reduceScatter":
        call.written[...] = _folded(option, [part.reshape(len(parts), -1)[rank] for part in parts])
    elif name == "allReduce" or rank == option[1]:
        call.written[...] = _folded(option if name == "allReduce" else option[0], parts)


def _folded(op: int, parts: list[np.ndarray]) -> np.ndarray:
    total = parts[-1]
    with np.errstate(all="ignore"):
        for part in parts[-2::-1]:
            total = _FOLDS[OPS[op]](total, part)
        if OPS[op] == "AVG":
            total = (total / len(parts) if total.dtype.kind in "fV" else total // len(parts)).astype(total.dtype)
    return total
