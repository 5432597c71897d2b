"""Byte ranges of arrays, and copies of them that lie far apart."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from gpunn.emulator.fresh import keep, unwritten

GAP = 1 << 16  # bytes kept free on either side of a copy: an index that runs out of one array must not land in another


def byte_range(array: np.ndarray, where: str = "launch: the array", is_read: bool = False) -> tuple[int, int]:
    """The addresses of the first byte and past the last.

    Raises ValueError where the array has gaps, which one that is only read may have, or starts at its end.
    """
    low = array.__array_interface__["data"][0]
    flags = array.flags
    if flags.c_contiguous or flags.f_contiguous or is_dense(array):
        return low, low + array.nbytes
    if not is_read or min(array.strides) < 0:
        raise ValueError(f"{where} has gaps (shape {array.shape}, strides {array.strides}); make it contiguous first")
    last = sum([(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)])
    return low, low + (last + array.itemsize if array.size else 0)


def is_dense(array: np.ndarray) -> bool:
    """Whether some permutation of the axes makes the array C-contiguous."""
    expected = array.itemsize
    for stride, size in sorted(zip(array.strides, array.shape, strict=True)):
        if size == 1:
            continue
        if stride != expected:
            return False
        expected *= size
    return True


def dense_bytes(array: np.ndarray) -> np.ndarray:
    """The bytes of a dense array in the order that they have in memory."""
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return np.asarray(array).transpose(axes).reshape(-1).view(np.uint8)


class Copies:
    """Copies of arrays for a strict launch. Arrays that overlap go into one copy of their common memory."""

    def __init__(self, arrays: list[np.ndarray]):
        self.arrays = arrays
        self.ranges = [byte_range(array, is_read=True) for array in arrays]
        self.segments: list[list[int]] = []  # [low, high] of merged ranges
        for low, high in sorted(self.ranges):
            if self.segments and low < self.segments[-1][1]:
                self.segments[-1][1] = max(high, self.segments[-1][1])
            else:
                self.segments.append([low, high])

    def make(self, zeroed: list[np.ndarray | None] | None = None) -> list[np.ndarray]:
        """New copies of all arrays, of their shapes, strides and 256-byte alignments; gaps are NaN.

        zeroed: for each array 1 for every byte that is to be 0.
        """
        memory = [np.full(high - low + 2 * GAP + 256, 0xFF, np.uint8) for low, high in self.segments]
        copies: list[np.ndarray] = []
        for array, (low, _) in zip(self.arrays, self.ranges, strict=True):
            which = self._segment(low)
            start = self._offset(memory[which], self.segments[which][0]) + low - self.segments[which][0]
            copy = np.ndarray(array.shape, array.dtype, memory[which].data, start, array.strides)
            np.copyto(copy, array)
            zeros = None if zeroed is None else zeroed[len(copies)]
            if zeros is not None:
                memory[which][start : start + zeros.size][zeros == 1] = 0
            copies.append(copy)
        return copies

    def unwritten(self) -> list[np.ndarray | None]:
        """For each array 1 for every byte that nobody wrote; arrays that overlap share them. None: all is written."""
        known = [unwritten(array, *ends) for array, ends in zip(self.arrays, self.ranges, strict=True)]
        bytes_of = {}
        for (low, high), left in zip(self.ranges, known, strict=True):
            if left is not None:
                begin, end = self.segments[self._segment(low)]
                whole = bytes_of.setdefault(begin, np.zeros(end - begin, np.uint8))
                whole[low - begin : high - begin] |= left
        views = []
        for low, high in self.ranges:
            begin = self.segments[self._segment(low)][0]
            views.append(bytes_of[begin][low - begin : high - begin] if begin in bytes_of else None)
        return views

    def _segment(self, low: int) -> int:
        return bisect_right(self.segments, low, key=lambda segment: segment[0]) - 1

    @staticmethod
    def _offset(memory: np.ndarray, low: int) -> int:
        base = memory.__array_interface__["data"][0] + GAP
        return GAP + (low - base) % 256

    def store(self, copies: list[np.ndarray], wanted: list[bool], left: list[np.ndarray | None]) -> None:
        """Copy the wanted results back into the arrays that the caller passed; `left` is what they leave unwritten."""
        for i in np.flatnonzero(wanted):
            np.copyto(self.arrays[i], copies[i])
            bytes_ = left[i]
            if bytes_ is not None:
                keep(self.arrays[i], self.ranges[i][0], bytes_)
