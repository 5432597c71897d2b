"""Device and pinned memory of the look-alike of CuPy, and pointers into it."""

from __future__ import annotations

import ctypes
import gc
import sys
from bisect import bisect_right, insort
from contextlib import contextmanager
from typing import NamedTuple
from weakref import ref

import numpy as np

from tests import counting, cupy_capture, cupy_errors, cupy_flights
from tests.cupy_capture import Span
from tests.cupy_device import Device
from tests.cupy_errors import CUDARuntimeError

UNIT = 512  # what cudaMalloc's addresses are multiples of
POISON = 0xFF
_PAGE = 4096


class _Card:
    """The memory that a device has and what pools took of it."""

    total, taken = 1 << 40, 0


card = _Card()


@contextmanager
def limit(size: int):
    """Inside, a device has only so many bytes more than were taken before."""
    gc.collect()
    before, card.total = card.total, card.taken + size
    try:
        yield
    finally:
        card.total = before


class _Area(NamedTuple):
    """Memory that was allocated in one piece."""

    ptr: int
    end: int
    storage: ref[np.ndarray]


_areas: list[_Area] = []  # by address


def _allocated(mem, storage):
    mem._storage = storage
    mem._area = _Area(mem.ptr, mem.ptr + mem.size, ref(storage))
    insort(_areas, mem._area)


def _storage_at(ptr):
    """What holds the bytes at an address, or None."""
    i = bisect_right(_areas, ptr, key=lambda area: area.ptr) - 1
    return _areas[i].storage() if i >= 0 and ptr < _areas[i].end else None


class BaseMemory:
    """`_storage` keeps the bytes there for a graph, which owns none of them."""

    ptr, size, device_id, _storage = 0, 0, 0, None

    @property
    def device(self):
        return Device(self.device_id)

    def __int__(self):
        return self.ptr


class Memory(BaseMemory):
    """cudaMalloc."""

    def __init__(self, size):
        self.size, self.device_id = size, Device.now()
        if not size:
            return
        cupy_capture.refuse_growth()
        if card.taken + size > card.total:
            raise CUDARuntimeError(cupy_errors.OUT_OF_MEMORY)
        card.taken += size
        storage = np.full(size + UNIT, POISON, np.uint8)
        self.ptr = -(-storage.ctypes.data // UNIT) * UNIT
        _allocated(self, storage)

    def __del__(self, is_ending=sys.is_finalizing):
        if self.ptr and not is_ending():
            card.taken -= self.size
            _areas.remove(self._area)
            self._storage[...] = POISON


class UnownedMemory(BaseMemory):
    def __init__(self, ptr, size, owner, device_id=-1):
        if device_id < 0 and not ptr:
            raise RuntimeError("UnownedMemory requires explicit device ID for a null pointer.")
        self.ptr, self.size, self._owner = ptr, size, owner
        self.device_id = Device.now() if device_id < 0 else device_id
        found = _storage_at(ptr)
        self._storage = owner if found is None else found  # memory of NumPy's stays with its owner


class MemoryPointer:
    def __init__(self, mem, offset):
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id

    @property
    def device(self):
        return Device(self.device_id)

    def __int__(self):
        return self.ptr

    def __add__(self, offset):
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)

    __radd__ = __add__

    def __sub__(self, offset):
        return self + -offset

    def _bytes(self, size):
        """NumPy's array of so many bytes from here on; the memory lives as long as that or a view of it."""
        return Span(self.ptr, size, self.mem, self.mem._storage).bytes

    def memset_async(self, value, size, stream=None):
        self._queued("memset", stream, lambda to: to.fill(value), size)

    def memset(self, value, size):
        cupy_capture.refuse_copy("synchronous API calls")
        self.memset_async(value, size)

    def copy_from_device_async(self, src, size, stream=None):
        self._queued("memcpy", stream, np.copyto, size, src)

    def copy_from_device(self, src, size):
        cupy_capture.refuse_copy("synchronous API calls")
        self.copy_from_device_async(src, size)

    def copy_from_host_async(self, mem, size, stream=None):
        cupy_capture.refuse_copy("H2D transfers", stream)
        counting.copied("copy_from_host")
        self._bytes(size)[...] = _host_bytes(mem, size)

    def copy_from_host(self, mem, size):
        cupy_capture.refuse_copy("synchronous API calls")
        self.copy_from_host_async(mem, size)

    def copy_to_host_async(self, mem, size, stream=None):
        cupy_capture.refuse_copy("D2H transfers", stream)
        counting.read("copy_to_host")
        _host_bytes(mem, size)[...] = self._bytes(size)

    def copy_to_host(self, mem, size):
        cupy_capture.refuse_copy("synchronous API calls")
        self.copy_to_host_async(mem, size)

    def _queued(self, name, stream, run, size, *sources):
        if not size:
            return
        counting.launched(name)
        if stream is not None:
            cupy_flights.land_in(stream.ptr)
        reached = [pointer._bytes(size) for pointer in (self, *sources)]
        capture = cupy_capture.now() if stream is None else cupy_capture.of(stream.ptr)
        if capture is None:
            run(*reached)
        else:
            frozen = [cupy_capture.detached(one) for one in reached]
            capture.record(name, lambda: run(*frozen))


def _host_bytes(mem, size):
    ptr = mem if isinstance(mem, int) else mem.value
    return np.frombuffer((ctypes.c_uint8 * size).from_address(ptr), np.uint8)


# ---------------------------------------------------------------- pinned memory, which devices reach at its own address
class PinnedMemory:
    """cudaHostAlloc."""

    def __init__(self, size, flags=0):
        self.size, self.ptr = size, 0
        if size:
            storage = np.full(size + _PAGE, POISON, np.uint8)
            self.ptr = -(-storage.ctypes.data // _PAGE) * _PAGE
            _allocated(self, storage)

    def __del__(self, is_ending=sys.is_finalizing):
        if self.ptr and not is_ending():
            _areas.remove(self._area)
            self._storage[...] = POISON


class PinnedMemoryPointer(np.ndarray):
    """Has CuPy's attributes, and its bytes as a buffer, as numpy.frombuffer takes it."""

    def __new__(cls, mem, offset):
        made = Span(mem.ptr + offset, mem.size - offset, mem, mem).bytes.view(cls)
        made.mem, made.ptr = mem, mem.ptr + offset
        return made

    def size(self):
        return self.nbytes


def alloc_pinned_memory(size):
    """From CuPy's pool of pinned memory: rounded up to a power of two of 512 bytes."""
    units = max(1, -(-size // UNIT))
    return PinnedMemoryPointer(PinnedMemory(UNIT << (units - 1).bit_length()), 0)


_by_hand = {}  # memory that runtime.hostAlloc gave, until runtime.freeHost


def host_alloc(size, flags):
    mem = PinnedMemory(size, flags)
    _by_hand[mem.ptr] = mem
    return mem.ptr


def free_host(ptr):
    del _by_hand[ptr]
