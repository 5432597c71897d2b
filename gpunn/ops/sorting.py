"""Order along an axis: sort, topk, median and their kin. Ties keep their order; nan counts as the largest.

Gradients go back to the places that the values came from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Axis, Named
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.cumulative import along
from gpunn.ops.elementwise import wide
from gpunn.ops.order import (
    Chosen,
    as_rows,
    few_of,
    last_axis,
    length_of,
    one_taken,
    order_of,
    part_of,
    recorded_places,
    taken,
)
from gpunn.ops.out import with_out
from gpunn.scalars import as_int

Pair = tuple[Array, Array]


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
    axis = last_axis("sort", a, dim, alias)
    return taken("sort", x, a, order_of(a, axis, descending), axis)


@with_out
def argsort(
    x: A, dim: Axis = None, descending: bool = False, stable: bool = True, *, out: Array | None = None, **alias: Named
) -> A:
    """The indices of sort. Without a gradient.

    >>> ops.argsort([3.0, 1.0, 2.0], descending=True)
    array([0, 2, 1])
    """
    a = data_of(x)
    return recorded_places("argsort", x, order_of(a, last_axis("argsort", a, dim, alias), descending).reshape(a.shape))


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
    axis, k = last_axis("topk", a, dim, alias), as_int("topk", "k", k)
    if not 0 <= k <= length_of(a, axis):
        raise ValueError(f"topk: k is {k}, expected 0 to {length_of(a, axis)} (x {a.shape}, dim {axis}); lower k")
    few = isinstance(a, np.ndarray) and a.ndim > 0 and 0 < k < length_of(a, axis) // 8
    order = few_of(a, axis, largest, k) if few else None
    order = part_of(order_of(a, axis, largest), axis, slice(0, k)) if order is None else order
    return taken("topk", x, a, order, axis)


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
    axis, k = last_axis("kthvalue", a, dim, alias), as_int("kthvalue", "k", k)
    if not 1 <= k <= length_of(a, axis):
        raise ValueError(
            f"kthvalue: k is {k}, expected 1 to {length_of(a, axis)} (x {a.shape}, dim {axis}); pass another k"
        )
    return one_taken("kthvalue", x, a, part_of(order_of(a, axis, False), axis, slice(k - 1, k)), axis, keepdim)


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
    if not length_of(a, axis):
        raise ValueError(f"median: got shape {a.shape} and dim {axis}, expected at least one element to choose from")
    order = order_of(a, axis, False)
    middle = part_of(order, axis, slice((length_of(a, axis) - 1) // 2, (length_of(a, axis) - 1) // 2 + 1))
    if a.dtype.kind in "fV":  # the first nan comes before all
        xp, strange = array_module(a), as_rows(wide(a)) != as_rows(wide(a))
        first = strange.argmax(axis).reshape(middle.shape)
        middle = xp.where(strange.any(axis=axis, keepdims=True), first, middle)
    return one_taken("median", x, a, middle, axis, keepdim)


def _median_of_all(x: A, a: Array) -> A:
    xp, flat = array_module(a), a.reshape(-1)
    if a.size:
        middle = (a.size - 1) // 2
        y = xp.partition(wide(flat), middle)[middle].reshape(()).astype(a.dtype)
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
    axis, xp = last_axis("mode", a, dim, alias), array_module(a)
    if not length_of(a, axis):
        raise ValueError(f"mode: got shape {a.shape} and dim {axis}, expected at least one element to choose from")
    order = order_of(a, axis, False)
    values = xp.take_along_axis(as_rows(wide(a)), order, axis)
    places = xp.arange(values.shape[axis]).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    rest = (slice(None),) * axis
    begins = xp.ones(values.shape, dtype=bool)
    begins[(*rest, slice(1, None))] = values[(*rest, slice(1, None))] != values[(*rest, slice(None, -1))]
    start, step = xp.where(begins, places, 0), 1
    while step < values.shape[axis]:  # the largest so far, over twice as many each time
        ahead = xp.maximum(start[(*rest, slice(step, None))], start[(*rest, slice(None, -step))])
        start, step = xp.concatenate([start[(*rest, slice(None, step))], ahead], axis), 2 * step
    best = (places - start).argmax(axis).reshape([1 if i == axis else n for i, n in enumerate(values.shape)])
    return one_taken("mode", x, a, xp.take_along_axis(order, best, axis), axis, keepdim)
