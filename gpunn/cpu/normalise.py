"""Passes over the (rows, C) matrix of a channels-last array: the moments of its columns, normalised, and the way back.

Statistics: each block of rows gives its mean and its sum of squared deviations, and the blocks are merged in float64
(Chan, Golub, LeVeque, 1979), so that a large mean beside a small spread loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from gpunn.cpu.columns import Cut
from gpunn.cpu.elementwise import rectify, select
from gpunn.cpu.layout import empty, rows, scratch
from gpunn.cpu.threads import parallel_for
from gpunn.restored import restored

Join: TypeAlias = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # of backend/contract/terms.py


@restored
def moments(matrix: np.ndarray, cut: Cut, dtype: np.dtype | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance (C,) of a (rows, C) matrix, in float64; once more where squares overflow."""
    dtype = dtype or matrix.dtype
    means = np.zeros((cut.tasks, cut.channels))
    squares = np.zeros((cut.tasks, cut.channels))
    counts = np.zeros((cut.tasks, 1))

    def task(i: int) -> None:
        block = cut.of(matrix, i).astype(dtype, copy=False)
        counts[i] = block.shape[0] * cut.fold
        with np.errstate(over="ignore", invalid="ignore"):
            means[i] = cut.sums(block) / counts[i]
            off = np.subtract(block, cut.tile(means[i], dtype), out=scratch("bn", block.shape, dtype))
            squares[i] = cut.sums(np.square(off, out=off))

    parallel_for(task, cut.tasks, matrix.size)
    if dtype == np.float32 and not np.isfinite(squares).all():
        return moments(matrix, cut, np.dtype(np.float64))
    with np.errstate(all="ignore"):
        mean = (counts * means).sum(0) / cut.count
        spread = squares.sum(0) + (counts * (means - mean) ** 2).sum(0)
        return mean, spread / cut.count


def normalised(matrix, shape, gamma, beta, mean, var, eps, residual, relu) -> np.ndarray:
    """y = relu?(gamma (x - mean) / sqrt(var + eps) + beta + residual?) in x's `shape`, from x as rows."""
    cut, dtype = Cut(*matrix.shape), matrix.dtype
    result = empty(shape, dtype)
    y, extra = rows(result), None if residual is None else rows(residual)
    pivot, scale, shift = _affine(gamma, beta, mean, var, eps)
    scale, shift = cut.tile(scale, dtype), cut.tile(shift, dtype)
    middle = None if pivot is None else cut.tile(pivot, dtype)
    zeros = np.zeros(cut.width, dtype)

    def task(i: int) -> None:
        block, part = cut.of(matrix, i), cut.of(y, i)
        np.multiply(block if middle is None else np.subtract(block, middle, out=part), scale, out=part)
        part += shift
        if extra is not None:
            part += cut.of(extra, i)
        if relu:
            rectify(part, zeros, out=part)

    parallel_for(task, cut.tasks, matrix.size)
    return result


@restored
def _affine(gamma, beta, mean, var, eps) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """pivot, scale, shift of y = (x - pivot) * scale + shift, in float64; pivot None (0) where that loses no digits."""
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(np.asarray(var, np.float64) + eps)
        close = bool(np.all(np.abs(mean) * scale < 16))
        scale = scale if gamma is None else scale * gamma
        shift = np.zeros_like(scale) if beta is None else np.asarray(beta, np.float64)
        return (None, scale, shift - mean * scale) if close else (mean, scale, shift)


@restored
def way_back(gy, x, gamma, mean, rstd, y, relu, beta, through_statistics, join: Join | None = None):
    """gx, ggamma, gbeta and the masked gy. The statistics were x's own, or of more than x, for which `join` speaks."""
    if relu and y is None:
        with np.errstate(all="ignore"):
            y = normalised(rows(x), x.shape, gamma, beta, mean, np.asarray(rstd, np.float64) ** -2, 0.0, None, True)
    above, matrix = rows(gy), rows(x)
    cut = Cut(*matrix.shape)
    passed = None if y is None else rows(y)
    residual = gy if y is None else empty(x.shape, x.dtype)
    masked = above if passed is None else rows(residual)
    middle = cut.tile(mean, x.dtype)
    totals = np.zeros((2, cut.tasks, cut.channels))

    def sum_up(i: int) -> None:
        part, block = cut.of(masked, i), cut.of(matrix, i)
        if passed is not None:
            select(cut.of(above, i), cut.of(passed, i) > 0, out=part)
        off = np.subtract(block, middle, out=scratch("bn", block.shape, block.dtype))
        totals[0, i] = cut.sums(part)
        totals[1, i] = cut.sums(np.multiply(off, part, out=off))

    parallel_for(sum_up, cut.tasks, x.size)
    with np.errstate(all="ignore"):
        gbeta, slope = totals.sum(1)
        inverse = np.asarray(rstd, np.float64)
        scale = inverse if gamma is None else inverse * gamma
        # gx = scale * (gy - mean(gy) - (x - mean) * inverse^2 * mean(gy * (x - mean)))
        if join is None:
            lean, level = slope * inverse**2 / max(cut.count, 1), gbeta / max(cut.count, 1)
        else:
            steep, level = join(slope * inverse, gbeta)
            lean = steep * inverse
        sums = (slope * inverse).astype(x.dtype), gbeta.astype(x.dtype), residual
    result = empty(x.shape, x.dtype)
    gx = rows(result)
    scale, lean, level = (cut.tile(v, x.dtype) for v in (scale, lean, level))

    def spread(i: int) -> None:
        part = cut.of(gx, i)
        if through_statistics:
            np.subtract(cut.of(matrix, i), middle, out=part)
            part *= lean
            part += level
            np.subtract(cut.of(masked, i), part, out=part)
            part *= scale
        else:
            np.multiply(cut.of(masked, i), scale, out=part)

    parallel_for(spread, cut.tasks, x.size)
    return result, *sums
