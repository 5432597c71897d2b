"""Where the arrays of the look-alike of CuPy get their memory.

In the null stream under the default pool, where nothing can be captured, it is NumPy's own, and no pool counts it: that
is quick. Elsewhere it comes from the current allocator.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np

from tests.cupy_device import Device, current_stream
from tests.cupy_memory import MemoryPool, malloc
from tests.cupy_pointer import POISON


class _Allocator(threading.local):
    here = None  # a thread's own, inside using_allocator


default_pool = MemoryPool()
_mine = _Allocator()
_DEFAULT = default_pool.malloc
_everywhere = [_DEFAULT]


def reset():
    """As a process starts."""
    default_pool.__init__()
    _everywhere[0], _mine.here = _DEFAULT, None


def _is_plain():
    if _mine.here is not None or (Device.current.streams and current_stream().ptr):
        return False
    return _everywhere[0] is _DEFAULT or _everywhere[0] == _DEFAULT


def get_allocator():
    return _everywhere[0] if _mine.here is None else _mine.here


def set_allocator(allocator=None):
    if _mine.here is not None:
        raise ValueError("Can't change the global allocator inside `using_allocator` context manager")
    _everywhere[0] = malloc if allocator is None else allocator


@contextmanager
def using_allocator(allocator=None):
    before, _mine.here = _mine.here, malloc if allocator is None else allocator
    try:
        yield
    finally:
        _mine.here = before


def alloc(size):
    return get_allocator()(size)


def array_at(pointer, shape, dtype, strides=None):
    """NumPy's array over device memory, which lives as long as this or a view of it."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size and strides is not None:
        size = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) + dtype.itemsize
    # A memoryview, so that the pool's storage is the base of no array.
    return np.ndarray(shape, dtype, memoryview(pointer._bytes(size)), 0, strides) if size else np.empty(shape, dtype)


def empty(shape, dtype, order="C", like=None):
    """New memory, poisoned; in the memory order of `like`."""
    dtype = np.dtype(dtype)
    made = np.empty(shape, dtype, order) if like is None else np.empty_like(like, subok=False)
    if _is_plain():
        made.ravel("K").view(np.uint8)[...] = POISON
        return made
    return array_at(alloc(made.nbytes), made.shape, dtype, made.strides)


def placed(values):
    """A new result of NumPy's, where the current allocator has it."""
    if _is_plain():
        return values
    made = empty(values.shape, values.dtype, like=values)
    made[...] = values
    return made
