"""softmax, its logarithm, and logsumexp: exponentials whose sums do not overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Backward, Shape
from gpunn.checks import arrays, as_axis, check_shape
from gpunn.engine.operators import A, Axis
from gpunn.engine.record import record
from gpunn.ops.elementwise import in_dtype, real
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.ops.reduce import axes_of, count_of, record_reduction, reduced_shape, total, wide
from gpunn.restored import restored


@with_out
def softmax(x: A, dim: int, dtype: DTypeLike | None = None, *, out: Array | None = None) -> A:
    """exp(x) / sum of exp(x) along dim.

    >>> ops.softmax([[0.0, 0.0], [0.0, 1000.0]], 1)
    array([[0.5, 0.5],
           [0. , 1. ]], dtype=float32)
    """
    return _along("softmax", in_dtype(x, dtype), dim, log=False)


@with_out
def log_softmax(x: A, dim: int, dtype: DTypeLike | None = None, *, out: Array | None = None) -> A:
    """x - log(sum of exp(x)) along dim.

    >>> ops.log_softmax([[0.0, 0.0], [0.0, 1000.0]], 1).round(3)
    array([[-6.93e-01, -6.93e-01],
           [-1.00e+03,  0.00e+00]], dtype=float32)
    """
    return _along("log_softmax", in_dtype(x, dtype), dim, log=True)


def _along(op: str, x: A, dim: int, log: bool) -> A:
    x = widened(x) if asked() else x
    (a,) = arrays(op, x=x)
    axis, twin = as_axis(op, a, dim), twins(a).softmax
    y = twin.forward(a, axis, log)
    return record(op, y, (x,), lambda gy, needs: (twin.backward(gy, y, axis, log),), owned=True)


@with_out
def softmax_backward(gy: Array, y: Array, dim: int, *, out: Array | None = None) -> Array:
    """gx of softmax on plain arrays, from its result: y (gy - sum of gy y along dim).

    ValueError: shapes that differ, two devices; TypeError: dtypes; IndexError: a dim that there is not.

    >>> ops.softmax_backward(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 0)
    array([ 0.25, -0.25])
    """
    return _back_along("softmax_backward", gy, y, dim, log=False)


@with_out
def log_softmax_backward(gy: Array, y: Array, dim: int, *, out: Array | None = None) -> Array:
    """gx of log_softmax on plain arrays, from its result: gy - exp(y) times the sum of gy along dim.

    Errors as in softmax_backward.

    >>> ops.log_softmax_backward(np.array([1.0, 0.0]), np.log([0.5, 0.5]), 0)
    array([ 0.5, -0.5])
    """
    return _back_along("log_softmax_backward", gy, y, dim, log=True)


def _back_along(op: str, gy: Array, y: Array, dim: int, log: bool) -> Array:
    gy, y = arrays(op, gy=gy, y=y)
    check_shape(op, "gy", gy, y.shape, "it has y's shape")
    return twins(y).softmax.backward(gy, y, as_axis(op, y, dim, "y"), log)


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
        return np.asanyarray(a - peak), peak
    with np.errstate(invalid="ignore"):
        y = a - xp.where(xp.isneginf(peak), 0, peak).astype(a.dtype, copy=False)
    return xp.where(xp.isposinf(a), 0, y).astype(a.dtype, copy=False), peak


@with_out
@restored
def logsumexp(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """log of the sum of e ** x over ``axis``, computed without overflow; -inf of nothing.

    >>> ops.logsumexp([1000.0, 1000.0]).round(3)
    np.float32(1000.693)
    """
    x = widened(x) if asked() else x
    a = real("logsumexp", x)
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
    return record_reduction("logsumexp", result, x, a, axes, backward)
