"""Products over axes, and norms of the vectors along them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Backward, Shape
from gpunn.engine.operators import A, Axis, Named
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import floating, in_dtype
from gpunn.ops.extremes import check_chosen
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.ops.reduce import axes_of, record_reduction, reduced_shape, total, wide
from gpunn.restored import restored
from gpunn.scalars import as_number

NAMES = {1.0: "norm1", 2.0: "norm2", math.inf: "amax"}


@with_out
@restored
def prod(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **alias: Named,
) -> A:
    """Product over ``axis``, in x's dtype, or of x in another; of bool and integers in int64. 1 of nothing.

    float32 and 16 bits are multiplied in float64. The gradient of a factor is the product of the others, also where
    some are 0. cuDNN's MUL_NO_ZEROS is ``ops.prod(ops.where(x == 0, 1.0, x))``.

    >>> ops.prod([[1.0, 5.0], [7.0, 2.0]], axis=0)
    array([ 7., 10.], dtype=float32)
    """
    x = in_dtype(widened(x) if asked() else x, dtype)
    a = data_of(x)
    axes, keep = axes_of("prod", a, axis, keepdims, alias)
    shape, twin, xp = reduced_shape(a, axes, keep), twins(a).reduce, array_module(a)
    is_float = a.dtype.kind in "fV"
    y = twin.reduced("prod", a, axes) if is_float else a.prod(axis=axes, dtype=np.int64, keepdims=True)
    y = y if dtype is None else y.astype(a.dtype, copy=False)

    @restored
    def backward(spread: Backward, gy: Array) -> Array:
        with np.errstate(all="ignore"):
            zeros = a == 0
            factors = xp.where(zeros, 1, a).astype(np.float64)  # in which no product of a few float32 leaves the range
            others = twin.reduced("prod", factors, axes) / factors  # all but the zeros and this one
            left = zeros.sum(axis=axes, keepdims=True) - zeros  # zeros among the others
            return (spread(wide(gy)) * xp.where(left == 0, others, 0)).astype(gy.dtype, copy=False)

    return record_reduction("prod", y.reshape(shape), x, a, axes, backward)


@with_out
@restored
def vector_norm(
    x: A, ord: float = 2, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Named
) -> A:
    """Norm over ``axis`` of any order: (sum of |x| ** ord) ** (1 / ord), the largest |x| of inf, the smallest of -inf.

    Order 0 counts what is not 0. Squares of float32 and 16 bits are added in float64, where none overflows. The
    gradient at 0 is 0; of orders inf and -inf the largest, or smallest, share it. As ``torch.linalg.vector_norm``.

    Raises:
        TypeError: x is not floating point.
        ValueError: the largest of nothing, or a norm of a negative order.

    >>> ops.vector_norm([[3.0, -4.0], [0.0, 0.0]], axis=1)
    array([5., 0.], dtype=float32)
    """
    x = widened(x) if asked() else x
    a = floating("vector_norm", x)
    axes, keep = axes_of("vector_norm", a, axis, keepdims, alias)
    order = as_number("vector_norm", "ord", ord)
    if order == math.inf or order < 0:
        check_chosen("vector_norm", a, axes, axis)
    kept, slope = (_of_kernel if order in NAMES else _of_powers)(a, axes, order)

    @restored
    def backward(spread: Backward, gy: Array) -> Array:
        with np.errstate(all="ignore"):
            return (spread(wide(gy)) * slope()).astype(gy.dtype, copy=False)

    y = kept.reshape(reduced_shape(a, axes, keep))
    return record_reduction("vector_norm", y, x, a, axes, backward)


@with_out
def norm(
    x: A,
    p: float | str = "fro",
    dim: Axis = None,
    keepdim: bool = False,
    dtype: DTypeLike | None = None,
    *,
    out: Array | None = None,
    **alias: Named,
) -> A:
    """vector_norm of order p over dim, all by default, as ``torch.norm``; "fro" is 2. With a dtype, of x in that.

    >>> ops.norm([3.0, -4.0])
    array(5., dtype=float32)
    """
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p is {p!r}, expected a number or 'fro'; of matrices take NumPy's np.linalg.norm")
    axes = {"dim": dim} if dim is not None else {}
    return vector_norm(in_dtype(x, dtype), 2 if isinstance(p, str) else p, keepdims=keepdim, **axes, **alias)


def _of_kernel(a: Array, axes: Shape, order: float) -> tuple[Array, Callable[[], Array]]:
    """A norm that the reductions have, its axes kept as 1, and its slopes, when they are wanted."""
    xp, kept = array_module(a), twins(a).reduce.reduced(NAMES[order], a, axes)

    def slope() -> Array:
        b, norm = wide(a), wide(kept)
        slope = b / xp.where(norm == 0, 1, norm) if order == 2 else xp.sign(b)
        return _shared(slope, abs(b), norm, axes) if order == math.inf else slope

    return kept, slope


def _of_powers(a: Array, axes: Shape, order: float) -> tuple[Array, Callable[[], Array]]:
    """The same of any other order, in float64."""
    xp = array_module(a)
    b = abs(wide(a).astype(np.float64))
    with np.errstate(all="ignore"):
        if order == -math.inf:
            norm = b.min(axis=axes, keepdims=True)
        elif order == 0:
            norm = (b != 0).sum(axis=axes, keepdims=True).astype(np.float64)
        else:
            norm = (b**order).sum(axis=axes, keepdims=True) ** (1 / order)

    def slope() -> Array:
        if order == 0:
            return xp.zeros_like(b)
        if order == -math.inf:
            return _shared(xp.sign(wide(a)), b, norm, axes)
        found = xp.sign(wide(a)) * (b / norm) ** (order - 1)
        return xp.where((norm == 0) | (b == 0), 0, found)

    return norm.astype(a.dtype), slope


def _shared(slope: Array, size: Array, norm: Array, axes: Shape) -> Array:
    """slope where |x| is the norm, or nan, divided among those."""
    chosen = (size == norm) | (size != size)
    return slope * chosen / total(chosen, axes, keepdims=True)
