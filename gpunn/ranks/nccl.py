"""Ranks with a GPU each, over NCCL: collectives in a stream of their own, as nodes where a graph is captured."""

from __future__ import annotations

import ctypes
import gc
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from gpunn import backend
from gpunn.backend import Array, capture, streams
from gpunn.cuda import elementwise
from gpunn.errors import DistError
from gpunn.ranks import nccl_joining
from gpunn.ranks.group import Group, Work, in_json
from gpunn.ranks.mpi import late
from gpunn.ranks.nccl_joining import gpu_for as gpu_for
from gpunn.ranks.nccl_watch import Watch

if TYPE_CHECKING:
    from gpunn.ranks.client import Client

ORDERED = ("sum", "avg", "prod")  # whose result depends on the order
FUNCTIONS = {"sum": "add", "avg": "add", "prod": "multiply", "min": "minimum", "max": "maximum"}


class NcclWork(Work):
    """A collective in the communication stream; what it reaches lives at least until somebody has waited."""

    def __init__(self, group: NcclGroup, arrays: Sequence[Array], origin: int, done: Any):
        self._group, self._arrays, self._origin, self._done = group, arrays, origin, done

    def wait(self) -> None:
        """Let the current stream wait for its end; the host does not."""
        with streams.on(self._group.device.id):
            current = self._group.cupy.cuda.get_current_stream()
            current.wait_event(self._done)
        if current.ptr == self._origin:  # whose memory it is: what that stream launches next may have it again
            self._arrays = ()

    def is_over(self) -> bool:
        """Whether nothing is left to keep for it; not to be asked of one that was captured."""
        return not self._arrays or self._done.done


class NcclGroup(Group):
    """Ranks with a GPU each, which NCCL joins; `device` is the number of this one's, the thread's current from now on.

    Without `ordered` the order of sums is NCCL's own. With it each rank gets its share of all ranks' arrays, adds
    them in rank order, and gives the result to all: as many bytes on the way, in two steps, and scratch memory of the
    array's size. So do ranks that take the least or greatest of floats, of which NCCL may lose a NaN, and arrays of
    types that it does not know.

    DistError: a rank does not come in time, two have one GPU, or NCCL cannot join them.
    """

    kind = "nccl"
    ordered = False

    def __init__(self, rank: int, size: int, device: int, timeout: float = 300.0, client: Client | None = None):
        super().__init__(rank, size, timeout, client)
        self.cupy, self.nccl = backend.require_cupy(), backend.require_nccl()
        self.device = self.cupy.cuda.Device(device)
        self.lock = threading.RLock()  # held while the communication stream is written to
        self._exchanges, self._others = 0, [other for other in range(size) if other != rank]
        self._under_way: deque[NcclWork] = deque()
        self._graphs: WeakSet[_InGraph] = WeakSet()
        self._is_kept = False  # by a graph of a program's own, which nobody can ask
        self.device.use()
        self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.replaying: dict[int, Any] = {}  # streams, by handle, in which graphs that hold calls are replayed
        self.comm: Any = nccl_joining.communicator(self, nccl_joining.met(self))
        # NCCL's destructor waits for other ranks and for graphs: only `close`, which knows of both, may call it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.comm))
        self._watch = Watch(self) if client is not None else None

    def close(self) -> None:
        """Leave the others, at the end of a run that all ranks came to."""
        if self.comm is None:
            return
        self._drain("the end of the run")
        if self._watch is not None:
            self._watch.stop()
        with self.lock:
            comm, self.comm = self.comm, None
        gc.collect()
        # NCCL waits for graphs that somebody still has, and for the ranks where they are.
        if all(self.exchange(not self._graphs and not self._is_kept)):
            comm.destroy()

    # ---------------------------------------------------------------- on the host
    def exchange(self, value: Any) -> list[Any]:
        """Small values of all ranks, of what JSON holds, in rank order: through the store of the run."""
        text = in_json(value)
        if self.client is None:
            return [value]
        self._exchanges += 1
        self._count("exchange")
        return [*map(json.loads, self.client.gather(f"nccl exchange {self._exchanges}", text, self.timeout))]

    def barrier(self) -> None:
        """Wait until all ranks are here, and all that they launched before has ended."""
        capture.refuse("dist.barrier waits on the host")
        self._drain("a barrier")
        self.exchange(None)

    def _drain(self, what: str) -> None:
        """Wait for the current and the communication stream, hearing Ctrl-C. DistError after the time limit."""
        with streams.on(self.device.id):
            ends = [one.record() for one in (self.cupy.cuda.get_current_stream(), self.stream)]
        started, pause = time.monotonic(), 0.0
        while not all([end.done for end in ends]):
            if time.monotonic() - started > self.timeout:
                raise DistError(late(self, what))
            time.sleep(pause)
            pause = min(pause * 1.5 + 2e-6, 1e-3)

    # ---------------------------------------------------------------- collectives
    def _all_reduce(self, a: Array, op: str, ordered: bool) -> Work:
        flat = self._flat("all_reduce", a)
        if not self._is_ordered(a, op, ordered):
            given = flat.data.ptr, flat.data.ptr, flat.size, *self._numbers(a, op)
            return self._start((a,), lambda to: self.comm.allReduce(*given, to))
        share = -(-flat.size // self.size)
        shares = [flat[rank * share : (rank + 1) * share] for rank in range(self.size)]
        mine = shares[self.rank]
        parts = self.cupy.empty((self.size, mine.size), a.dtype)

        def launch(to: int) -> None:
            self._scattered(mine, shares, parts, op, to)
            self._swapped([(rank, mine) for rank in self._others], [(rank, shares[rank]) for rank in self._others], to)

        return self._start((a, parts), launch)

    def _broadcast(self, a: Array, src: int) -> Work:
        flat = self._flat("broadcast", a)
        at, size, kind = flat.data.ptr, flat.nbytes, self.nccl.NCCL_UINT8
        return self._start((a,), lambda to: self.comm.broadcast(at, at, size, kind, src, to))

    def _all_gather(self, out: Array, a: Array) -> Work:
        mine, rows = self._flat("all_gather", a), self._flat("all_gather", out)
        given = mine.data.ptr, rows.data.ptr, mine.nbytes, self.nccl.NCCL_UINT8
        return self._start((out, a), lambda to: self.comm.allGather(*given, to))

    def _reduce_scatter(self, out: Array, a: Array, op: str, ordered: bool) -> Work:
        mine, flat = self._flat("reduce_scatter", out), self._flat("reduce_scatter", a)
        if not self._is_ordered(a, op, ordered):
            given = flat.data.ptr, mine.data.ptr, mine.size, *self._numbers(a, op)
            return self._start((out, a), lambda to: self.comm.reduceScatter(*given, to))
        rows, parts = list(flat.reshape(self.size, -1)), self.cupy.empty((self.size, mine.size), a.dtype)
        return self._start((out, a, parts), lambda to: self._scattered(mine, rows, parts, op, to))

    # ---------------------------------------------------------------- what they are made of
    def _flat(self, call: str, a: Any) -> Any:
        """A contiguous array of this group's GPU as a vector. ValueError for any other."""
        is_device = isinstance(a, self.cupy.ndarray)
        if not is_device or a.device.id != self.device.id or not a.flags.c_contiguous:
            where = f"cuda:{a.device.id}" if is_device else "cpu"
            raise ValueError(
                f"{call}: got an array on {where}{'' if a.flags.c_contiguous else ' that is not contiguous'}, expected "
                f"a contiguous one on cuda:{self.device.id}; copy it there"
            )
        return a.reshape(-1)

    def _is_ordered(self, a: Array, op: str, ordered: bool) -> bool:
        """Whether the ranks' arrays are combined here, in rank order, rather than by NCCL."""
        floats = a.dtype.kind in "fV"
        unknown = not hasattr(self.nccl, f"NCCL_{a.dtype.name.upper()}")
        return unknown or (floats and (op not in ORDERED or ordered))

    def _numbers(self, a: Array, op: str) -> tuple[int, int]:
        return getattr(self.nccl, f"NCCL_{a.dtype.name.upper()}"), getattr(self.nccl, f"NCCL_{op.upper()}")

    def _scattered(self, out: Any, rows: Sequence[Any], parts: Any, op: str, to: int) -> None:
        """Send each rank its row, and combine in rank order what all have for this one; rows[rank] may be `out`."""
        self._swapped([(rank, rows[rank]) for rank in self._others], [(rank, parts[rank]) for rank in self._others], to)
        if not out.size:
            return
        parts[self.rank].data.copy_from_device_async(rows[self.rank].data, out.nbytes)  # of any type
        total = parts[0]
        for part in parts[1:]:
            elementwise.apply_into(FUNCTIONS[op], total, part)
        if op == "avg":
            elementwise.apply_into("true_divide", total, self.size)
        out.data.copy_from_device_async(total.data, out.nbytes)

    def _swapped(self, given: Sequence[tuple[int, Any]], taken: Sequence[tuple[int, Any]], to: int) -> None:
        """Send and receive arrays, to and from ranks, all at once."""
        kind = self.nccl.NCCL_UINT8
        self.nccl.groupStart()
        try:
            for rank, a in given:
                if a.size:
                    self.comm.send(a.data.ptr, a.nbytes, kind, rank, to)
            for rank, a in taken:
                if a.size:
                    self.comm.recv(a.data.ptr, a.nbytes, kind, rank, to)
        finally:
            self.nccl.groupEnd()

    def _start(self, arrays: Sequence[Array], launch: Callable[[int], None]) -> Work:
        """Launch in the communication stream, behind what the current stream has; in a capture that is joined to it."""
        if not arrays[0].size:
            return Work()
        cuda, index = self.cupy.cuda, self.device.id
        with self.lock, streams.on(index):
            if self.comm is None:
                raise DistError("dist: the ranks have parted; call dist.init() again")
            is_captured = self._note_capture()
            current = cuda.get_current_stream()
            self.stream.wait_event(current.record(cuda.Event(disable_timing=True)))
            try:
                with self.stream:
                    launch(self.stream.ptr)
            except self.nccl.NcclError as error:
                raise DistError(nccl_joining.failure(self, f"dist: {self.doing}", error)) from error
            work = NcclWork(self, arrays, current.ptr, self.stream.record(cuda.Event(disable_timing=True)))
            if not is_captured:  # a graph's memory stays, and who captures waits
                while self._under_way and self._under_way[0].is_over():
                    self._under_way.popleft()
                self._under_way.append(work)
        return work

    def _note_capture(self) -> bool:
        """Whether the current stream is being captured; what is to be known of the graph from now on is noted."""
        if capture.now.get() is not None:
            node, stream = _InGraph(self), self.cupy.cuda.get_current_stream()
            self._graphs.add(node)
            capture.guard(node.stands)
            self.replaying[stream.ptr] = stream
            return True
        is_captured = streams.in_program_capture(self.device.id)
        self._is_kept |= is_captured
        return is_captured


class _InGraph:
    """Calls of a group that a graph holds: lives as long as the graph, which asks it before each replay."""

    def __init__(self, group: NcclGroup):
        self._group = group

    def stands(self) -> bool:
        """Whether the ranks are still joined."""
        return self._group.comm is not None
