"""Functions of numbers whose names, arguments or defaults in the array API standard are not those of gpunn.ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn import ops
from gpunn.array_api.creation import astype
from gpunn.engine.operators import A, Axis, Operand
from gpunn.engine.tensor import Tensor, data_of


def sum(x: A, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> A:
    """Sum over `axis`, of x in another type where one is given; of integers in 64 bits, signed where they are.

    Examples:
        >>> gpunn.array_api.sum(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        Tensor([4., 6.])
    """
    return _accumulated(ops.sum, x, axis, dtype, keepdims)


def prod(x: A, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> A:
    """Product over `axis`, in the types that sum has.

    Examples:
        >>> gpunn.array_api.prod(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        Tensor([3., 8.])
    """
    return _accumulated(ops.prod, x, axis, dtype, keepdims)


def _accumulated(op: Callable, x: A, axis: Axis, dtype: DTypeLike | None, keepdims: bool) -> A:
    """op of x in a type, or in x's own; ops give integers in int64, whose bits are those of uint64."""
    y = op(x if dtype is None else astype(x, dtype, copy=False), axis, keepdims)
    kind = data_of(x).dtype if dtype is None else np.dtype(dtype)
    return astype(y, dtype or np.uint64, copy=False) if kind.kind in "iu" and (dtype or kind.kind == "u") else y


def var(x: A, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> A:
    """Variance over `axis`, the sum of squares divided by the count less `correction`.

    Examples:
        >>> gpunn.array_api.var(Tensor([1.0, 3.0]))
        Tensor(1.)
    """
    return ops.var(x, axis, correction, keepdims)


def std(x: A, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> A:
    """Square root of the variance.

    Examples:
        >>> gpunn.array_api.std(Tensor([1.0, 5.0]))
        Tensor(2.)
    """
    return ops.sqrt(ops.var(x, axis, correction, keepdims))


def clip(x: A, /, min: Operand | float | None = None, max: Operand | float | None = None) -> A:
    """x held between bounds, which may be None, numbers, or arrays that broadcast to x; x itself without any.

    Examples:
        >>> gpunn.array_api.clip(Tensor([1.0, 5.0, 9.0]), 2, Tensor([0.0, 9.0, 8.0]))
        Tensor([0., 5., 8.])
    """
    if min is None and max is None:
        return positive(x)
    if all([bound is None or isinstance(bound, int | float | np.generic) for bound in (min, max)]):
        return ops.clip(x, min, max)  # pyright: ignore[reportArgumentType]: numbers
    y: Any = x if min is None else ops.maximum(x, min)
    return y if max is None else ops.minimum(y, max)  # pyright: ignore[reportReturnType]: a Tensor of Tensors


def positive(x: A, /) -> A:
    """x itself.

    Examples:
        >>> gpunn.array_api.positive(Tensor([1.0, -1.0]))
        Tensor([ 1., -1.])
    """
    return x if isinstance(x, Tensor) else data_of(x)


def square(x: A, /) -> A:
    """x * x.

    Examples:
        >>> gpunn.array_api.square(Tensor([3.0, -2.0]))
        Tensor([9., 4.])
    """
    return ops.mul(x, x)


def reciprocal(x: A, /) -> A:
    """1 / x, of floats.

    Examples:
        >>> gpunn.array_api.reciprocal(Tensor([2.0, 4.0]))
        Tensor([0.5 , 0.25])
    """
    return ops.div(1, x)


def vecdot(x1: A, x2: Operand, /, *, axis: int = -1) -> A:
    """Sums of products along an axis, counted from the last: -1 or less, as the shapes may broadcast.

    Examples:
        >>> gpunn.array_api.vecdot(Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([1.0, 10.0]))
        Tensor([21., 43.])
    """
    if not -_rank(x1, x2) <= axis < 0:
        raise ValueError(
            f"vecdot: axis is {axis}, expected {-_rank(x1, x2)} to -1 (x1 {data_of(x1).shape}, x2 "
            f"{data_of(x2).shape}); count it from the last"
        )
    if data_of(x1).shape[axis] != data_of(x2).shape[axis]:
        raise ValueError(
            f"vecdot: x1 is {data_of(x1).shape} and x2 {data_of(x2).shape}, expected one size along axis {axis}; "
            "reshape one of them"
        )
    products: Any = ops.mul(x1, x2)
    return astype(ops.sum(products, axis), products.dtype, copy=False)


def _rank(*xs: Operand) -> int:
    """The fewest dimensions among arrays."""
    return min([data_of(x).ndim for x in xs])


def take(x: A, indices: Operand, /, *, axis: int | None = None) -> A:
    """The elements at these places (a vector) along an axis, which may be left out of a vector x.

    Examples:
        >>> gpunn.array_api.take(Tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1]), axis=1)
        Tensor([[2., 2.],
                [4., 4.]])
    """
    rank, places = data_of(x).ndim, data_of(indices)
    if axis is None and rank != 1:
        raise ValueError(f"take: axis is None, expected one of 0 to {rank - 1} (x {data_of(x).shape})")
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise ValueError(f"take: indices are {places.dtype} {places.shape}, expected a vector of integers")
    at = range(rank)[axis or 0]
    return ops.getitem(x, (*[slice(None)] * at, places))
