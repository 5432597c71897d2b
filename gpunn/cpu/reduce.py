"""Reductions over axes, with NumPy."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.layout import scratch
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.samples import row_products
from gpunn.cpu.sums import added
from gpunn.cpu.threads import parallel_for

__all__ = ["extreme", "reduced"]

_BLOCK = 1 << 16  # numbers whose float64 stay in the cache


@in_float32
def reduced(name: str, x: np.ndarray, axes: tuple[int, ...], factor: np.ndarray | None = None) -> np.ndarray:
    """The reduction of this name of floats, of x or of x times a factor, over axes that stay as 1.

    "sum", "mean", "max", "min"; of x alone also "prod", "norm1" (the sum of |x|), "norm2" and "amax" (the largest |x|).
    """
    if x.dtype == np.float32 and x.flags.c_contiguous and axes == (x.ndim - 1,):
        if name == "norm2":
            return np.sqrt(_squares(x)).astype(x.dtype)
        if name == "sum" and (y := _products(x, factor)) is not None:
            return y
    x = x if factor is None else x * factor
    if name in ("max", "min"):
        return getattr(x, name)(axis=axes, keepdims=True)
    with np.errstate(all="ignore"):
        if name == "amax":
            return np.abs(x).max(axis=axes, keepdims=True)
        if name in ("prod", "norm2"):  # in float64, where no float32 overflows on the way
            wide = x.astype(np.float64, copy=False)
            y = wide.prod(axis=axes, keepdims=True) if name == "prod" else np.sqrt(added(wide * wide, axes, True))
            return y.astype(x.dtype, copy=False)
        y = added(
            np.abs(x) if name == "norm1" else x, axes, True
        )  # where added: the mean may fit where the sum does not
        y = y / math.prod([x.shape[axis] for axis in axes]) if name == "mean" else y
        return y.astype(x.dtype, copy=False)


@in_float32
def extreme(name: str, x: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The "max" or "min" of floats over axes that stay as 1, and its place among them: of equal ones the first."""
    kept = tuple([axis for axis in range(x.ndim) if axis not in axes])
    rows = x.transpose(*kept, *axes).reshape([math.prod([x.shape[axis] for axis in some]) for some in (kept, axes)])
    places = (rows.argmax if name == "max" else rows.argmin)(axis=1, keepdims=True)
    shape = tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    return np.take_along_axis(rows, places, axis=1).reshape(shape), places.reshape(shape)


def _squares(x: np.ndarray) -> np.ndarray:
    """Squares of float32 summed along rows (*, L) to (*, 1), in float64, where none overflows, a block at a time."""
    length = x.shape[-1]
    rows, step = x.reshape(math.prod(x.shape[:-1]), length), max(1, _BLOCK // max(1, length))
    y = np.zeros(len(rows))

    def task(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        for low in range(0, length, _BLOCK):
            narrow = rows[part, low : low + _BLOCK]
            wide = scratch("squares", narrow.shape, np.float64)
            wide[...] = narrow
            y[part] += np.vecdot(wide, wide)

    parallel_for(task, -(-len(rows) // step), x.size)
    return y.reshape(*x.shape[:-1], 1)


def _products(x: np.ndarray, factor: np.ndarray | None) -> np.ndarray | None:
    """Products summed along rows (*, L) to (*, 1) by BLAS; None where they lie otherwise, or one overflows."""
    if factor is None or (factor.shape, factor.dtype) != (x.shape, x.dtype) or not factor.flags.c_contiguous:
        return None
    if not x.size:
        return None
    with np.errstate(all="ignore"):
        y = row_products(*[a.reshape(-1, x.shape[-1]) for a in (x, factor)]).astype(x.dtype)
    return y.reshape(*x.shape[:-1], 1) if np.isfinite(y).all() else None
