"""Memory behind arrays: whose it is, how much, and how much was in use at most while something ran."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend.contract import Array
from gpunn.backend.device import Device, device
from gpunn.backend.dispatch import device_of
from gpunn.backend.loading import require_cupy


class Block(NamedTuple):
    """Memory that arrays share: a number alike for all views of it while it lives, and its size."""

    key: int
    nbytes: int


def block_of(array: Array) -> Block:
    """The memory that lives as long as this array does: all of it, also where the array is a small part."""
    if device_of(array).type == "cuda":
        memory: Any = array.data
        memory = memory.mem
        return Block(memory.ptr, memory.size)
    while isinstance(array.base, np.ndarray):
        array = array.base
    return Block(array.ctypes.data, array.nbytes)


def address(array: Array) -> int:
    """Where an array's first element lies."""
    if isinstance(array, np.ndarray):
        return array.__array_interface__["data"][0]
    memory: Any = array.data
    return memory.ptr


def overlap(a: Array, b: Array) -> bool:
    """Whether two arrays of one device have an element in one place; True, too, where that is hard to tell.

    Examples:
        >>> from gpunn.backend.memory import overlap
        >>> a = np.zeros(6)
        >>> overlap(a[:4], a[3:]), overlap(a[::2], a[1::2])
        (True, False)
    """
    (first, end), (other_first, other_end) = _bounds(a), _bounds(b)
    if end <= other_first or other_end <= first:  # in a twentieth of the time
        return False
    try:
        return np.shares_memory(_places(a), _places(b), max_work=10_000)  # pyright: ignore[reportArgumentType]: any number
    except np.exceptions.TooHardError:
        return True


def overlaps_itself(array: Array) -> bool:
    """Whether elements of an array may share memory: none do of a dense array's slices, in whatever order of axes.

    Examples:
        >>> from gpunn.backend.memory import overlaps_itself
        >>> a = np.zeros((3, 4))
        >>> overlaps_itself(a[::-1, ::2].T), overlaps_itself(np.lib.stride_tricks.sliding_window_view(a, 2, 1))
        (False, True)
    """
    end = array.itemsize
    for stride, size in sorted([(abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1]):
        if stride < end:
            return array.size > 0
        end += stride * (size - 1)
    return False


def _bounds(array: Array) -> tuple[int, int]:
    """Where an array's elements begin and end in memory; its first one is not the lowest where a stride is negative."""
    first = end = address(array)
    if not array.size:
        return first, first
    for size, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            first += (size - 1) * stride
        else:
            end += (size - 1) * stride
    return first, end + array.itemsize


def _places(array: Array) -> np.ndarray:
    """NumPy's view of where an array's elements lie, in whatever memory: its values are not for reading."""
    told = {
        "version": 3, "typestr": f"|V{array.dtype.itemsize}", "data": (address(array), True), "shape": array.shape,
        "strides": array.strides,
    }  # fmt: skip
    return np.asarray(SimpleNamespace(__array_interface__=told))


class Use:
    """Bytes in use beyond those at the start: now, and at most so far."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def change(self, nbytes: int) -> None:
        self.now += nbytes
        self.peak = max(self.peak, self.now)


@contextmanager
def watched(where: str | Device) -> Iterator[Use]:
    """What is in use of a device's memory inside the block; the figures are there at its end.

    On a GPU what CuPy's allocator gave out. Elsewhere what Python and NumPy allocated, as tracemalloc has it, which
    makes the block some times slower.
    """
    use = Use()
    if device(where).type == "cuda":
        with _hook(use):
            yield use
        return
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        yield use
    finally:
        now, peak = tracemalloc.get_traced_memory()
        use.now, use.peak = now - before, peak - before
        if not tracing:
            tracemalloc.stop()


def _hook(use: Use) -> Any:
    """A hook of CuPy's memory pool that tells what it gives out to this thread, and takes back."""

    class Watch(require_cupy().cuda.MemoryHook):
        name = f"gpunn.backend.memory {id(use)}"  # of one name there may be one

        def malloc_postprocess(self, *, mem_size: int, mem_ptr: int, **_: int) -> None:
            if mem_ptr:  # else it failed
                use.change(mem_size)

        def free_postprocess(self, *, mem_size: int, **_: int) -> None:
            use.change(-mem_size)

    return Watch()
