"""Softmax and its logarithm on NumPy, in blocks that stay in the cache."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpunn.cpu.samples import wide
from gpunn.cpu.threads import parallel_for

BLOCK = 1 << 17  # elements, which stay in the L2 cache; calls on smaller blocks cost more than that


def forward(x: np.ndarray, axis: int, log: bool) -> np.ndarray:
    """exp(x) / sum of exp(x) along the axis, or its logarithm; the limit where scores are infinite."""
    y = np.empty_like(x)

    def task(scores: np.ndarray, out: np.ndarray) -> None:
        off = _below_peak(scores.astype(wide(scores.dtype), copy=False), out)
        if log:
            off -= np.log(_sums(np.exp(off)))
        else:
            np.exp(off, out=off)
            off *= 1 / _sums(off)
        if off is not out:
            out[...] = off

    _by_blocks(task, axis, x, y)
    return y


def backward(gy: np.ndarray, y: np.ndarray, axis: int, log: bool) -> np.ndarray:
    """gx, from forward's result."""
    gx = np.empty_like(y)

    def task(given: np.ndarray, result: np.ndarray, out: np.ndarray) -> None:
        above, made = (a.astype(wide(a.dtype), copy=False) for a in (given, result))
        if log:
            slope = np.exp(made)
            slope *= _sums(above)
            np.subtract(above, slope, out=slope)
        else:
            slope = above * made
            slope -= made * _sums(slope)
        out[...] = slope

    _by_blocks(task, axis, gy, y, gx)
    return gx


def _below_peak(scores: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Scores less the largest of their row, in `out` where its dtype allows. Infinite ones give the limit.

    +inf less itself is 0, and -inf alone stays.
    """
    out = out if out.dtype == scores.dtype else np.empty_like(scores)
    peak = scores.max(axis=1, keepdims=True)
    if not np.isinf(peak).any():
        return np.subtract(scores, peak, out=out)
    np.subtract(scores, np.where(np.isneginf(peak), 0, peak), out=out)
    out[np.isposinf(scores)] = 0
    return out


def _sums(a: np.ndarray) -> np.ndarray:
    """(n, C, b) summed over C."""
    return a.sum(axis=1, keepdims=True)


def _by_blocks(task: Callable[..., None], axis: int, *arrays: np.ndarray) -> None:
    """The task of blocks (n, C, b) of the arrays, C along the axis; the last is written."""
    made = arrays[-1]
    order = sorted(range(made.ndim), key=lambda one: -made.strides[one])
    at = order.index(axis) if made.ndim else 0
    sizes = [made.shape[one] for one in order] or [1]
    outer, length, inner = math.prod(sizes[:at]), sizes[at], math.prod(sizes[at + 1 :])
    views = [a.transpose(order).reshape(outer, length, inner) for a in arrays]
    columns = min(inner, max(1, BLOCK // max(length, 1)))
    rows = max(1, BLOCK // max(length * columns, 1))
    across = -(-inner // max(columns, 1))

    def block(i: int) -> None:
        n, b = i // across * rows, i % across * columns
        task(*[view[n : n + rows, :, b : b + columns] for view in views])

    if made.size:
        parallel_for(block, -(-outer // rows) * across, made.size)
