"""Samples (N, C, *) in tasks that stay in the cache, and numbers a channel: as rows, channels last, or as planes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from gpunn.cpu.columns import divisor
from gpunn.cpu.layout import empty, scratch
from gpunn.layout import channels_last

BLOCK = 1 << 17  # elements: 512 KB of float32, which stay in the L2 cache; calls on smaller blocks cost more than that
_TASK = 1 << 18  # and of whole samples: a task's own numbers cost 60 us
_WIDE = 8192  # width that rows are folded to: ufuncs run along it, and each sample's numbers are repeated along it
_LONGEST = 8192  # addends of a run in float32, where a row's length has no divisor for shorter ones
_LONG = 128  # positions from which planes in C order are worth ufuncs of their own; shorter ones become rows


class Rows:
    """An (N, C, *) array as tasks of whole samples (n, rows, width), a row being `fold` positions of all channels."""

    def __init__(self, shape: tuple[int, ...], groups: int, dtype: np.dtype) -> None:
        self.shape, self.count, self.channels = shape, *shape[:2]
        self.positions, self.groups, self.dtype = math.prod(shape[2:]), groups, wide(dtype)
        size = self.positions * self.channels
        self.each = max(1, min(_TASK // max(1, size), -(-self.count // 2)))
        self.tasks, self.group_size = -(-self.count // self.each), size // groups
        self.fold = divisor(self.positions, _WIDE // self.channels)
        self.rows, self.width = self.positions // self.fold, self.fold * self.channels

    def part(self, i: int) -> slice:
        """The samples of task i."""
        return slice(i * self.each, min(self.count, (i + 1) * self.each))

    def new(self, dtype: np.dtype) -> np.ndarray:
        """A result of x's shape in the memory order of these blocks."""
        return empty(self.shape, dtype)

    def read(self, x: np.ndarray, part: slice) -> np.ndarray:
        """Samples as a block: themselves where that is possible, else a copy."""
        block = np.ascontiguousarray(channels_last(x)[part], self.dtype)
        return block.reshape(len(block), self.rows, self.width)

    def place(self, y: np.ndarray, part: slice) -> np.ndarray:
        """Where to write samples of y: themselves, or for a narrower dtype scratch memory, to be copied by `store`."""
        return self.read(y, part) if y.dtype == self.dtype else np.empty_like(self.read(y, part))

    def store(self, block: np.ndarray, y: np.ndarray, part: slice) -> None:
        """What `place` promises."""
        if y.dtype != self.dtype:
            target = channels_last(y)[part]
            target[...] = block.reshape(target.shape)

    def pieces(self, *blocks: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """The blocks of a task in slices of rows, and scratch memory of a slice's shape."""
        step = max(1, BLOCK // max(1, len(blocks[0]) * self.width))
        for low in range(0, self.rows, step):
            slices = [block[:, low : low + step] for block in blocks]
            yield *slices, scratch("norm", slices[0].shape, self.dtype)

    def counted(self, piece: np.ndarray) -> int:
        """Positions in a piece."""
        return piece.shape[1] * self.fold

    def tile(self, values: np.ndarray, dtype: DTypeLike | None = None) -> np.ndarray:
        """Numbers a channel (n, C), to spread over a piece; of the blocks' dtype, or another."""
        tiled = np.empty((len(values), 1, self.fold, self.channels), dtype or self.dtype)
        tiled[...] = values[:, None, None]
        return tiled.reshape(len(values), 1, self.width)

    def sums(self, piece: np.ndarray) -> np.ndarray:
        """A piece summed to numbers a channel (n, C), the last steps in float64."""
        return self._fold(np.add.reduce(piece, axis=1))

    def products(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Products of two pieces, summed the same way in one pass."""
        return self._fold(np.einsum("nrj,nrj->nj", a, b))

    def _fold(self, rows: np.ndarray) -> np.ndarray:
        return rows.reshape(len(rows), self.fold, self.channels).sum(1, dtype=np.float64)

    def by_group(self, values: np.ndarray) -> np.ndarray:
        """Numbers a channel (..., C) summed to numbers a group."""
        return values.reshape(*values.shape[:-1], self.groups, -1).sum(-1)

    def by_channel(self, values: np.ndarray) -> np.ndarray:
        """Numbers a group (n, groups) as numbers a channel."""
        return values.repeat(self.channels // self.groups, axis=-1)


class Planes(Rows):
    """The same of memory in C order: tasks are (n, C, positions), each one piece."""

    def new(self, dtype: np.dtype) -> np.ndarray:
        return np.empty(self.shape, dtype)

    def read(self, x: np.ndarray, part: slice) -> np.ndarray:
        block = np.ascontiguousarray(x[part], self.dtype)
        return block.reshape(len(block), self.channels, self.positions)

    def store(self, block: np.ndarray, y: np.ndarray, part: slice) -> None:
        if y.dtype != self.dtype:
            y[part] = block.reshape(y[part].shape)

    def pieces(self, *blocks: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        yield *blocks, scratch("norm", blocks[0].shape, self.dtype)

    def counted(self, piece: np.ndarray) -> int:
        return self.positions

    def tile(self, values: np.ndarray, dtype: DTypeLike | None = None) -> np.ndarray:
        return values[..., None].astype(dtype or self.dtype)

    def sums(self, piece: np.ndarray) -> np.ndarray:
        return row_sums(piece.reshape(-1, self.positions)).reshape(len(piece), self.channels)

    def products(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        rows = (piece.reshape(-1, self.positions) for piece in (a, b))
        return row_products(*rows).reshape(len(a), self.channels)


def row_sums(a: np.ndarray) -> np.ndarray:
    """(m, L) summed to (m,): runs by BLAS, the runs of a row in float64."""
    run = _run(a.shape[1])
    if run > _LONGEST:
        return a.sum(-1, dtype=np.float64)
    return (a.reshape(-1, run) @ np.ones(run, a.dtype)).reshape(len(a), -1).sum(-1, dtype=np.float64)


def row_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of two such matrices, summed the same way: a third of einsum's time."""
    run = _run(a.shape[1])
    if run > _LONGEST:
        return np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return (a.reshape(-1, 1, run) @ b.reshape(-1, run, 1)).reshape(len(a), -1).sum(-1, dtype=np.float64)


def _run(length: int) -> int:
    run = divisor(length, 1024)
    return run if run >= 64 else length


def samples(x: np.ndarray, groups: int) -> Rows:
    """How to walk over x: along planes where they are dense and long, else along channels-last rows."""
    in_planes = x.flags.c_contiguous and math.prod(x.shape[2:]) >= _LONG
    return (Planes if in_planes else Rows)(x.shape, groups, x.dtype)


def wide(dtype: np.dtype) -> np.dtype:
    """What is computed in: float32 for 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype
