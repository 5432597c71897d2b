"""The largest and the smallest over axes, and where they are: argmax, argmin, max and min with their indices."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Backward, Shape
from gpunn.engine.operators import A, Axis
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.out import with_out
from gpunn.ops.reduce import Alias, axes_of, count_of, record_reduction, reduced_shape, wide


@overload
def max(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
    **alias: Axis,
) -> A: ...
@overload
def max(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    return_indices: Literal[True],
    out: tuple[Array, Array] | None = None,
    **alias: Axis,
) -> tuple[A, A]: ...
@with_out
def max(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    return_indices: bool = False,
    *,
    out: Array | tuple[Array, Array] | None = None,
    **alias: Axis,
) -> A | tuple[A, A]:
    """Largest value over ``axis``, nan where there is one; equal ones share the gradient, as in ``torch.amax``.

    With return_indices also where it is, int64, found in the same pass over memory: argmax; of several axes the flat
    place among them. The gradient then goes to that place alone, as that of ``torch.max`` with a dim.

    >>> ops.max([[1.0, 5.0], [7.0, 2.0]], axis=0)
    array([7., 5.], dtype=float32)
    >>> ops.max([[1.0, 5.0], [7.0, 2.0]], axis=0, return_indices=True)
    (array([7., 5.], dtype=float32), array([1, 0]))
    """
    return (_placed if return_indices else _extreme)("max", x, axis, keepdims, alias)


@overload
def min(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
    **alias: Axis,
) -> A: ...
@overload
def min(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    return_indices: Literal[True],
    out: tuple[Array, Array] | None = None,
    **alias: Axis,
) -> tuple[A, A]: ...
@with_out
def min(
    x: A,
    axis: Axis = None,
    keepdims: bool = False,
    return_indices: bool = False,
    *,
    out: Array | tuple[Array, Array] | None = None,
    **alias: Axis,
) -> A | tuple[A, A]:
    """Smallest value over ``axis``, nan where there is one; equal ones share the gradient, as in ``torch.amin``.

    With return_indices also where it is, as max.

    >>> ops.min([[1.0, 5.0], [7.0, 2.0]], axis=0)
    array([1., 2.], dtype=float32)
    >>> ops.min([[1.0, 5.0], [7.0, 2.0]], return_indices=True)
    (array(1., dtype=float32), array(0))
    """
    return (_placed if return_indices else _extreme)("min", x, axis, keepdims, alias)


@with_out
def amax(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Largest values over ``axis``, of which equal ones share the gradient: max with an axis.

    >>> ops.amax([[1.0, 5.0], [7.0, 2.0]], 0)
    array([7., 5.], dtype=float32)
    """
    return _along("max", x, axis, keepdims, alias)


@with_out
def amin(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Smallest values over ``axis``, of which equal ones share the gradient: min with an axis.

    >>> ops.amin([[1.0, 5.0], [7.0, 2.0]], 0)
    array([1., 2.], dtype=float32)
    """
    return _along("min", x, axis, keepdims, alias)


def _along(name: str, x: A, axis: Axis, keepdims: bool, alias: Alias) -> A:
    """_extreme over all axes where none is named."""
    axis = alias.pop("dim", axis) if axis is None else axis
    every = tuple(range(data_of(x).ndim))
    return _extreme(name, x, every if axis in (None, (), []) else axis, keepdims, alias)


def _extreme(name: str, x: A, axis: Axis, keepdims: bool, alias: Alias) -> A:
    a = data_of(x)
    axes, keep = axes_of(name, a, axis, keepdims, alias)
    check_chosen(name, a, axes, axis)
    is_float, whole = a.dtype.kind in "fV", alias.get("dim", axis) is None
    kept = twins(a).reduce.reduced(name, a, axes) if is_float else getattr(a, name)(axis=axes, keepdims=True)

    def backward(spread: Backward, gy: Array) -> Array:
        chosen = a == kept
        if whole:  # torch.max shares among the nans (x != x); along axes torch.amax makes all of them nan
            chosen |= (a != a) & (kept != kept)
        shares = chosen.sum(axis=axes, keepdims=keep)
        return spread((wide(gy) / shares).astype(gy.dtype)) * chosen.astype(gy.dtype)

    y = kept if keep else kept.reshape(reduced_shape(a, axes, keepdims=False))
    return record_reduction(name, y, x, a, axes, backward)


def _placed(name: str, x: Any, axis: Axis, keepdims: bool, alias: Alias) -> Any:
    """(values, indices)."""
    a = data_of(x)
    axes, keep = axes_of(name, a, axis, keepdims, alias)
    check_chosen(name, a, axes, axis)
    if a.dtype.kind in "fV":
        values, places = twins(a).reduce.extreme(name, a, axes)
    else:
        values, places = getattr(a, name)(axis=axes, keepdims=True), _index(f"arg{name}", a, axes)
    xp, shape = array_module(a), reduced_shape(a, axes, keep)

    count, along = count_of(a, axes), [n if i in axes else 1 for i, n in enumerate(a.shape)]

    def backward(spread: Backward, gy: Array) -> Array:
        order = xp.arange(count).reshape(along)
        return xp.where(order == places, spread(gy), 0).astype(gy.dtype, copy=False)

    indices = places.reshape(shape)
    y = record_reduction(name, values.reshape(shape), x, a, axes, backward)
    return y, Tensor(indices) if isinstance(x, Tensor) else indices


@with_out
def argmax(x: A, axis: int | None = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Index of the largest value, over all or one axis; the first of equal ones. Without a gradient.

    >>> ops.argmax([[1.0, 5.0], [7.0, 2.0]], 1)
    array([1, 0])
    """
    return _argument("argmax", x, axis, keepdims, alias)


@with_out
def argmin(x: A, axis: int | None = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Index of the smallest value, over all or one axis; the first of equal ones. Without a gradient.

    >>> ops.argmin([[1.0, 5.0], [7.0, 2.0]], 1)
    array([0, 1])
    """
    return _argument("argmin", x, axis, keepdims, alias)


def _argument(name: str, x: A, axis: Axis, keepdims: bool, alias: Alias) -> A:
    a = data_of(x)
    axes, keep = _one_or_all(name, a, axis, keepdims, alias)
    return record(name, _index(name, a, axes).reshape(reduced_shape(a, axes, keep)), (x,), lambda gy, needs: (None,))


def _index(name: str, a: Array, axes: Shape) -> Array:
    """NumPy's or CuPy's index of this name, flat among axes, which stay as 1."""
    a = wide(a) if a.dtype.kind == "V" else a  # CuPy's has no bfloat16
    kept = [i for i in range(a.ndim) if i not in axes]
    rows = a.transpose(*kept, *axes).reshape(*[a.shape[i] for i in kept], count_of(a, axes))
    places = getattr(rows, name)(axis=-1)
    places = np.asarray(places) if isinstance(places, np.generic) else places
    return places.reshape(reduced_shape(a, axes, keepdims=True))


def _one_or_all(name: str, a: Array, axis: Axis, keepdims: bool, alias: Alias) -> tuple[Shape, bool]:
    """axes_of, for what gives one index."""
    axes, keep = axes_of(name, a, axis, keepdims, alias)
    if len(axes) != 1 and axes != tuple(range(a.ndim)):
        raise ValueError(f"{name}: axis is {axes}, expected one axis, or None for all of {a.shape}; flatten x first")
    check_chosen(name, a, axes, axis)
    return axes, keep


def check_chosen(name: str, a: Array, axes: Shape, axis: Axis) -> None:
    """Refuses to choose among nothing."""
    if count_of(a, axes) == 0:
        raise ValueError(f"{name}: got shape {a.shape} and axis {axis}, expected at least one element to choose from")
