"""Normalisation of each sample by its own statistics, on CuPy and emulated arrays, by array functions."""

from __future__ import annotations

import math

import numpy as np

from gpunn.backend import array_module
from gpunn.backend.contract import Array, Shape


def group_forward(
    x: Array, groups: int, gamma: Array | None, beta: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """y of x (N, C, *), and mean and biased variance (N, groups); gamma and beta are (C,)."""
    view, shape = _grouped(x.shape, groups)
    return _forward(x, view, shape, 2, gamma, beta, eps)


def group_backward(
    gy: Array, x: Array, groups: int, gamma: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """gx, ggamma, gbeta."""
    view, shape = _grouped(x.shape, groups)
    return _backward(gy, x, view, shape, 2, gamma, mean, var, eps)


def layer_forward(x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """y of x (rows, L), each row a group; mean and biased variance (rows,); gamma and beta are (L,)."""
    return _forward(x, x.shape, x.shape[1:], 1, gamma, beta, eps)


def layer_backward(
    gy: Array, x: Array, gamma: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    """gx, ggamma, gbeta."""
    return _backward(gy, x, x.shape, x.shape[1:], 1, gamma, mean, var, eps)


def _grouped(shape: Shape, groups: int) -> tuple[Shape, Shape]:
    """x as (N, groups, channels, *), and the shape in which gamma and beta spread over it."""
    channels = shape[1] // groups
    return (shape[0], groups, channels, *shape[2:]), (groups, channels, *(1,) * (len(shape) - 2))


def _forward(
    x: Array, view: Shape, shape: Shape, kept: int, gamma: Array | None, beta: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """x, seen as `view`, standardised over all axes but the first `kept`; gamma and beta are seen as `shape`."""
    axes = tuple(range(kept, len(view)))
    wide = _wide(x).reshape(view)
    mean = _mean(wide, axes)
    y = wide - mean
    # In float64, where squares of 1e30 do not overflow.
    var = array_module(y).multiply(y, y, dtype=np.float64).mean(axis=axes, keepdims=True)
    y *= _scale(var, eps, y.dtype)
    if gamma is not None:
        y *= gamma.reshape(shape)
    if beta is not None:
        y += beta.reshape(shape)
    y = y.reshape(x.shape).astype(x.dtype, copy=False)
    return y, mean.reshape(view[:kept]), var.reshape(view[:kept])


def _backward(
    gy: Array, x: Array, view: Shape, shape: Shape, kept: int, gamma: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    axes, flat = tuple(range(kept, len(view))), (*view[:kept], *(1,) * (len(view) - kept))
    g, off = _wide(gy).reshape(view), _wide(x).reshape(view) - mean.reshape(flat)
    scale = _scale(var.reshape(flat), eps, off.dtype)
    unit = off * scale
    gw, gb = _sum(g * unit, shape), _sum(g, shape)
    if gamma is not None:
        g = g * gamma.reshape(shape)
    gx = g - _mean(g, axes)
    unit *= _mean(g * unit, axes)
    gx -= unit
    gx *= scale
    gw, gb = (a.reshape(math.prod(shape)).astype(gy.dtype, copy=False) for a in (gw, gb))
    return gx.reshape(x.shape).astype(gy.dtype, copy=False), gw, gb


def _scale(var: Array, eps: float, dtype: np.dtype) -> Array:
    return ((var + eps) ** -0.5).astype(dtype, copy=False)


def _mean(a: Array, axes: Shape) -> Array:
    """Summed in float64: along strided axes arrays are added one by one, and float32 would lose digits."""
    return a.mean(axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype)


def _sum(a: Array, shape: Shape) -> Array:
    """The gradient of what was spread from `shape`, summed in float64."""
    extra = a.ndim - len(shape)
    axes = tuple(i for i in range(a.ndim) if i < extra or (shape[i - extra] == 1 and a.shape[i] != 1))
    return a.sum(axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype).reshape(shape)


def _wide(a: Array) -> Array:
    """16-bit floats as float32, in which sums do not overflow; others as they are."""
    return a.astype(np.float32) if a.dtype.itemsize == 2 else a
