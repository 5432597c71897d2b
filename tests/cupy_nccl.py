"""NCCL in the look-alike of CuPy, `cupy.cuda.nccl`: ranks are threads of one process, or processes that MPI started.

NCCL queues a call on a stream; here it has run when the outermost call of its group returns, and who calls waits until
all ranks have. What it wrote is poison until somebody waits for it (tests/cupy_flights.py). A captured call is a node
of the graph, and each replay runs it. Sums are taken from the last rank to the first: nobody may count on NCCL's order.
Refused is what NCCL refuses (statuses as its errors have them) and, by an AssertionError, what it leaves undefined:
ranks whose calls differ, or of which one is captured and another is not, memory that is no living array's, buffers that
overlap, two ranks of one thread outside a group, a communicator destroyed before its graphs. In one thing this is
stricter: in a group of sends and receives all ranks take part.
"""

from __future__ import annotations

import gc
import secrets
import threading
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import numpy as np

from gpunn.asked import dtype_of
from tests import cupy_pointers, cupy_streams
from tests.cupy_device import Device
from tests.cupy_nccl_calls import (
    INVALID_ARGUMENT,
    INVALID_USAGE,
    OPS,
    REMOTE_ERROR,
    Call,
    NcclError,
    group_end,
    group_start,
    open_groups,
    take,
)  # fmt: skip
from tests.cupy_nccl_meetings import Whole, over_mpi, world_of

ID_BYTES = 128
_TYPES = ("int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bfloat16")
host = threading.local()  # `host.name`: on which host a thread says that it is, "" where it does not


class NcclConfig:
    def __init__(self, split_share=0):
        self.split_share = split_share


class NcclCommunicator:
    def __init__(self, ndev, commId, rank, config=None):
        if type(commId) is not bytes:
            raise TypeError(f"Argument 'commId' has incorrect type (expected bytes, got {type(commId).__name__})")
        if len(commId) != ID_BYTES:
            raise ValueError(f"commId length {len(commId)} != {ID_BYTES}.")
        if not 0 <= rank < ndev:
            raise NcclError(INVALID_ARGUMENT)
        assert not open_groups.depth, "communicators of several ranks in one thread come from initAll here"
        self._begin(world_of(commId, ndev), rank, ndev)
        places = self._world.meet({rank: (getattr(host, "name", ""), self._device)})
        if len(set(places)) < ndev:  # NCCL: "Duplicate GPU detected"
            raise NcclError(INVALID_USAGE)

    def _begin(self, world, rank, size, device=None):
        self._world, self._rank, self._size = world, rank, size
        self._device = Device.now() if device is None else device
        self._graphs: WeakSet = WeakSet()

    @staticmethod
    def initAll(devices):
        devices = list(range(devices)) if isinstance(devices, int) else devices
        if len(set(devices)) < len(devices):
            raise NcclError(INVALID_USAGE)
        world, comms = Whole(len(devices)), []
        for rank, device in enumerate(devices):
            comms.append(NcclCommunicator.__new__(NcclCommunicator))
            comms[-1]._begin(world, rank, len(devices), device)
        return comms

    @property
    def comm(self):
        return 0 if self._world is None else id(self)

    def _check(self):
        if self._world is None:  # destroyed: NCCL is passed a null pointer
            raise NcclError(INVALID_ARGUMENT)

    def rank_id(self):
        self._check()
        return self._rank

    def size(self):
        self._check()
        return self._size

    def device_id(self):
        self._check()
        return self._device

    def check_async_error(self):
        self._check()
        if self._world.failed:
            raise NcclError(REMOTE_ERROR)

    def destroy(self):
        if self._graphs:
            gc.collect()
        assert not self._graphs, "ncclCommDestroy waits for the graphs that hold its calls, which live"
        assert not open_groups.depth, "ncclCommDestroy in an open group"
        self._world = None

    def abort(self):
        """Ranks that wait for this one, and this one's own threads, are told."""
        if self._world is not None:
            self._world.fail()
        self._world = None

    def allReduce(self, sendbuf, recvbuf, count, datatype, op, stream):
        self._collective("allReduce", (sendbuf, count), (recvbuf, count), count, datatype, _op(op), stream)

    def reduce(self, sendbuf, recvbuf, count, datatype, op, root, stream):
        written = (recvbuf, count) if root == self._rank else None
        self._collective("reduce", (sendbuf, count), written, count, datatype, (_op(op), self._peer(root)), stream)

    def broadcast(self, sendbuff, recvbuff, count, datatype, root, stream):
        read = (sendbuff if root == self._rank else recvbuff, count)
        self._collective("broadcast", read, (recvbuff, count), count, datatype, self._peer(root), stream)

    def bcast(self, buff, count, datatype, root, stream):
        self.broadcast(buff, buff, count, datatype, root, stream)

    def allGather(self, sendbuf, recvbuf, count, datatype, stream):
        at = self._rank * count
        self._collective("allGather", (sendbuf, count), (recvbuf, self._size * count), count, datatype, at, stream)

    def reduceScatter(self, sendbuf, recvbuf, recvcount, datatype, op, stream):
        read = (sendbuf, self._size * recvcount)
        self._collective("reduceScatter", read, (recvbuf, recvcount), recvcount, datatype, _op(op), stream)

    def send(self, sendbuf, count, datatype, peer, stream):
        read = self._buffer(sendbuf, count, datatype)
        self._point("ncclSend", Call(self, (count, datatype), read, None, self._peer(peer)), stream)

    def recv(self, recvbuf, count, datatype, peer, stream):
        written = self._buffer(recvbuf, count, datatype)
        self._point("ncclRecv", Call(self, (count, datatype), None, written, self._peer(peer)), stream)

    def _collective(self, name, read, written, count, datatype, option, stream):
        self._check()
        self._check_stream(stream)
        a = self._buffer(*read, datatype)
        b = None if written is None else self._buffer(*written, datatype)
        if b is not None and count:
            self._check_overlap(name, a, b, count * a.itemsize)
        # allGather's option is a place, which differs from rank to rank
        what = (name, count, datatype, None if name == "allGather" else option)
        take("nccl" + name[0].upper() + name[1:], stream, Call(self, what, a, b))

    def _point(self, name, call, stream):
        self._check()
        self._check_stream(stream)
        assert open_groups.depth or call.peer != self._rank, ()
        assert open_groups.depth, f"{name} outside a group waits for its peer's: here it is to be in one"
        take(name, stream, call)

    def _peer(self, rank):
        self._check()
        if not 0 <= rank < self._size:
            raise NcclError(INVALID_ARGUMENT)
        return rank

    def _check_stream(self, stream):
        device = cupy_streams.device_of(stream)
        assert device in (-1, self._device), f"a stream of device {device} for a rank on device {self._device}"
        if device == -1 and Device.now() != self._device:
            raise NcclError(1)

    def _buffer(self, ptr, count, datatype) -> np.ndarray:
        self._check()
        if not 0 <= datatype < len(_TYPES):
            raise NcclError(INVALID_ARGUMENT)
        dtype = np.dtype(dtype_of("bf16") if _TYPES[datatype] == "bfloat16" else _TYPES[datatype])
        if not count:
            return np.empty(0, dtype)
        found = cupy_pointers.bytes_at(ptr, count * dtype.itemsize)
        if found is None or found[1] != self._device:  # NCCL_CHECK_POINTERS: of the host, or another device's
            raise NcclError(INVALID_ARGUMENT)
        return found[0].view(dtype)

    def _check_overlap(self, name, a, b, size):
        """In place is one buffer, or this rank's share of the longer one; else they lie apart."""
        start, end = (x.__array_interface__["data"][0] for x in (a, b))
        shift = self._rank * size
        place = {"allGather": end + shift == start, "reduceScatter": start + shift == end}.get(name, start == end)
        assert place or not np.may_share_memory(a, b), f"{name}: the buffers overlap, and are not in place"


def _op(number):
    if not 0 <= number < len(OPS):
        raise NcclError(INVALID_ARGUMENT)
    return number


def module() -> SimpleNamespace:
    open_groups.__init__()
    cupy_streams.unlaunched.__init__()
    names: dict[str, Any] = {f"NCCL_{name.upper()}": number for number, name in enumerate(_TYPES)}
    names |= {f"NCCL_{name}": number for number, name in enumerate(OPS)}
    short = {"CHAR": "INT8", "INT": "INT32", "HALF": "FLOAT16", "FLOAT": "FLOAT32", "DOUBLE": "FLOAT64"}
    names |= {f"NCCL_{name}": names[f"NCCL_{long}"] for name, long in short.items()}
    return SimpleNamespace(
        **names,
        NcclCommunicator=NcclCommunicator,
        NcclConfig=NcclConfig,
        NcclError=NcclError,
        available=True,
        get_build_version=lambda: 22501,
        get_unique_id=unique_id,
        get_version=lambda: 23203,
        groupEnd=group_end,
        groupStart=group_start,
    )


def unique_id() -> bytes:
    return (b"mpi" if over_mpi() else b"threads").ljust(ID_BYTES - 16, b"\0") + secrets.token_bytes(16)
