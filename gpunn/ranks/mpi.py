"""Ranks over MPI, for arrays on the host. MPI moves bytes alone; sums are taken here, in rank order."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import Array
from gpunn.errors import DistError
from gpunn.ranks.client import Client
from gpunn.ranks.group import Group, Work, combined, in_json

# mpi4py's, which is there or not.
Communicator: TypeAlias = Any
Request: TypeAlias = Any

PIECE = 1 << 25  # bytes of an array that travel at once: more would need as much memory on the way once more
SHORT = 1 << 14  # bytes up to which all ranks get all of an array, in place of a share each
WORDS = 112  # bytes of an exchange of words that travel in one message
MARK = b"exchange"  # begins such a message, which may meet bytes of another call of a rank that is elsewhere
LOOK = 0.5  # seconds between two looks at the time limit


class Apart(Exception):
    """Ranks have met in different calls, or with different arrays."""


class MpiWork(Work):
    """A job of the worker's."""

    def __init__(self, group: MpiGroup, job: Callable[[], Any], what: str):
        self._group, self._job, self.what = group, job, what
        self._done, self._result, self._error = threading.Event(), None, None

    def run(self) -> None:
        """Do it: called by the worker."""
        try:
            self._result = self._job()
        except BaseException as error:  # is raised where somebody waits for it
            self._error = error
        finally:
            del self._job
            self._done.set()

    def wait(self) -> Any:
        """Wait for the end. DistError after the group's time limit, naming the ranks that have not come."""
        started, client = time.monotonic(), self._group.client
        while not self._done.wait(LOOK):
            if time.monotonic() - started > self._group.timeout:
                raise DistError(late(self._group, self.what))
        if client is not None:
            client.doing = f"past {self.what}"
        if isinstance(self._error, Apart):
            raise DistError(apart(self._group, self.what)) from None
        if type(self._error).__module__.startswith("mpi4py"):
            raise DistError(apart(self._group, self.what)) from self._error
        if self._error is not None:
            raise self._error
        return self._result


def late(group: Group, what: str) -> str:
    """The words of a collective that has taken too long: where each of the ranks is."""
    return (
        f"dist: rank {group.rank} has waited {group.timeout:g} s in {what}{_others(group)}; look for what holds the "
        "others up, or give more time with dist.init(timeout=...)"
    )


def apart(group: Group, what: str) -> str:
    """The words of a collective that met another one, or one of another size, of some rank."""
    return (
        f"dist: rank {group.rank} is in {what}, and others in another call, or with other arrays{_others(group)}; all "
        "ranks must make the same calls in the same order; GPUNN_DIST_DEBUG=1 says before each who differs"
    )


def _others(group: Group) -> str:
    """Where the other ranks are."""
    where: dict[int, str] = {}
    if group.client is not None:
        with suppress(DistError):  # the run has ended meanwhile
            where = group.client.where()
    return "".join(f"; rank {rank}: {words}" for rank, words in sorted(where.items()) if rank != group.rank)


class MpiGroup(Group):
    """Ranks that MPI started. One thread makes all of its calls, in order; while it waits it sleeps."""

    kind = "mpi"

    def __init__(self, comm: Communicator, timeout: float = 300.0, client: Client | None = None):
        super().__init__(comm.Get_rank(), comm.Get_size(), timeout, client)
        self._comm = comm
        self._jobs: queue.SimpleQueue[MpiWork | None] = queue.SimpleQueue()
        self._process = os.getpid()
        self._worker = threading.Thread(target=self._work, name="gpunn ranks", daemon=True)
        self._worker.start()

    def exchange(self, value: object) -> list[Any]:
        """Small values of all ranks, of what JSON holds, in rank order."""
        mine = np.frombuffer(in_json(value).encode(), np.uint8)
        self._count("exchange")
        return self._start(lambda: self._exchanged(mine)).wait()

    def close(self) -> None:
        """Let the worker end once all is done: MPI itself ends with the process."""
        if self._worker.is_alive():
            self._jobs.put(None)
            self._worker.join()

    # ---------------------------------------------------------------- the main thread's side
    def _start(self, job: Callable[[], Any]) -> MpiWork:
        if os.getpid() != self._process:
            raise DistError("dist: a fork of a rank is no rank; call collectives in the process that called dist.init")
        if not self._worker.is_alive():
            raise DistError("dist: the ranks have parted; call dist.init() again")
        work = MpiWork(self, job, self.doing)
        self._jobs.put(work)
        return work

    def _all_reduce(self, a: Array, op: str, ordered: bool) -> Work:
        flat, mark = _flat(a), self._mark(a, op)
        return self._start(lambda: self._reduced(flat, op, mark))

    def _broadcast(self, a: Array, src: int) -> Work:
        mark = self._mark(a, src)
        return self._start(lambda: self._sent(_bytes(a), src, mark))

    def _all_gather(self, out: Array, a: Array) -> Work:
        rows, mine, mark = _bytes(out).reshape(self.size, -1), _bytes(a), self._mark(a)
        return self._start(lambda: self._gathered(rows, mine, mark))

    def _reduce_scatter(self, out: Array, a: Array, op: str, ordered: bool) -> Work:
        flat, rows, mark = _flat(out), _flat(a).reshape(self.size, -1), self._mark(a, op)
        return self._start(lambda: (self._meet(mark), self._scattered(flat, rows, op)))

    def _mark(self, a: Array, option: object = "") -> np.ndarray:
        """What this rank is about to do, in 8 bytes: MPI itself may mix arrays of other sizes and types in silence."""
        words = f"{self.doing} {a.dtype.str} {a.size} {option}"
        return np.frombuffer(zlib.crc32(words.encode()).to_bytes(8, "little"), np.uint8)

    # ---------------------------------------------------------------- the worker's
    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()

    def _finish(self, request: Request) -> None:
        """Wait for a request as a polite neighbour: other ranks may need this core to come to it."""
        pause = 0.0
        while not request.Test():
            time.sleep(pause)
            pause = min(pause * 1.5 + 2e-6, 1e-3)

    def _everyones(self, mine: np.ndarray, rows: np.ndarray) -> None:
        self._finish(self._comm.Iallgather(mine, rows))

    def _exchanged(self, mine: np.ndarray) -> list[Any]:
        """All ranks' words: the first WORDS bytes with their length before them, and only if need be the rest."""
        head, heads = np.zeros(16 + WORDS, np.uint8), np.zeros((self.size, 16 + WORDS), np.uint8)
        head[:8], head[8:16] = np.frombuffer(MARK, np.uint8), np.array([mine.size]).view(np.uint8)
        head[16 : 16 + mine.size] = mine[:WORDS]
        self._everyones(head, heads)
        if (heads[:, :8] != head[:8]).any():
            raise Apart
        sizes, rows = heads[:, 8:16].copy().view(np.int64).ravel(), heads[:, 16:]
        if sizes.max() > WORDS:
            padded, rows = np.zeros(sizes.max(), np.uint8), np.empty((self.size, sizes.max()), np.uint8)
            padded[: mine.size] = mine
            self._everyones(padded, rows)
        return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]

    def _marked(self, mark: np.ndarray, mine: np.ndarray, rows: np.ndarray) -> None:
        """All ranks' bytes, in one message with the mark of each. Apart where the marks are not one."""
        whole = np.zeros((self.size, mark.size + mine.size), np.uint8)
        self._everyones(np.concatenate([mark, mine]), whole)
        if (whole[:, : mark.size] != mark).any():
            raise Apart
        rows[...] = whole[:, mark.size :]

    def _meet(self, mark: np.ndarray) -> None:
        self._marked(mark, mark[:0], np.empty((self.size, 0), np.uint8))

    def _sent(self, flat: np.ndarray, src: int, mark: np.ndarray) -> None:
        self._meet(mark)
        for at in range(0, flat.size, PIECE):
            self._finish(self._comm.Ibcast(flat[at : at + PIECE], src))

    def _gathered(self, rows: np.ndarray, mine: np.ndarray, mark: np.ndarray) -> None:
        if mine.size <= SHORT:
            self._marked(mark, mine, rows)
            return
        self._meet(mark)
        if mine.size <= PIECE:
            self._everyones(mine, rows)
            return
        for at in range(0, mine.size, PIECE):
            part = np.empty((self.size, min(PIECE, mine.size - at)), np.uint8)
            self._everyones(mine[at : at + PIECE], part)
            rows[:, at : at + PIECE] = part

    def _reduced(self, flat: np.ndarray, op: str, mark: np.ndarray) -> None:
        if flat.nbytes <= SHORT:  # all ranks get all parts, and reduce them
            rows = np.empty((self.size, flat.nbytes), np.uint8)
            self._marked(mark, flat.view(np.uint8), rows)
            combined(rows.view(flat.dtype), op, flat)
            return
        self._meet(mark)
        length = PIECE // flat.itemsize
        for at in range(0, flat.size, length):
            self._reduced_shared(flat[at : at + length], op)

    def _reduced_shared(self, part: np.ndarray, op: str) -> None:
        """Each rank reduces a share, and gives it to all: 2 (n - 1) / n of the bytes."""
        share = -(-part.size // self.size)
        padded = np.zeros((self.size, share), part.dtype)
        padded.reshape(-1)[: part.size] = part
        total = np.empty(share, part.dtype)
        self._scattered(total, padded, op)
        self._everyones(total.view(np.uint8), padded.view(np.uint8))
        part[...] = padded.reshape(-1)[: part.size]

    def _scattered(self, out: np.ndarray, rows: np.ndarray, op: str) -> None:
        length = max(1, PIECE // rows.itemsize)
        for at in range(0, out.size, length):
            mine = np.ascontiguousarray(rows[:, at : at + length]).view(np.uint8)
            parts = np.empty_like(mine)
            self._finish(self._comm.Ialltoall(mine, parts))
            combined(parts.view(out.dtype), op, out[at : at + length])


def _flat(a: Array) -> np.ndarray:
    """A contiguous array of the host, the emulator's too, as a vector of NumPy's on the same memory."""
    return np.asarray(a).view(np.ndarray).reshape(-1)


def _bytes(a: Array) -> np.ndarray:
    return _flat(a).view(np.uint8)
