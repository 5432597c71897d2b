"""Normalisation of each sample by its own statistics, in blocks that stay in the cache.

Groups of channels: a sample's rows or planes give sums a channel, which are added up by group in float64 on a few
numbers; mean, scale and shift then are numbers a channel again. Layers: a row is a group. Where a mean is at most two
deviations, sums of squares are taken as they are; else about the mean, and merged over blocks (Chan, Golub, LeVeque,
1979).
"""

from __future__ import annotations

import numpy as np

from gpunn.cpu.layout import scratch
from gpunn.cpu.samples import BLOCK, Rows, row_products, row_sums, samples, wide
from gpunn.cpu.threads import parallel_for
from gpunn.restored import restored

Optional = np.ndarray | None
_STEEP = 1e-15  # 1 / deviation, from which its square is computed in float64
_CLOSE = 2  # means up to so many deviations may be folded into sums and shifts; beyond, that would lose digits


def group_forward(
    x: np.ndarray, groups: int, gamma: Optional, beta: Optional, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y of x (N, C, *), and mean and 1 / sqrt(variance + eps) (N, groups); gamma and beta are (C,)."""
    cut = samples(x, groups)
    y = cut.new(x.dtype)
    mean, rstd = np.empty((2, x.shape[0], groups), cut.dtype)

    def task(i: int) -> None:
        part = cut.part(i)
        block, result = cut.read(x, part), cut.place(y, part)
        middle, spread, close = _moments(cut, block)
        inverse = 1 / np.sqrt(spread + eps)
        mean[part], rstd[part] = middle, inverse
        scale = cut.by_channel(inverse) if gamma is None else cut.by_channel(inverse) * gamma
        pivot = cut.by_channel(middle).astype(cut.dtype)
        off = cut.by_channel(middle) - (0 if close else pivot)
        scales, shift, pivots = cut.tile(scale), cut.tile((0 if beta is None else beta) - off * scale), cut.tile(pivot)
        for piece, out, _ in cut.pieces(block, result):
            np.multiply(piece if close else np.subtract(piece, pivots, out=out), scales, out=out)
            out += shift
        cut.store(result, y, part)

    parallel_for(task, cut.tasks, x.size)
    return y, mean, rstd


def group_backward(
    gy: np.ndarray, x: np.ndarray, groups: int, gamma: Optional, mean: np.ndarray, rstd: np.ndarray, affine: bool = True
) -> tuple[np.ndarray, Optional, Optional]:
    """gx, ggamma, gbeta; the last two are None unless ``affine``."""
    cut = samples(x, groups)
    gx = cut.new(gy.dtype)
    levels, slopes = np.empty((2, x.shape[0], x.shape[1]))  # sums of gy, and of gy (x - mean) / deviation

    def task(i: int) -> None:
        part = cut.part(i)
        block, errors, result = cut.read(x, part), cut.read(gy, part), cut.place(gx, part)
        inverse, middle = (cut.by_channel(a[part]).astype(np.float64) for a in (rstd, mean))
        close, middles = bool((np.abs(middle * inverse) <= _CLOSE).all()), cut.tile(middle)
        level, slope = np.zeros((2, len(block), cut.channels))
        for piece, error, off in cut.pieces(block, errors):
            level += cut.sums(error)
            slope += cut.products(piece if close else np.subtract(piece, middles, out=off), error)
        levels[part], slopes[part] = level, (slope - (middle * level if close else 0)) * inverse
        # gx = inverse (g - mean(g) - unit mean(g unit)) with g = gamma gy and unit = (x - mean) inverse
        scale = inverse if gamma is None else inverse * gamma
        lift, lean = (
            cut.by_channel(cut.by_group(sums * (1 if gamma is None else gamma)) / cut.group_size) * inverse
            for sums in (levels[part], slopes[part])
        )
        lean = lean * inverse
        # The square of such a slope is 0 in float32.
        leans = cut.tile(lean, np.float64 if (inverse < _STEEP).any() else None)
        scales, lifts = cut.tile(scale), cut.tile(lift - (middle * lean if close else 0))
        for piece, error, out, off in cut.pieces(block, errors, result):
            np.multiply(piece if close else np.subtract(piece, middles, out=off), leans, out=off)
            off += lifts
            np.multiply(error, scales, out=out)
            out -= off
        cut.store(result, gx, part)

    parallel_for(task, cut.tasks, x.size)
    if not affine:
        return gx, None, None
    return gx, slopes.sum(0).astype(gy.dtype), levels.sum(0).astype(gy.dtype)


@restored
def _moments(cut: Rows, block: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Mean and biased variance (n, groups) of a task's samples, and whether all means are close to 0."""
    level, square = np.zeros((2, len(block), cut.channels))
    with np.errstate(over="ignore", invalid="ignore"):
        for piece, _ in cut.pieces(block):
            level += cut.sums(piece)
            square += cut.products(piece, piece)
    if cut.dtype == np.float32 and not np.isfinite(square).all():
        return *_far_moments(cut, block), False
    mean = cut.by_group(level) / cut.group_size
    var = cut.by_group(square) / cut.group_size - mean**2
    if _is_close(mean, var):
        return mean, var, True
    return *_centred_moments(cut, block), False


def _centred_moments(cut: Rows, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with squares of differences from means of pieces, which are merged."""
    counts, means, squares = [], [], []
    for piece, off in cut.pieces(block):
        counts.append(cut.counted(piece))
        pivot = (cut.sums(piece) / counts[-1]).astype(cut.dtype)
        np.subtract(piece, cut.tile(pivot), out=off)
        rest = cut.sums(off) / counts[-1]  # what the first sum's roundings left out
        means.append(pivot + rest)
        squares.append(cut.products(off, off) - counts[-1] * rest**2)
    weight, each = np.reshape(counts, (-1, 1, 1)), np.array(means)
    mean = cut.by_group((weight * each).sum(0)) / cut.group_size
    spread = (np.array(squares) + weight * (each - cut.by_channel(mean)) ** 2).sum(0)
    return mean, np.maximum(cut.by_group(spread) / cut.group_size, 0)


def _far_moments(cut: Rows, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of float32 whose squares overflow, from float64."""
    exact = block.astype(np.float64)
    mean = cut.by_group(cut.sums(exact)) / cut.group_size
    exact -= cut.tile(cut.by_channel(mean), np.float64)
    return mean, cut.by_group(cut.products(exact, exact)) / cut.group_size


def layer_forward(
    x: np.ndarray, gamma: Optional, beta: Optional, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y of x (rows, L), each row a group; mean and 1 / sqrt(variance + eps) (rows,); gamma and beta are (L,)."""
    mean = np.empty(len(x), wide(x.dtype))
    y, rstd = _rows_forward(x, gamma, beta, mean, eps)
    return y, mean, rstd


def rms_forward(x: np.ndarray, gamma: Optional, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """y of x (rows, L), each row over its root mean square; 1 / sqrt(mean square + eps) (rows,); gamma is (L,)."""
    return _rows_forward(x, gamma, None, None, eps)


def _rows_forward(
    x: np.ndarray, gamma: Optional, beta: Optional, mean: Optional, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """y and 1 / deviation of each row; its mean goes to `mean`, without which it is taken to be 0."""
    dtype, step = wide(x.dtype), _rows_of_a_block(x.shape)
    y, rstd = np.empty(x.shape, x.dtype), np.empty(len(x), dtype)

    def task(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        block = np.ascontiguousarray(x[part], dtype)
        off = y[part] if y.dtype == dtype else scratch("norm result", block.shape, dtype)
        spread = _squares(block) if mean is None else _deviations(block, off, mean[part])
        rstd[part] = 1 / np.sqrt(spread + eps)
        np.multiply(block if mean is None else off, rstd[part, None], out=off)
        if gamma is not None:
            off *= gamma
        if beta is not None:
            off += beta
        if y.dtype != dtype:
            y[part] = off

    parallel_for(task, -(-len(x) // step), x.size)
    return y, rstd


def _squares(block: np.ndarray) -> np.ndarray:
    """The mean square of each row."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = row_products(block, block) / block.shape[1]
    if block.dtype == np.float32 and not np.isfinite(found).all():
        found = np.square(block, dtype=np.float64).mean(1)
    return found


def _deviations(block: np.ndarray, off: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The variance of each row; its mean goes to `mean`, its elements less that to `off`."""
    length, dtype = block.shape[1], block.dtype
    with np.errstate(over="ignore", invalid="ignore"):
        middle = (row_sums(block) / length).astype(dtype)
        np.subtract(block, middle[:, None], out=off)
        spread = row_products(off, off) / length
    if dtype == np.float32 and not np.isfinite(spread).all():
        middle = block.mean(1, dtype=np.float64).astype(dtype)
        np.subtract(block, middle[:, None], out=off)
        spread = np.square(off, dtype=np.float64).mean(1)
    mean[...] = middle
    if not _is_close(middle.astype(np.float64), spread):  # the mean's own rounding counts beside the deviation
        rest = row_sums(off) / length
        mean += rest.astype(dtype)
        off -= rest[:, None].astype(dtype)
        spread -= rest * rest
    return np.maximum(spread, 0)


def layer_backward(
    gy: np.ndarray, x: np.ndarray, gamma: Optional, mean: np.ndarray, rstd: np.ndarray, affine: bool = True
) -> tuple[np.ndarray, Optional, Optional]:
    """gx, ggamma, gbeta; the last two are None unless ``affine``."""
    return _rows_backward(gy, x, gamma, mean, rstd, affine)


def rms_backward(
    gy: np.ndarray, x: np.ndarray, gamma: Optional, rstd: np.ndarray, affine: bool = True
) -> tuple[np.ndarray, Optional]:
    """gx, ggamma; the last is None unless ``affine``."""
    return _rows_backward(gy, x, gamma, None, rstd, affine)[:2]


def _rows_backward(
    gy: np.ndarray, x: np.ndarray, gamma: Optional, mean: Optional, rstd: np.ndarray, affine: bool
) -> tuple[np.ndarray, Optional, Optional]:
    count, length = x.shape
    dtype, step = wide(x.dtype), _rows_of_a_block(x.shape)
    gx, tasks = np.empty(x.shape, gy.dtype), -(-count // step)
    sums = np.empty((2, tasks, length), dtype)

    def task(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        error, block = np.ascontiguousarray(gy[part], dtype), np.ascontiguousarray(x[part], dtype)
        unit, inverse = scratch("norm", block.shape, dtype), rstd[part, None]
        if mean is None:
            np.multiply(block, inverse, out=unit)
        else:
            np.subtract(block, mean[part, None], out=unit)
            unit *= inverse
        if affine:
            np.add.reduce(error, axis=0, out=sums[1, i])
            np.einsum("rl,rl->l", error, unit, out=sums[0, i])
        g = np.multiply(error, 1 if gamma is None else gamma, out=scratch("norm result", block.shape, dtype))
        unit *= (row_products(g, unit) / length).astype(dtype)[:, None]
        if mean is not None:
            unit += (row_sums(g) / length).astype(dtype)[:, None]
        g -= unit
        np.multiply(g, inverse, out=gx[part] if gx.dtype == dtype else g)
        if gx.dtype != dtype:
            gx[part] = g

    parallel_for(task, tasks, x.size)
    if not affine:
        return gx, None, None
    ggamma, gbeta = sums.sum(1, dtype=np.float64).astype(gy.dtype)
    return gx, ggamma, gbeta


def _is_close(mean: np.ndarray, var: np.ndarray) -> bool:
    return bool((mean * mean <= _CLOSE**2 * var).all())


def _rows_of_a_block(shape: tuple[int, ...]) -> int:
    return max(1, min(BLOCK // shape[1], -(-shape[0] // 2)))
