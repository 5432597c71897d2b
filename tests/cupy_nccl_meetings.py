"""Where the ranks of the look-alike's NCCL exchange what they call for (tests/cupy_nccl.py)."""

from __future__ import annotations

import sys
import threading

LIMIT = 30  # seconds after which a rank that does not come is an error: NCCL would wait on


class World:
    """The ranks of one communicator."""

    def __init__(self, size: int):
        self.size, self.failed = size, False

    def meet(self, given: dict[int, object]) -> list:
        """What all ranks bring, in their order; `given`: what the caller's bring."""
        raise NotImplementedError

    def fail(self) -> None:
        """A rank has aborted: the others are told."""
        self.failed = True


class Threads(World):
    """Each rank is a thread of this process."""

    def __init__(self, size: int):
        super().__init__(size)
        self._barrier, self._values = threading.Barrier(size, timeout=LIMIT), [None] * size

    def meet(self, given):
        assert len(given) == 1, "two ranks of one thread"
        ((rank, value),) = given.items()
        self._values[rank] = value
        try:
            self._barrier.wait()
            found = list(self._values)
            self._barrier.wait()  # until all have looked, before the next come
        except threading.BrokenBarrierError:
            raise AssertionError(f"rank {rank} waited in vain for the {self.size - 1} others to call NCCL") from None
        return found

    def fail(self):
        super().fail()
        self._barrier.abort()


class Processes(World):
    """Each rank is a process of MPI's world, of the same number."""

    def __init__(self, size: int):
        super().__init__(size)
        from mpi4py import MPI

        self._comm = MPI.COMM_WORLD.Dup()
        assert self._comm.size == size, f"{size} ranks of {self._comm.size} processes"

    def meet(self, given):
        assert list(given) == [self._comm.rank], f"ranks {list(given)} in process {self._comm.rank}"
        return self._comm.allgather(given[self._comm.rank])


class Whole(World):
    """All ranks are this thread's: what they call for comes in one group."""

    def meet(self, given):
        assert len(given) == self.size, f"{len(given)} of one thread's {self.size} ranks are in a group: they wait"
        return [given[rank] for rank in range(self.size)]


_worlds: dict[bytes, World] = {}
_lock = threading.Lock()


def world_of(name: bytes, size: int) -> World:
    """The world of a communicator's unique id."""
    with _lock:
        if name not in _worlds:
            _worlds[name] = (Processes if name.startswith(b"mpi") else Threads)(size)
        found = _worlds[name]
    assert found.size == size, f"a rank counts {size} ranks, another {found.size}"
    return found


def over_mpi() -> bool:
    """Whether this process is one of several that MPI started, and has joined."""
    mpi = sys.modules.get("mpi4py.MPI")
    return mpi is not None and mpi.Is_initialized() and mpi.COMM_WORLD.size > 1
