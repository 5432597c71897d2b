"""The order of values along an axis, what is taken by it, and its gradient: what sort and its kin share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import Axis
from gpunn.engine.record import record
from gpunn.ops.cumulative import along
from gpunn.ops.elementwise import wide
from gpunn.ops.reduce import Alias


class Chosen(NamedTuple):
    """Values, and the int64 places along the axis that they came from."""

    values: Any
    indices: Any


def last_axis(name: str, a: Array, dim: Axis, alias: Alias) -> int:
    """The axis that is meant, the last by default."""
    return along(name, a, -1 if dim is None and "axis" not in alias else dim, alias)


def as_rows(a: Array) -> Array:
    """An array that has an axis: a number counts as one, as in PyTorch."""
    return a.reshape(a.shape or (1,))


def length_of(a: Array, axis: int) -> int:
    """How many elements there are along an axis."""
    return a.shape[axis] if a.ndim else 1


def order_of(a: Array, axis: int, descending: bool) -> Array:
    """Where the values in order come from along an axis: int64, ties in the order in which they are."""
    rows = as_rows(wide(a))
    rows = rows.astype(np.uint8) if rows.dtype.kind == "b" else rows
    if not descending:
        return array_module(a).argsort(rows, axis=axis, kind="stable")
    turned = (slice(None),) * axis + (slice(None, None, -1),)
    return rows.shape[axis] - 1 - array_module(a).argsort(rows[turned], axis=axis, kind="stable")[turned]


def few_of(a: np.ndarray, axis: int, largest: bool, k: int) -> np.ndarray | None:
    """The first k of order_of, without sorting the others: 5 of 1000 in a tenth of the time. None beside nan."""
    rows = np.moveaxis(wide(a), axis, -1)
    if rows.dtype.kind == "b" or (rows.dtype.kind == "f" and np.isnan(rows).any()):
        return None
    if rows.dtype.kind == "f" and k <= 8:
        places = _one_by_one(rows, largest, k)
        if places is not None:
            return np.moveaxis(places, -1, axis)
    n = rows.shape[-1]
    last = np.partition(rows, n - k if largest else k - 1, -1)[..., n - k if largest else k - 1, None]
    chosen = rows >= last if largest else rows <= last
    if np.count_nonzero(chosen) > last.size * k:  # of equal ones the first
        better, equal = rows > last if largest else rows < last, rows == last
        chosen = better | (equal & (equal.cumsum(-1) <= k - better.sum(-1, keepdims=True)))
    places = (np.flatnonzero(chosen) % n).reshape(*rows.shape[:-1], k)
    order = order_of(np.take_along_axis(rows, places, -1), rows.ndim - 1, largest)
    return np.moveaxis(np.take_along_axis(places, order, -1), -1, axis)


def _one_by_one(rows: np.ndarray, largest: bool, k: int) -> np.ndarray | None:
    """The places of the k best of each row, the first of equal ones; None beside infinities, which stand for "taken".

    argmax takes a twentieth of partition's time.
    """
    left = rows.copy() if k > 1 else rows
    taken = -np.inf if largest else np.inf
    found = []
    for i in range(k):
        if i:
            np.put_along_axis(left, found[-1], taken, -1)
        found.append((left.argmax if largest else left.argmin)(-1, keepdims=True))
    if k > 1 and (np.take_along_axis(left, found[-1], -1) == taken).any():  # perhaps for the second time
        return None
    return np.concatenate(found, -1)


def part_of(order: Array, axis: int, part: slice) -> Array:
    """The places of an order along its axis that a slice names."""
    return order[(slice(None),) * axis + (part,)]


def recorded_places(name: str, x: object, indices: Array) -> Any:
    """Indices as x came: a Tensor or an array."""
    return record(name, indices, (x,), lambda gy, needs: (None,))


def taken(name: str, x: Any, a: Array, indices: Array, axis: int, shape: Shape | None = None) -> Chosen:
    """The values at these places along an axis, recorded; in another shape where one is given."""
    xp, rows = array_module(a), as_rows(a)
    indices = indices if indices.flags.c_contiguous else indices.copy(order="C")
    y = xp.take_along_axis(rows, indices, axis)
    shape = (y.shape if a.ndim else y.shape[1:] if y.shape == (1,) else y.shape) if shape is None else shape

    before, whole, part = a.shape, rows.shape, y.shape  # not a itself, which a step may change before the backward pass

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = xp.zeros_like(gy, shape=whole)
        grid = [xp.arange(n).reshape([-1 if i == j else 1 for j in range(len(whole))]) for i, n in enumerate(part)]
        gx[tuple([indices if i == axis else places for i, places in enumerate(grid)])] = gy.reshape(part)
        return (gx.reshape(before),)

    return Chosen(record(name, y.reshape(shape), (x,), backward), recorded_places(name, x, indices.reshape(shape)))


def one_taken(name: str, x: Any, a: Array, index: Array, axis: int, keepdim: bool) -> Chosen:
    """The value at one place along an axis, which stays as 1 or goes."""
    if not a.ndim:
        return taken(name, x, a, index, axis, ())
    shape = tuple([1 if i == axis else n for i, n in enumerate(a.shape) if keepdim or i != axis])
    return taken(name, x, a, index, axis, shape)
