"""softmax, its logarithm, and logsumexp: exponentials whose sums do not overflow."""

from __future__ import annotations

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module
from gpunn.backend.contract import Backward, Shape
from gpunn.checks import arrays, as_axis
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Axis
from gpunn.engine.tensor import record
from gpunn.ops.elementwise import floating
from gpunn.ops.precision import widened
from gpunn.ops.reduce import axes_of, count_of, record_reduction, reduced_shape, total, wide
from gpunn.restored import restored


def softmax(x: A, dim: int) -> A:
    """exp(x) / sum of exp(x) along dim.

    >>> ops.softmax([[0.0, 0.0], [0.0, 1000.0]], 1)
    array([[0.5, 0.5],
           [0. , 1. ]], dtype=float32)
    """
    x = widened(x) if asked() else x
    (a,) = arrays("softmax", x=x)
    axis = as_axis("softmax", a, dim)
    y = softmax_of(a, axis)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = wide(gy) * y
        gx -= y * total(gx, _present(gx, axis), keepdims=True)
        return (gx.astype(gy.dtype, copy=False),)

    return record("softmax", y, (x,), backward)


@restored
def softmax_of(a: Array, axis: int) -> Array:
    """softmax on a plain array."""
    y, _ = shifted(a, _present(a, axis))
    array_module(a).exp(y, out=y)
    with np.errstate(invalid="ignore"):
        y /= total(y, _present(a, axis), keepdims=True)
    return y.astype(a.dtype, copy=False)


def log_softmax(x: A, dim: int) -> A:
    """x - log(sum of exp(x)) along dim.

    >>> ops.log_softmax([[0.0, 0.0], [0.0, 1000.0]], 1).round(3)
    array([[-6.93e-01, -6.93e-01],
           [-1.00e+03,  0.00e+00]], dtype=float32)
    """
    x = widened(x) if asked() else x
    (a,) = arrays("log_softmax", x=x)
    axis = as_axis("log_softmax", a, dim)
    y = log_softmax_of(a, axis)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = array_module(y).exp(wide(y))
        gx *= total(wide(gy), _present(gy, axis), keepdims=True)
        return ((gy - gx).astype(gy.dtype, copy=False),)

    return record("log_softmax", y, (x,), backward)


@restored
def log_softmax_of(a: Array, axis: int) -> Array:
    """log_softmax on a plain array."""
    xp = array_module(a)
    y, _ = shifted(a, _present(a, axis))
    with np.errstate(divide="ignore", invalid="ignore"):
        y -= xp.log(total(xp.exp(y), _present(a, axis), keepdims=True))
    return y.astype(a.dtype, copy=False)


@restored
def shifted(a: Array, axes: Shape) -> tuple[Array, Array]:
    """A copy of `a`, 16-bit floats as float32, less its maximum along axes; the maximum. No exponential overflows.

    Infinite ones give the limit: +inf less itself is 0, and -inf alone stays.
    """
    xp, a = array_module(a), wide(a)
    if count_of(a, axes) == 0:
        return a.copy(), a
    peak = a.max(axis=axes, keepdims=True)
    if isinstance(a, np.ndarray) and not np.isinf(peak).any():  # a GPU is not asked
        return xp.asanyarray(a - peak), peak
    with np.errstate(invalid="ignore"):
        y = a - xp.where(xp.isneginf(peak), 0, peak).astype(a.dtype, copy=False)
    return xp.where(xp.isposinf(a), 0, y).astype(a.dtype, copy=False), peak


def _present(a: Array, axis: int) -> Shape:
    """The axis as a reduction takes it: a 0-d array has none."""
    return (axis,) if a.ndim else ()


@restored
def logsumexp(x: A, axis: Axis = None, keepdims: bool = False, **alias: Axis) -> A:
    """log of the sum of e ** x over ``axis``, computed without overflow; -inf of nothing.

    >>> ops.logsumexp([1000.0, 1000.0]).round(3)
    np.float32(1000.693)
    """
    x = widened(x) if asked() else x
    a = floating("logsumexp", x)
    axes, keep = axes_of("logsumexp", a, axis, keepdims, alias)
    xp = array_module(a)
    y, peak = shifted(a, axes)
    if count_of(a, axes) == 0:  # log of an empty sum
        peak = xp.zeros_like(peak, shape=reduced_shape(a, axes, keepdims=True))
    with np.errstate(all="ignore"):
        share = total(xp.exp(y, out=y), axes, keepdims=True)
        kept = (xp.log(share) + peak).astype(a.dtype)
    share = xp.where(share == 0, 1, share).astype(share.dtype)  # of -inf everywhere, where no element has any

    def backward(spread: Backward, gy: Array) -> Array:
        return (spread(wide(gy)) * (y / share)).astype(gy.dtype, copy=False)

    result = kept if keep else kept.reshape(reduced_shape(a, axes, keepdims=False))
    return record_reduction("logsumexp", result, x, a, axes, keep, backward)
