"""Order along an axis: sort, topk, median and their kin. Ties keep their order; nan counts as the largest.

Gradients go back to the places that the values came from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Axis, Named
from gpunn.engine.tensor import data_of, record
from gpunn.ops.cumulative import along
from gpunn.ops.elementwise import wide
from gpunn.ops.out import with_out
from gpunn.ops.reduce import Alias
from gpunn.scalars import as_int

Pair = tuple[Array, Array]


class Chosen(NamedTuple):
    """Values, and the int64 places along the axis that they came from."""

    values: Any
    indices: Any


@with_out
def sort(
    x: A, dim: Axis = None, descending: bool = False, stable: bool = True, *, out: Pair | None = None, **alias: Named
) -> Chosen:
    """(values, indices) in rising or falling order along dim (also: axis), the last by default.

    It is always stable, whatever `stable` says.

    >>> ops.sort([3.0, 1.0, 2.0])
    Chosen(values=array([1., 2., 3.], dtype=float32), indices=array([1, 2, 0]))
    """
    a = data_of(x)
    axis = _last("sort", a, dim, alias)
    return _taken("sort", x, a, _order(a, axis, descending), axis)


@with_out
def argsort(
    x: A, dim: Axis = None, descending: bool = False, stable: bool = True, *, out: Array | None = None, **alias: Named
) -> A:
    """The indices of sort. Without a gradient.

    >>> ops.argsort([3.0, 1.0, 2.0], descending=True)
    array([0, 2, 1])
    """
    a = data_of(x)
    return _places("argsort", x, _order(a, _last("argsort", a, dim, alias), descending).reshape(a.shape))


@with_out
def topk(
    x: A,
    k: int,
    dim: Axis = None,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Pair | None = None,
    **alias: Named,
) -> Chosen:
    """(values, indices) of the k largest, or smallest, along dim (also: axis), the last by default; the best first.

    They are in order, whatever `sorted` says.

    Raises:
        ValueError: k is below 0, or more than there are.

    >>> ops.topk([3.0, 1.0, 2.0], 2)
    Chosen(values=array([3., 2.], dtype=float32), indices=array([0, 2]))
    """
    a = data_of(x)
    axis, k = _last("topk", a, dim, alias), as_int("topk", "k", k)
    if not 0 <= k <= _length(a, axis):
        raise ValueError(f"topk: k is {k}, expected 0 to {_length(a, axis)} (x {a.shape}, dim {axis}); lower k")
    return _taken("topk", x, a, _part(_order(a, axis, largest), axis, slice(0, k)), axis)


@with_out
def kthvalue(
    x: A, k: int, dim: Axis = None, keepdim: bool = False, *, out: Pair | None = None, **alias: Named
) -> Chosen:
    """(value, index) of the k-th smallest along dim (also: axis), the last by default; k counts from 1.

    Raises:
        ValueError: k is below 1, or more than there are.

    >>> ops.kthvalue([3.0, 1.0, 2.0], 2)
    Chosen(values=array(2., dtype=float32), indices=array(2))
    """
    a = data_of(x)
    keepdim = alias.pop("keepdims", keepdim)
    axis, k = _last("kthvalue", a, dim, alias), as_int("kthvalue", "k", k)
    if not 1 <= k <= _length(a, axis):
        raise ValueError(
            f"kthvalue: k is {k}, expected 1 to {_length(a, axis)} (x {a.shape}, dim {axis}); pass another k"
        )
    return _one("kthvalue", x, a, _part(_order(a, axis, False), axis, slice(k - 1, k)), axis, keepdim)


@with_out
def median(x: A, dim: Axis = None, keepdim: bool = False, *, out: Any = None, **alias: Named) -> Any:
    """The middle value, of two the lower, nan where there is one: of all, or along dim (also: axis) with its index.

    Without a dim equal ones share the gradient.

    Raises:
        ValueError: there is nothing.

    >>> ops.median([3.0, 1.0, 2.0, 4.0])
    array(2., dtype=float32)
    >>> ops.median([[3.0, 1.0, 2.0]], dim=1)
    Chosen(values=array([2.], dtype=float32), indices=array([2]))
    """
    a = data_of(x)
    whole, keepdim = dim is None and "axis" not in alias, alias.pop("keepdims", keepdim)
    if whole:
        return _median_of_all(x, a)
    axis = along("median", a, dim, alias)
    if not _length(a, axis):
        raise ValueError(f"median: got shape {a.shape} and dim {axis}, expected at least one element to choose from")
    order = _order(a, axis, False)
    middle = _part(order, axis, slice((_length(a, axis) - 1) // 2, (_length(a, axis) - 1) // 2 + 1))
    if a.dtype.kind in "fV":  # the first nan comes before all
        xp, strange = array_module(a), _rows(wide(a)) != _rows(wide(a))
        first = strange.argmax(axis).reshape(middle.shape)
        middle = xp.where(strange.any(axis=axis, keepdims=True), first, middle)
    return _one("median", x, a, middle, axis, keepdim)


def _median_of_all(x: A, a: Array) -> A:
    xp, flat = array_module(a), a.reshape(-1)
    if a.size:
        middle = _order(flat, 0, False)[(a.size - 1) // 2]
        y = flat[middle].reshape(())
        if a.dtype.kind in "fV":
            strange = (wide(flat) != wide(flat)).any()
            y = xp.where(strange, np.nan, wide(y)).astype(a.dtype)
    elif a.dtype.kind in "fV":
        y = xp.full((1,), np.nan, dtype=np.float32).astype(a.dtype).reshape(())
    else:
        raise ValueError(f"median: got shape {a.shape} of {a.dtype}, expected at least one element to choose from")

    def backward(gy: Array, needs: Needs) -> Gradients:
        chosen = (a == y) | ((a != a) & (y != y))
        shares = chosen.sum()
        return ((chosen * (wide(gy) / shares)).astype(gy.dtype),)

    return record("median", np.asarray(y) if isinstance(y, np.generic) else y, (x,), backward)


@with_out
def mode(x: A, dim: Axis = None, keepdim: bool = False, *, out: Pair | None = None, **alias: Named) -> Chosen:
    """(value, index) of what comes most often along dim (also: axis), the last by default: of several the smallest.

    The index is that of its last one.

    >>> ops.mode([3.0, 1.0, 3.0])
    Chosen(values=array(3., dtype=float32), indices=array(2))
    """
    a = data_of(x)
    keepdim = alias.pop("keepdims", keepdim)
    axis, xp = _last("mode", a, dim, alias), array_module(a)
    if not _length(a, axis):
        raise ValueError(f"mode: got shape {a.shape} and dim {axis}, expected at least one element to choose from")
    order = _order(a, axis, False)
    values = xp.take_along_axis(_rows(wide(a)), order, axis)
    places = xp.arange(values.shape[axis]).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    rest = (slice(None),) * axis
    begins = xp.ones(values.shape, dtype=bool)
    begins[(*rest, slice(1, None))] = values[(*rest, slice(1, None))] != values[(*rest, slice(None, -1))]
    start, step = xp.where(begins, places, 0), 1
    while step < values.shape[axis]:  # the largest so far, over twice as many each time
        ahead = xp.maximum(start[(*rest, slice(step, None))], start[(*rest, slice(None, -step))])
        start, step = xp.concatenate([start[(*rest, slice(None, step))], ahead], axis), 2 * step
    best = (places - start).argmax(axis).reshape([1 if i == axis else n for i, n in enumerate(values.shape)])
    return _one("mode", x, a, xp.take_along_axis(order, best, axis), axis, keepdim)


def _last(name: str, a: Array, dim: Axis, alias: Alias) -> int:
    """The axis that is meant, the last by default."""
    return along(name, a, -1 if dim is None and "axis" not in alias else dim, alias)


def _rows(a: Array) -> Array:
    return a.reshape(a.shape or (1,))


def _length(a: Array, axis: int) -> int:
    return a.shape[axis] if a.ndim else 1


def _order(a: Array, axis: int, descending: bool) -> Array:
    """Where the values in order come from along an axis: int64, ties in the order in which they are."""
    rows = _rows(wide(a))
    rows = rows.astype(np.uint8) if rows.dtype.kind == "b" else rows
    if not descending:
        return array_module(a).argsort(rows, axis=axis, kind="stable")
    turned = (slice(None),) * axis + (slice(None, None, -1),)
    return rows.shape[axis] - 1 - array_module(a).argsort(rows[turned], axis=axis, kind="stable")[turned]


def _part(order: Array, axis: int, part: slice) -> Array:
    return order[(slice(None),) * axis + (part,)]


def _places(name: str, x: object, indices: Array) -> Any:
    """Indices as x came: a Tensor or an array."""
    return record(name, indices, (x,), lambda gy, needs: (None,))


def _taken(name: str, x: Any, a: Array, indices: Array, axis: int, shape: Shape | None = None) -> Chosen:
    """The values at these places along an axis, recorded; in another shape where one is given."""
    xp, rows = array_module(a), _rows(a)
    indices = indices if indices.flags.c_contiguous else indices.copy(order="C")
    y = xp.take_along_axis(rows, indices, axis)
    shape = (y.shape if a.ndim else y.shape[1:] if y.shape == (1,) else y.shape) if shape is None else shape

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = xp.zeros_like(gy, shape=rows.shape)
        grid = [xp.arange(n).reshape([-1 if i == j else 1 for j in range(rows.ndim)]) for i, n in enumerate(y.shape)]
        gx[tuple([indices if i == axis else places for i, places in enumerate(grid)])] = gy.reshape(y.shape)
        return (gx.reshape(a.shape),)

    return Chosen(record(name, y.reshape(shape), (x,), backward), _places(name, x, indices.reshape(shape)))


def _one(name: str, x: Any, a: Array, index: Array, axis: int, keepdim: bool) -> Chosen:
    """The value at one place along an axis, which stays as 1 or goes."""
    if not a.ndim:
        return _taken(name, x, a, index, axis, ())
    shape = tuple([1 if i == axis else n for i, n in enumerate(a.shape) if keepdim or i != axis])
    return _taken(name, x, a, index, axis, shape)
