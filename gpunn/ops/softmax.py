"""softmax, its logarithm, and logsumexp: exponentials whose sums do not overflow."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.checks import arrays, as_axis
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Axis
from gpunn.engine.tensor import record
from gpunn.ops.elementwise import floating
from gpunn.ops.reduce import axes_of, count_of, record_reduction, shape_without


def softmax(x: A, dim: int) -> A:
    """exp(x) / sum of exp(x) along dim.

    >>> ops.softmax([[0.0, 0.0], [0.0, 1000.0]], 1)
    array([[0.5, 0.5],
           [0. , 1. ]], dtype=float32)
    """
    (a,) = arrays("softmax", x=x)
    axis = as_axis("softmax", a, dim)
    y = softmax_of(a, axis)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = gy * y
        along = gx.sum(axis=axis, keepdims=True) if gx.ndim else gx  # CuPy sums no 0-d array along an axis
        gx -= y * along
        return (gx,)

    return record("softmax", y, (x,), backward)


def softmax_of(a: Array, axis: int) -> Array:
    """softmax on a plain array."""
    if a.ndim == 0:
        return array_module(a).ones_like(a)
    y = shifted(a, axis)
    array_module(a).exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x: A, dim: int) -> A:
    """x - log(sum of exp(x)) along dim.

    >>> ops.log_softmax([[0.0, 0.0], [0.0, 1000.0]], 1).round(3)
    array([[-6.93e-01, -6.93e-01],
           [-1.00e+03,  0.00e+00]], dtype=float32)
    """
    (a,) = arrays("log_softmax", x=x)
    axis = as_axis("log_softmax", a, dim)
    y = log_softmax_of(a, axis)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = array_module(y).exp(y)
        gx *= gy.sum(axis=axis, keepdims=True) if gy.ndim else gy
        return (gy - gx,)

    return record("log_softmax", y, (x,), backward)


def log_softmax_of(a: Array, axis: int) -> Array:
    """log_softmax on a plain array."""
    xp = array_module(a)
    if a.ndim == 0 or a.size == 0:
        return xp.zeros_like(a)
    y = shifted(a, axis)
    y -= xp.log(xp.exp(y).sum(axis=axis, keepdims=True))
    return y


def shifted(a: Array, axis: int) -> Array:
    """A copy of `a` less its maximum along axis, so that no exponential overflows; empty axes stay as they are."""
    return a - a.max(axis=axis, keepdims=True) if a.shape[axis] else a.copy()


def logsumexp(x: A, axis: Axis = None, keepdims: bool = False, **alias: Axis) -> A:
    """log of the sum of e ** x over ``axis``, computed without overflow.

    >>> ops.logsumexp([1000.0, 1000.0]).round(3)
    np.float32(1000.693)
    """
    a = floating("logsumexp", x)
    axes, keep = axes_of("logsumexp", a, axis, keepdims, alias)
    xp = array_module(a)
    if count_of(a, axes) == 0:
        raise ValueError(f"logsumexp: got shape {a.shape} and axis {axis}, expected at least one element")
    peak = a.max(axis=axes, keepdims=True)
    peak = xp.where(xp.isinf(peak), 0, peak).astype(a.dtype)
    with np.errstate(all="ignore"):
        kept = xp.log(xp.exp(a - peak).sum(axis=axes, keepdims=True)) + peak
    # -inf everywhere makes the sum empty: no element has a share in it.
    floor = xp.where(xp.isneginf(kept), 0, kept).astype(a.dtype)
    y = kept if keep else kept.reshape(shape_without(a.shape, axes))
    return record_reduction("logsumexp", y, x, a, axes, keep, lambda spread, gy: spread(gy) * xp.exp(a - floor))
