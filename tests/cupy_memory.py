"""Memory pools of the look-alike of CuPy: a block is poisoned with 0xFF wherever no array lives.

A block belongs to the stream that it was first cut for, and serves that stream only. The smallest that fits is split.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager
from weakref import ref

from tests import cupy_capture, cupy_errors
from tests.cupy_capture import Span
from tests.cupy_device import Device, current_stream
from tests.cupy_errors import CUDARuntimeError, OutOfMemoryError
from tests.cupy_pointer import POISON, UNIT, BaseMemory, Memory, MemoryPointer, card


class _Chunk:
    """Part of a cudaMalloc's memory, with its neighbours."""

    def __init__(self, mem, offset, size, stream):
        self.mem, self.offset, self.size, self.stream = mem, offset, size, stream
        self.prev = self.next = None
        self.capture = None  # during which it was given away

    @property
    def ptr(self):
        return self.mem.ptr + self.offset

    def split(self, size):
        rest = _Chunk(self.mem, self.offset + size, self.size - size, self.stream)
        self.size, rest.prev, rest.next = size, self, self.next
        if self.next is not None:
            self.next.prev = rest
        self.next = rest
        return rest

    def merge(self, after):
        self.size += after.size
        self.next = after.next
        if after.next is not None:
            after.next.prev = self


class _Hooks(threading.local):
    def __init__(self):
        self.active = {}


_hooks = _Hooks()


class MemoryHook:
    """Told of what pools give out and take back in its thread, inside its `with` block."""

    name = "MemoryHook"

    def __enter__(self):
        if self.name in _hooks.active:
            raise KeyError(f"memory hook {self.name} already exists")
        _hooks.active[self.name] = self
        return self

    def __exit__(self, *_):
        del _hooks.active[self.name]

    def malloc_postprocess(self, **kwargs):
        pass

    def free_postprocess(self, **kwargs):
        pass


def _tell(event, memory, **more):
    for hook in _hooks.active.values():
        about = {"device_id": memory.device_id, "mem_size": memory.size, "mem_ptr": memory.ptr}
        getattr(hook, event)(**about, pmem_id=id(memory), **more)


class PooledMemory(BaseMemory):
    def __init__(self, chunk, pool):
        self.ptr, self.size, self.device_id = chunk.ptr, chunk.size, chunk.mem.device_id
        self.pool, self._storage = pool, chunk.mem._storage

    def __del__(self, is_ending=sys.is_finalizing):
        pool, ptr = self.pool(), self.ptr
        if ptr and pool is not None and not is_ending():
            pool.free(ptr)
            _tell("free_postprocess", self)
        self.ptr = 0


@contextmanager
def _alone(lock):
    """No other thread, and no garbage collection, which would free blocks half-way."""
    with lock:
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()


class _DevicePool:
    def __init__(self, allocator):
        self.allocator, self.lock = allocator, threading.RLock()
        self.used, self.arenas = {}, defaultdict(list)
        self.total = self.limit = 0

    def malloc(self, size):
        size = -(-size // UNIT) * UNIT
        if not size:
            return MemoryPointer(Memory(0), 0)
        stream = _identity()
        with _alone(self.lock):
            fitting = [chunk for chunk in self.arenas[stream] if chunk.size >= size]
            if fitting:
                chunk = min(fitting, key=lambda chunk: (chunk.size, chunk.ptr))
                self.arenas[stream].remove(chunk)
                if chunk.size > size:
                    self.arenas[stream].append(chunk.split(size))
            else:
                chunk = _Chunk(self._grown(size), 0, size, stream)
            chunk.capture = cupy_capture.of(stream)
            self.used[chunk.ptr] = chunk
        made = PooledMemory(chunk, ref(self))
        _tell("malloc_postprocess", made, size=size)
        return MemoryPointer(made, 0)

    def _grown(self, size):
        if self.limit and self.total + size > self.limit:
            raise OutOfMemoryError(size, self.total, self.limit)
        for collect in (lambda: None, gc.collect, None):
            try:
                mem = self.allocator(size).mem
                self.total += size
                return mem
            except CUDARuntimeError as error:
                if error.status != cupy_errors.OUT_OF_MEMORY:
                    raise
            if collect is not None:
                collect()
                self.free_all_blocks()
        raise OutOfMemoryError(size, self.total, self.limit)

    def free(self, ptr):
        with _alone(self.lock):
            chunk = self.used.pop(ptr)
            _poison(chunk)
            free = self.arenas[chunk.stream]
            if chunk.next in free:
                free.remove(chunk.next)
                chunk.merge(chunk.next)
            if chunk.prev in free:
                free.remove(chunk.prev)
                chunk.prev.merge(chunk)
                chunk = chunk.prev
            free.append(chunk)

    def free_all_blocks(self, stream=None):
        with _alone(self.lock):
            for ptr in list(self.arenas) if stream is None else [stream.ptr]:
                whole = [c for c in self.arenas[ptr] if c.prev is None and c.next is None]
                self.arenas[ptr] = [c for c in self.arenas[ptr] if c not in whole]
                self.total -= sum(chunk.size for chunk in whole)


def _identity():
    ptr = current_stream().ptr
    return -threading.get_ident() if ptr == 2 else ptr


def _poison(chunk):
    """Now, and what a capture got at this place of its every replay too: whoever gets it later, be it another graph."""
    bytes = Span(chunk.ptr, chunk.size, None, chunk.mem._storage).bytes
    bytes[...] = POISON
    capture = cupy_capture.of(chunk.stream)
    if capture is not None and capture is chunk.capture:
        capture.record("", lambda: bytes.fill(POISON))


def malloc(size):
    """The allocator without a pool."""
    return MemoryPointer(Memory(size), 0)


class MemoryPool:
    def __init__(self, allocator=None):
        self._allocator = malloc if allocator is None else allocator
        self._pools = {}

    @property
    def _pool(self):
        device = Device.now()
        if device not in self._pools:
            self._pools[device] = _DevicePool(self._allocator)
        return self._pools[device]

    def malloc(self, size):
        return self._pool.malloc(size)

    def free_all_blocks(self, stream=None):
        self._pool.free_all_blocks(stream)

    def n_free_blocks(self):
        return sum(map(len, self._pool.arenas.values()))

    def used_bytes(self):
        return sum(chunk.size for chunk in self._pool.used.values())

    def free_bytes(self):
        return sum(chunk.size for arena in self._pool.arenas.values() for chunk in arena)

    def total_bytes(self):
        return self._pool.total

    def get_limit(self):
        return self._pool.limit

    def set_limit(self, size=None, fraction=None):
        if size is not None and fraction is not None:
            raise ValueError("size and fraction cannot be specified at one time")
        self._pool.limit = int(fraction * card.total) if fraction else size or 0
