"""The signature of a call: all that a plan depends on of its arrays, and by which it is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gpunn.backend import Array
from gpunn.backend.streams import EMULATOR

CPU = -2  # the device of an array that no kernel takes


class Layout(NamedTuple):
    """All that a plan depends on of an array: everything but its values and its address."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype
    offset: int  # bytes past a multiple of 16
    device: int  # a GPU's number, EMULATOR, or CPU
    move: Callable[[Array], Array] | None = None  # what first brings the array into the memory that kernels read

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def aligned(self) -> bool:
        return self.offset == 0

    def is_dense(self, order: tuple[int, ...]) -> bool:
        """Whether memory holds the elements row by row once the axes are in this order."""
        expected = self.dtype.itemsize
        for axis in reversed(order):
            if self.shape[axis] != 1 and self.strides[axis] != expected and self.size:
                return False
            expected *= self.shape[axis]
        return True

    @property
    def row_major(self) -> bool:
        return self.is_dense(tuple(range(len(self.shape))))

    @property
    def channels_last(self) -> bool:
        return self.is_dense((0, *range(2, len(self.shape)), 1))


def layout(a: Array) -> tuple:
    """An array's Layout as a plain tuple: the quick half of a plan's key."""
    if isinstance(a, np.ndarray):
        device = CPU if type(a) is np.ndarray else EMULATOR
        return a.shape, a.strides, a.dtype, a.__array_interface__["data"][0] & 15, device
    memory = a.data
    return a.shape, a.strides, a.dtype, memory.ptr & 15, memory.device_id


def layouts(*arrays: Array | None) -> tuple[tuple | None, ...]:
    """Each array's `layout`, and None for None."""
    return tuple([None if a is None else layout(a) for a in arrays])
