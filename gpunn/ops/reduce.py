"""Reductions over some axes, or all of them. ``dim`` and ``keepdim`` are other names of ``axis`` and ``keepdims``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Backward, Shape
from gpunn.engine.operators import A, Axis, Named
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import floating, in_dtype
from gpunn.ops.elementwise import wide as wide
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.restored import restored
from gpunn.scalars import as_int

Alias: TypeAlias = dict[str, Named]  # PyTorch's names of axis and keepdims


@with_out
@restored
def sum(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **alias: Axis,
) -> A:
    """Sum over ``axis`` (an int, several, or None for all), in x's dtype; of bool and integers in int64.

    With a dtype, the sum of x in that.

    >>> ops.sum([[1.0, 5.0], [7.0, 2.0]], axis=0, keepdims=True)
    array([[8., 7.]], dtype=float32)
    """
    x = in_dtype(widened(x) if asked() else x, dtype)
    a = data_of(x)
    axes, keep = axes_of("sum", a, axis, keepdims, alias)
    y = total(a, axes, keep)
    y = y if dtype is None else y.astype(a.dtype, copy=False)
    return record_reduction("sum", y, x, a, axes, lambda spread, gy: spread(gy))


@with_out
@restored
def mean(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **alias: Axis,
) -> A:
    """Mean over ``axis``, of x in a dtype where one is given; nan where there is nothing to average.

    Raises:
        TypeError: x is not floating point.

    >>> ops.mean([[1.0, 5.0], [7.0, 2.0]], axis=1)
    array([3. , 4.5], dtype=float32)
    """
    x = in_dtype(widened(x) if asked() else x, dtype)
    a = floating("mean", x)
    axes, keep = axes_of("mean", a, axis, keepdims, alias)
    count = count_of(a, axes)
    y = twins(a).reduce.reduced("mean", a, axes).reshape(reduced_shape(a, axes, keep))
    return record_reduction("mean", y, x, a, axes, lambda spread, gy: spread(wide(gy) / count))


def total(a: Array, axis: int | Shape | None, keepdims: bool = False) -> Array:
    """``a.sum(axis, keepdims)`` in a's dtype, where what is added up loses no digits and does not overflow.

    16-bit floats are added in float32, or they would stop at 2048 ones; all of them on a GPU, which waits for memory
    anyway, in float64. Bool and integers give int64.
    """
    axes = tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis % a.ndim,)
    if a.dtype.kind in "biu":
        return a.sum(axis=axes, keepdims=keepdims, dtype=np.int64)
    y = twins(a).reduce.reduced("sum", a, axes)
    return y if keepdims else y.reshape(reduced_shape(a, axes, False))


def record_reduction(
    name: str, y: Array, x: A, a: Array, axes: Shape, backward: Callable[[Backward, Array], Array]
) -> A:
    """Record a reduction whose ``backward(spread, gy)`` may call ``spread`` to broadcast over the reduced axes."""
    xp = array_module(a)
    shape, kept_shape = a.shape, tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    if isinstance(y, np.generic):  # NumPy turns a full reduction into a number; the graph holds arrays
        y = np.asarray(y)

    def spread(g: Array) -> Array:
        return xp.broadcast_to(g.reshape(kept_shape), shape)

    return record(name, y, (x,), lambda gy, needs: (backward(spread, gy),))


def axes_of(name: str, a: Array, axis: Axis, keepdims: bool | Axis, alias: Alias) -> tuple[Shape, bool]:
    """The reduced axes as a sorted tuple of non-negative ints, and whether to keep them."""
    unknown = set(alias) - {"dim", "keepdim"}
    if unknown:
        raise TypeError(
            f"{name}: got an unexpected argument {sorted(unknown)[0]!r}; expected axis or dim, keepdims or keepdim"
        )
    if axis is not None and "dim" in alias:
        raise TypeError(f"{name}: got both axis {axis} and dim {alias['dim']}, two names of one argument; pass one")
    axis, keepdims = alias.get("dim", axis), alias.get("keepdim", keepdims)
    if axis is None:
        return tuple(range(a.ndim)), bool(keepdims)
    axes = [
        as_int(name, "axis", i, "an int or a tuple of them")
        for i in (axis if isinstance(axis, tuple | list) else (axis,))
    ]
    rank = a.ndim or 1  # a 0-d array counts as one axis, as in PyTorch
    wrong = [i for i in axes if not -rank <= i < rank]
    positive = {i % rank for i in axes} if not wrong else set()
    if wrong or len(positive) != len(axes):
        raise ValueError(
            f"{name}: axis {axis} does not fit shape {a.shape}; expected different axes from {-rank} to {rank - 1}"
        )
    return tuple(sorted(positive)) if a.ndim else (), bool(keepdims)


def count_of(a: Array, axes: Shape) -> int:
    """How many elements of a are reduced to one."""
    return math.prod(a.shape[i] for i in axes)


def reduced_shape(a: Array, axes: Shape, keepdims: bool) -> Shape:
    """The shape that is left when the axes are reduced away, or to 1."""
    return tuple([1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes])


@restored
def zero_d(value: Any, like: Array) -> Array:
    """`value` as a 0-d array of `like`'s type, dtype and device: NumPy's scalars have no device."""
    if type(value) is type(like) and value.dtype == like.dtype:
        return value
    if type(like) is np.ndarray:
        y = np.empty((), like.dtype)
    else:  # CuPy takes shape=() for "not given"
        y = array_module(like).empty_like(like, shape=(1,)).reshape(())
    with np.errstate(over="ignore"):  # a sum past float16 is infinite
        y[...] = value
    return y
