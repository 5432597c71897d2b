"""A (rows, C) matrix in blocks that fit the cache, and sums of its columns: what batch norm and biases need."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from gpunn.cpu.layout import rows
from gpunn.cpu.threads import parallel_for

_BLOCK = 1 << 18  # elements: 1 MB of float32; a smaller block hands the GIL over too often
_WIDE = 8192  # width that rows are folded to: a ufunc with a (C,) vector takes 0.05 ns an element here, 0.2 at 64
_NARROW = 1024  # and the width at which columns are summed, so that few partial sums are left


class Cut:
    """A (rows, C) matrix seen as (rows / fold, fold * C), cut into blocks of whole wide rows, by shape alone."""

    def __init__(self, count: int, channels: int) -> None:
        self.count, self.channels = count, channels
        self.narrow = divisor(count, _NARROW // max(channels, 1))
        self.fold = self.narrow * divisor(count // self.narrow, _WIDE // max(channels * self.narrow, 1))
        self.width = self.fold * channels
        self.wide = count // self.fold
        self.step = max(1, min(_BLOCK // max(self.width, 1), -(-self.wide // 2)))
        self.tasks = -(-self.wide // self.step)

    def of(self, matrix: np.ndarray, i: int) -> np.ndarray:
        """Block i of a matrix of this shape: a view."""
        return matrix.reshape(self.wide, self.width)[i * self.step : (i + 1) * self.step]

    def tile(self, vector: np.ndarray, dtype: DTypeLike) -> np.ndarray:
        """A (C,) vector repeated to the width of a block."""
        tiled = np.empty((self.fold, self.channels), dtype)
        tiled[...] = vector
        return tiled.reshape(self.width)

    def sums(self, block: np.ndarray) -> np.ndarray:
        """Column sums (C,) of a block: a product with ones, whose few rows are then added in float64."""
        narrow = block.reshape(-1, self.narrow * self.channels)
        return (np.ones(len(narrow), block.dtype) @ narrow).reshape(self.narrow, -1).sum(0, dtype=np.float64)


def divisor(count: int, most: int) -> int:
    """The largest divisor of `count` up to `most`, at least 1."""
    return next((d for d in range(min(most, count), 1, -1) if count % d == 0), 1)


def column_sums(x: np.ndarray) -> np.ndarray:
    """x (N, C, *) summed over all but C."""
    matrix = rows(x)
    cut = Cut(*matrix.shape)
    parts = np.zeros((cut.tasks, cut.channels))

    def task(i: int) -> None:
        parts[i] = cut.sums(cut.of(matrix, i))

    parallel_for(task, cut.tasks, x.size // 4)
    return parts.sum(0).astype(x.dtype)
