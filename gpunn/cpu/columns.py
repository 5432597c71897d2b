"""A (rows, C) matrix in blocks that fit the cache, and sums of its columns: what batch norm and biases need."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.layout import rows, scratch
from gpunn.cpu.threads import parallel_for

_BLOCK = 1 << 16  # elements in a block: 256 KB of float32, four of which fit the L2 cache
_WIDE = 1024  # rows are seen as this wide where they can be: NumPy pays for each inner loop


class Cut:
    """A (rows, C) matrix seen as (rows / fold, fold * C), cut into blocks of whole wide rows, by shape alone."""

    def __init__(self, count: int, channels: int) -> None:
        self.channels, self.count = channels, count
        self.fold = next((f for f in range(max(1, _WIDE // max(channels, 1)), 0, -1) if count % f == 0), 1)
        self.width = self.fold * channels
        self.wide = count // self.fold
        self.step = max(1, _BLOCK // max(self.width, 1))
        self.tasks = -(-self.wide // self.step)

    def of(self, matrix: np.ndarray, i: int) -> np.ndarray:
        return matrix.reshape(self.wide, self.width)[i * self.step : (i + 1) * self.step]

    def tile(self, vector: np.ndarray, dtype) -> np.ndarray:
        return np.tile(np.asarray(vector).astype(dtype, copy=False), self.fold)

    def sums(self, block: np.ndarray) -> np.ndarray:
        """Sums (C,) of a wide block, in float64 after a product with ones."""
        ones = np.ones(block.shape[0], block.dtype)
        return (ones @ block).reshape(self.fold, self.channels).sum(0, dtype=np.float64)

    def dots(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Sums (C,) of a * b."""
        return self.sums(np.multiply(a, b, out=scratch("bn dots", a.shape, a.dtype)))


def column_sums(x: np.ndarray) -> np.ndarray:
    """x (N, C, *) summed over all but C."""
    matrix = rows(x)
    cut = Cut(*matrix.shape)
    parts = np.zeros((cut.tasks, cut.channels))

    def task(i: int) -> None:
        parts[i] = cut.sums(cut.of(matrix, i))

    parallel_for(task, cut.tasks, x.size)
    return parts.sum(0).astype(x.dtype)
