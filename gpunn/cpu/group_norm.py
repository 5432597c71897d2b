"""Normalisation of each sample by its own statistics, in blocks that stay in the cache.

Groups of channels: a sample's channels-last rows give sums a channel, which are added up by group in float64 on a few
numbers; mean, scale and shift then are numbers a channel again. Layers: a row is a group. Where a mean is at most two
deviations, sums of squares are taken as they are; else about the mean, and merged over blocks (Chan, Golub, LeVeque,
1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gpunn.cpu.columns import divisor
from gpunn.cpu.layout import empty, scratch
from gpunn.cpu.threads import parallel_for
from gpunn.layout import channels_last

Optional = np.ndarray | None
_BLOCK = 1 << 17  # elements: 512 KB of float32, which stay in the L2 cache; calls on smaller blocks cost more than that
_TASK = 1 << 18  # and of whole samples: a task's own numbers cost 60 us
_WIDE = 8192  # width that rows are folded to: ufuncs run along it, and each sample's numbers are repeated along it
_CLOSE = 2  # means up to so many deviations may be folded into sums and shifts; beyond, that would lose digits


class _Samples:
    """An (N, C, *) array as tasks of whole samples (n, rows, width), a row being `fold` positions of all channels."""

    def __init__(self, shape: tuple[int, ...], groups: int, dtype: np.dtype) -> None:
        self.count, self.channels = shape[:2]
        self.positions, self.groups = math.prod(shape[2:]), groups
        self.dtype = _wide(dtype)
        self.fold = divisor(self.positions, _WIDE // self.channels)
        self.rows, self.width = self.positions // self.fold, self.fold * self.channels
        self.each = max(1, min(_TASK // max(1, self.rows * self.width), -(-self.count // 2)))
        self.tasks = -(-self.count // self.each)
        self.group_size = self.positions * self.channels // groups

    def part(self, i: int) -> slice:
        """The samples of task i."""
        return slice(i * self.each, min(self.count, (i + 1) * self.each))

    def read(self, x: np.ndarray, part: slice) -> np.ndarray:
        """Samples of a channels-last view: themselves where that is possible, else a copy."""
        block = np.ascontiguousarray(x[part], self.dtype)
        return block.reshape(len(block), self.rows, self.width)

    def place(self, y: np.ndarray, part: slice) -> np.ndarray:
        """Where to write samples of y: themselves, or for a narrower dtype scratch memory, to be copied by `store`."""
        shape = (part.stop - part.start, self.rows, self.width)
        return y[part].reshape(shape) if y.dtype == self.dtype else scratch("norm result", shape, self.dtype)

    def store(self, block: np.ndarray, y: np.ndarray, part: slice) -> None:
        """What `place` promises."""
        if y.dtype != self.dtype:
            y[part] = block.reshape(y[part].shape)

    def pieces(self, *blocks: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """The blocks of a task in slices of rows, and scratch memory of a slice's shape."""
        step = max(1, _BLOCK // (len(blocks[0]) * self.width))
        for low in range(0, self.rows, step):
            slices = [block[:, low : low + step] for block in blocks]
            yield *slices, scratch("norm", slices[0].shape, self.dtype)

    def tile(self, values: np.ndarray) -> np.ndarray:
        """Numbers a channel (n, C), along rows: (n, 1, width)."""
        tiled = np.empty((len(values), 1, self.fold, self.channels), self.dtype)
        tiled[...] = values[:, None, None]
        return tiled.reshape(len(values), 1, self.width)

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """(n, width) summed to numbers a channel (n, C), in float64."""
        return rows.reshape(len(rows), self.fold, self.channels).sum(1, dtype=np.float64)

    def by_group(self, values: np.ndarray) -> np.ndarray:
        """Numbers a channel (..., C) summed to numbers a group."""
        return values.reshape(*values.shape[:-1], self.groups, -1).sum(-1)

    def by_channel(self, values: np.ndarray) -> np.ndarray:
        """Numbers a group (n, groups) as numbers a channel."""
        return values.repeat(self.channels // self.groups, axis=-1)

    def moments(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Mean and biased variance (n, groups) of a task's samples, and whether all means are close to 0."""
        level, square = np.zeros((2, len(block), self.channels))
        for piece, _ in self.pieces(block):
            level += self.sums(np.add.reduce(piece, axis=1))
            square += self.sums(_dot(piece, piece))
        mean = self.by_group(level) / self.group_size
        var = self.by_group(square) / self.group_size - mean**2
        if _is_close(mean, var):
            return mean, var, True
        return *self.centred_moments(block), False

    def centred_moments(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with squares of differences from means of pieces, which are merged."""
        counts, means, squares = [], [], []
        for piece, off in self.pieces(block):
            counts.append(piece.shape[1] * self.fold)
            means.append(self.sums(np.add.reduce(piece, axis=1)) / counts[-1])
            np.subtract(piece, self.tile(means[-1]), out=off)
            squares.append(self.sums(_dot(off, off)))
        weight, each = np.reshape(counts, (-1, 1, 1)), np.array(means)
        mean = self.by_group((weight * each).sum(0)) / self.group_size
        spread = (np.array(squares) + weight * (each - self.by_channel(mean)) ** 2).sum(0)
        return mean, self.by_group(spread) / self.group_size


def group_forward(
    x: np.ndarray, groups: int, gamma: Optional, beta: Optional, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y of x (N, C, *), and mean and biased variance (N, groups); gamma and beta are (C,)."""
    cut = _Samples(x.shape, groups, x.dtype)
    y = empty(x.shape, x.dtype)
    source, target = channels_last(x), channels_last(y)
    mean, var = np.empty((2, x.shape[0], groups))

    def task(i: int) -> None:
        part = cut.part(i)
        block, result = cut.read(source, part), cut.place(target, part)
        middle, spread, close = cut.moments(block)
        mean[part], var[part] = middle, spread
        inverse = 1 / np.sqrt(spread + eps)
        scale = cut.by_channel(inverse) if gamma is None else cut.by_channel(inverse) * gamma
        pivot = cut.by_channel(middle).astype(cut.dtype)
        off = cut.by_channel(middle) - (0 if close else pivot)
        scales, shift, pivots = cut.tile(scale), cut.tile((0 if beta is None else beta) - off * scale), cut.tile(pivot)
        for piece, out, _ in cut.pieces(block, result):
            np.multiply(piece if close else np.subtract(piece, pivots, out=out), scales, out=out)
            out += shift
        cut.store(result, target, part)

    parallel_for(task, cut.tasks, x.size)
    return y, mean, var


def group_backward(
    gy: np.ndarray, x: np.ndarray, groups: int, gamma: Optional, mean: np.ndarray, var: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """gx, ggamma, gbeta."""
    cut = _Samples(x.shape, groups, x.dtype)
    gx = empty(x.shape, gy.dtype)
    source, above, target = channels_last(x), channels_last(gy), channels_last(gx)
    levels, slopes = np.empty((2, x.shape[0], x.shape[1]))  # sums of gy, and of gy (x - mean) / deviation

    def task(i: int) -> None:
        part = cut.part(i)
        block, errors, result = cut.read(source, part), cut.read(above, part), cut.place(target, part)
        inverse, middle = cut.by_channel(1 / np.sqrt(var[part] + eps)), cut.by_channel(mean[part])
        close, middles = _is_close(mean[part], var[part]), cut.tile(middle)
        level, slope = np.zeros((2, len(block), cut.channels))
        for piece, error, off in cut.pieces(block, errors):
            level += cut.sums(np.add.reduce(error, axis=1))
            slope += cut.sums(_dot(piece if close else np.subtract(piece, middles, out=off), error))
        levels[part], slopes[part] = level, (slope - (middle * level if close else 0)) * inverse
        # gx = inverse (g - mean(g) - unit mean(g unit)) with g = gamma gy and unit = (x - mean) inverse
        scale = inverse if gamma is None else inverse * gamma
        lift, lean = (
            cut.by_channel(cut.by_group(sums * (1 if gamma is None else gamma)) / cut.group_size) * inverse
            for sums in (levels[part], slopes[part])
        )
        lean = lean * inverse
        scales, leans, lifts = cut.tile(scale), cut.tile(lean), cut.tile(lift - (middle * lean if close else 0))
        for piece, error, out, off in cut.pieces(block, errors, result):
            np.multiply(piece if close else np.subtract(piece, middles, out=off), leans, out=off)
            off += lifts
            np.multiply(error, scales, out=out)
            out -= off
        cut.store(result, target, part)

    parallel_for(task, cut.tasks, x.size)
    return gx, slopes.sum(0).astype(gy.dtype), levels.sum(0).astype(gy.dtype)


def layer_forward(
    x: np.ndarray, gamma: Optional, beta: Optional, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y of x (rows, L), each row a group; mean and biased variance (rows,); gamma and beta are (L,)."""
    count, length = x.shape
    dtype, step = _wide(x.dtype), _rows_of_a_block(x.shape)
    y, mean, var = np.empty(x.shape, x.dtype), np.empty(count), np.empty(count)

    def task(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        block = np.ascontiguousarray(x[part], dtype)
        off = y[part] if y.dtype == dtype else scratch("norm result", block.shape, dtype)
        middle = (np.add.reduce(block, axis=1) / length).astype(dtype)
        np.subtract(block, middle[:, None], out=off)
        square = np.square(off, out=scratch("norm", block.shape, dtype))
        spread = np.add.reduce(square, axis=1) / length
        mean[part] = middle
        if not _is_close(middle, spread):  # the mean's own rounding counts beside the deviation
            rest = np.add.reduce(off, axis=1) / length
            mean[part] += rest
            off -= rest[:, None]
            spread -= rest * rest
        var[part] = np.maximum(spread, 0)
        off *= (1 / np.sqrt(var[part] + eps)).astype(dtype)[:, None]
        if gamma is not None:
            off *= gamma
        if beta is not None:
            off += beta
        if y.dtype != dtype:
            y[part] = off

    parallel_for(task, -(-count // step), x.size)
    return y, mean, var


def layer_backward(
    gy: np.ndarray, x: np.ndarray, gamma: Optional, mean: np.ndarray, var: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """gx, ggamma, gbeta."""
    count, length = x.shape
    dtype, step = _wide(x.dtype), _rows_of_a_block(x.shape)
    gx, tasks = np.empty(x.shape, gy.dtype), -(-count // step)
    sums = np.empty((2, tasks, length), dtype)

    def task(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        error, block = np.ascontiguousarray(gy[part], dtype), np.ascontiguousarray(x[part], dtype)
        inverse = (1 / np.sqrt(var[part] + eps)).astype(dtype)[:, None]
        unit = np.subtract(block, mean[part].astype(dtype)[:, None], out=scratch("norm", block.shape, dtype))
        unit *= inverse
        np.add.reduce(error, axis=0, out=sums[1, i])
        np.einsum("rl,rl->l", error, unit, out=sums[0, i])
        g = np.multiply(error, 1 if gamma is None else gamma, out=scratch("norm result", block.shape, dtype))
        product = np.multiply(g, unit, out=scratch("norm product", block.shape, dtype))
        unit *= (np.add.reduce(product, axis=1) / length)[:, None]
        unit += (np.add.reduce(g, axis=1) / length)[:, None]
        g -= unit
        np.multiply(g, inverse, out=gx[part] if gx.dtype == dtype else g)
        if gx.dtype != dtype:
            gx[part] = g

    parallel_for(task, tasks, x.size)
    ggamma, gbeta = sums.sum(1, dtype=np.float64).astype(gy.dtype)
    return gx, ggamma, gbeta


def _is_close(mean: np.ndarray, var: np.ndarray) -> bool:
    return bool((mean * mean <= _CLOSE**2 * var).all())


def _rows_of_a_block(shape: tuple[int, ...]) -> int:
    return max(1, min(_BLOCK // shape[1], -(-shape[0] // 2)))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products (n, rows, width) summed over the rows, in one pass."""
    return np.einsum("nrj,nrj->nj", a, b)


def _wide(dtype: np.dtype) -> np.dtype:
    """What is computed in: float32 for 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype
