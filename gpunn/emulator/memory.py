"""Byte ranges of arrays, and copies of them that lie far apart."""

from __future__ import annotations

import numpy as np

GAP = 1 << 16  # bytes kept free on either side of a copy: an index that runs out of one array must not land in another


def byte_range(array: np.ndarray, where: str = "launch: the array") -> tuple[int, int]:
    """The addresses of the first byte and past the last. Raises ValueError where the array has gaps."""
    low = array.__array_interface__["data"][0]
    flags = array.flags
    if not (flags.c_contiguous or flags.f_contiguous) and not is_dense(array):
        raise ValueError(f"{where} has gaps (shape {array.shape}, strides {array.strides}); make it contiguous first")
    return low, low + array.nbytes


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


class Copies:
    """Copies of arrays for a strict launch. Arrays that overlap go into one copy of their common memory."""

    def __init__(self, arrays: list[np.ndarray]):
        self.arrays = arrays
        self.ranges = [byte_range(array) for array in arrays]
        self.segments: list[list[int]] = []  # [low, high] of merged ranges
        for low, high in sorted(self.ranges):
            if self.segments and low < self.segments[-1][1]:
                self.segments[-1][1] = max(high, self.segments[-1][1])
            else:
                self.segments.append([low, high])

    def make(self) -> list[np.ndarray]:
        """New copies of all arrays, each of its original's shape, strides and 256-byte alignment."""
        memory = [np.empty(high - low + 2 * GAP + 256, np.uint8) for low, high in self.segments]
        copies: list[np.ndarray] = []
        for array, (low, high) in zip(self.arrays, self.ranges, strict=True):
            which = next(i for i, s in enumerate(self.segments) if s[0] <= low and high <= s[1])
            start = self._offset(memory[which], self.segments[which][0]) + low - self.segments[which][0]
            copy = np.ndarray(array.shape, array.dtype, memory[which].data, start, array.strides)
            np.copyto(copy, array)
            copies.append(copy)
        return copies

    @staticmethod
    def _offset(memory: np.ndarray, low: int) -> int:
        base = memory.__array_interface__["data"][0] + GAP
        return GAP + (low - base) % 256

    def store(self, copies: list[np.ndarray], wanted: list[bool]) -> None:
        """Copy the wanted results back into the arrays that the caller passed."""
        for array, copy, keep in zip(self.arrays, copies, wanted, strict=True):
            if keep:
                np.copyto(array, copy)
