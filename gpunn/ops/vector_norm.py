"""Products over axes, and norms of the vectors along them."""

from __future__ import annotations

import math

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Backward
from gpunn.engine.operators import A, Axis
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import floating
from gpunn.ops.extremes import check_chosen
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.ops.reduce import axes_of, record_reduction, reduced_shape, total, wide
from gpunn.restored import restored

NAMES = {1.0: "norm1", 2.0: "norm2", math.inf: "amax"}


@with_out
@restored
def prod(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Product over ``axis``, in x's dtype; of bool and integers in int64. 1 of nothing.

    float32 and 16 bits are multiplied in float64. The gradient of a factor is the product of the others, also where
    some are 0. cuDNN's MUL_NO_ZEROS is ``ops.prod(ops.where(x == 0, 1.0, x))``.

    >>> ops.prod([[1.0, 5.0], [7.0, 2.0]], axis=0)
    array([ 7., 10.], dtype=float32)
    """
    x = widened(x) if asked() else x
    a = data_of(x)
    axes, keep = axes_of("prod", a, axis, keepdims, alias)
    shape, twin, xp = reduced_shape(a, axes, keep), twins(a).reduce, array_module(a)
    is_float = a.dtype.kind in "fV"
    y = twin.reduced("prod", a, axes) if is_float else a.prod(axis=axes, dtype=np.int64, keepdims=True)

    @restored
    def backward(spread: Backward, gy: Array) -> Array:
        with np.errstate(all="ignore"):
            zeros = a == 0
            factors = xp.where(zeros, 1, a).astype(np.float64)  # in which no product of a few float32 leaves the range
            others = twin.reduced("prod", factors, axes) / factors  # all but the zeros and this one
            left = zeros.sum(axis=axes, keepdims=True) - zeros  # zeros among the others
            return (spread(wide(gy)) * xp.where(left == 0, others, 0)).astype(gy.dtype, copy=False)

    return record_reduction("prod", y.reshape(shape), x, a, axes, keep, backward)


@with_out
@restored
def vector_norm(
    x: A, ord: float = 2, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis
) -> A:
    """Norm over ``axis`` of order 1 (sum of |x|), 2 (root of the sum of squares) or inf (the largest |x|).

    Squares of float32 and 16 bits are added in float64, where none overflows. The gradient at 0 is 0; of order inf the
    largest share it. As ``torch.linalg.vector_norm``.

    Raises:
        TypeError: x is not floating point.
        ValueError: another order; the largest of nothing.

    >>> ops.vector_norm([[3.0, -4.0], [0.0, 0.0]], axis=1)
    array([5., 0.], dtype=float32)
    """
    x = widened(x) if asked() else x
    a = floating("vector_norm", x)
    axes, keep = axes_of("vector_norm", a, axis, keepdims, alias)
    if not isinstance(ord, int | float) or ord not in NAMES:
        raise ValueError(f"vector_norm: ord is {ord!r}, expected 1, 2 or math.inf; of others take powers and ops.sum")
    if ord == math.inf:
        check_chosen("vector_norm", a, axes, axis)
    xp, kept = array_module(a), twins(a).reduce.reduced(NAMES[ord], a, axes)

    @restored
    def backward(spread: Backward, gy: Array) -> Array:
        with np.errstate(all="ignore"):
            b, norm = wide(a), wide(kept)
            slope = b / xp.where(norm == 0, 1, norm) if ord == 2 else xp.sign(b)
            if ord == math.inf:
                largest = (abs(b) == norm) | (b != b)
                slope = slope * largest / total(largest, axes, keepdims=True)
            return (spread(wide(gy)) * slope).astype(gy.dtype, copy=False)

    y = kept.reshape(reduced_shape(a, axes, keep))
    return record_reduction("vector_norm", y, x, a, axes, keep, backward)
