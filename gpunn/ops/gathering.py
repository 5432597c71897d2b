"""Elements picked by index or by mask: PyTorch's gather and its kin. Gradients add up in the order of the elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, capture, device_of, to_device
from gpunn.backend.contract import Shape
from gpunn.checks import check_same_device
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record, record_all
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.broadcast import unbroadcast
from gpunn.ops.indexing import getitem
from gpunn.ops.out import with_out
from gpunn.ops.places import check_inside, grid, places, vector
from gpunn.ops.shape import broadcast_to, dim_of, reshape


@with_out
def gather(x: A, dim: int, index: Operand, *, out: Array | None = None) -> A:
    """Of each line of x along ``dim`` the places that index names: y[i, j] = x[index[i, j], j] for dim 0 of a matrix.

    Args:
        x: any shape.
        dim: the dimension that the places count.
        index: integers of x's rank; along the other dimensions as long as x, or shorter.

    Raises:
        IndexError: a place outside of x; of a GPU's index alone places wrap around, unseen.
        ValueError: an index of another rank, or longer than x.

    Examples:
        >>> ops.gather([[1.0, 2.0], [3.0, 4.0]], 1, np.array([[0, 0], [1, 0]]))
        array([[1., 1.],
               [4., 3.]], dtype=float32)
    """
    a, at = data_of(x), dim_of("gather", data_of(x), dim)
    i = places("gather", a, index, at)
    check_inside("gather", a, i, at)
    if not a.ndim or not i.ndim or not i.size:
        return reshape(getitem(reshape(x, (-1,)), i.reshape(-1)), i.shape)
    return getitem(x, grid(a, i, at))


@with_out
def take_along_dim(x: A, indices: Operand, dim: int | None = None, *, out: Array | None = None) -> A:
    """``gather`` of x and indices that are repeated along each other's dimensions of 1; without dim, of flat ones.

    >>> ops.take_along_dim(np.array([[3.0, 1.0], [5.0, 7.0]]), np.array([[1], [0]]), 1)
    array([[1.],
           [5.]])
    """
    if dim is None:
        return take_along_dim(reshape(x, (-1,)), reshape(indices, (-1,)), 0)
    a = data_of(x)
    at = dim_of("take_along_dim", a, dim)
    if not a.ndim:
        raise ValueError(f"take_along_dim: dim is {dim} but x has no dimensions, expected one at least; leave dim out")
    i = places("take_along_dim", a, indices, at, least=-a.shape[at])
    others = [n.shape[:at] + n.shape[at + 1 :] for n in (a, i)]
    try:
        assert a.ndim == i.ndim
        shape = np.broadcast_shapes(*others)
    except (AssertionError, ValueError):
        raise ValueError(
            f"take_along_dim: indices {i.shape} and x {a.shape} do not fit; expected one rank, and sizes that are "
            f"equal or 1 except along dim {dim}"
        ) from None
    xp = array_module(a)
    i = xp.broadcast_to(i, (*shape[:at], i.shape[at], *shape[at:]))
    return getitem(broadcast_to(x, (*shape[:at], a.shape[at], *shape[at:])), grid(a, i, at))


@with_out
def take(x: A, index: Operand, *, out: Array | None = None) -> A:
    """The elements of flat x at the places of index, in its shape; negative ones count from the end.

    >>> ops.take([[1.0, 2.0], [3.0, 4.0]], np.array([-1, 0]))
    array([4., 1.], dtype=float32)
    """
    flat = reshape(x, (-1,))
    a, i = data_of(flat), data_of(index)
    i = places("take", a, i, 0, least=-a.size)
    return reshape(getitem(flat, i.reshape(-1)), i.shape)


@with_out
def index_select(x: A, dim: int, index: Operand, *, out: Array | None = None) -> A:
    """The places of ``dim`` that index (M,) names, in its order.

    >>> ops.index_select([[1.0, 2.0], [3.0, 4.0]], 1, np.array([1, 1, 0]))
    array([[2., 2., 1.],
           [4., 4., 3.]], dtype=float32)
    """
    a, at = data_of(x), dim_of("index_select", data_of(x), dim)
    i = vector("index_select", a, index, at)
    if not a.ndim:
        return reshape(getitem(reshape(x, (1,)), i), ())
    return getitem(x, (slice(None),) * at + (i,) if at else i)


@with_out
def index_fill(x: A, dim: int, index: Operand, value: Value, *, out: Array | None = None) -> A:
    """x with ``value``, one number, at the places of ``dim`` that index (M,) names.

    >>> ops.index_fill(np.ones((2, 3)), 1, np.array([0, 2]), -1.0)
    array([[-1.,  1., -1.],
           [-1.,  1., -1.]])
    """
    a, at = data_of(x), dim_of("index_fill", data_of(x), dim)
    i = vector("index_fill", a, index, at)
    mask = array_module(a).zeros_like(a, shape=(a.shape[at] if a.ndim else 1,), dtype=bool)
    mask[i] = True
    return _filled("index_fill", x, a, mask.reshape([-1 if d == at else 1 for d in range(a.ndim)] or ()), value)


@with_out
def masked_fill(x: A, mask: Operand, value: Value, *, out: Array | None = None) -> A:
    """x with ``value``, one number, where the mask is true; the two are repeated along each other's dimensions of 1.

    Raises:
        TypeError: a mask that is not of bool.
        ValueError: several values, one that x's dtype cannot hold, or shapes that do not broadcast.

    Examples:
        >>> ops.masked_fill([1.0, 2.0, 3.0], [False, True, False], -np.inf)
        array([  1., -inf,   3.], dtype=float32)
    """
    a, m, _ = _masked("masked_fill", x, mask)
    return _filled("masked_fill", x, a, m, value)


def _filled(name: str, x: A, a: Array, mask: Array, value: Value) -> A:
    """x with one value of its dtype where the mask is true."""
    v = data_of(value)
    if v.dtype.kind not in "fiubV":
        raise TypeError(f"{name}: value is {v.dtype}, expected a real number; take its .real")
    if v.ndim:
        raise ValueError(f"{name}: value is {v.shape}, expected one number; of several take ops.where(mask, values, x)")
    with np.errstate(all="ignore"):
        cast = v.astype(a.dtype)
    if not isinstance(value, Tensor) and type(v) is np.ndarray and v.dtype.kind in "iuf" and a.dtype.kind != "b":
        fits = np.isfinite(cast.astype(np.float64)) if a.dtype.kind in "fV" else abs(float(v) - float(cast)) < 1
        if (np.isfinite(float(v)) and not fits) or (a.dtype.kind in "iu" and not np.isfinite(float(v))):
            raise ValueError(f"{name}: value is {v.item()}, which {a.dtype} cannot hold; expected one that it can")
    cast = to_device(cast, device_of(a))
    xp, before = array_module(a), a.shape
    y = xp.where(mask, cast, a).astype(a.dtype, copy=False)

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        gx = unbroadcast(xp.where(mask, 0, gy).astype(gy.dtype, copy=False), before) if needs[0] else None
        gv = unbroadcast(xp.where(mask, gy, 0).astype(gy.dtype, copy=False), ()) if needs[1] else None
        return gx, gv

    return record(name, y, (x, value), backward)


@with_out
def masked_select(x: A, mask: Operand, *, out: Array | None = None) -> A:
    """The elements of x where the mask is true, as a vector; the two are repeated along each other's dimensions of 1.

    >>> ops.masked_select([1.0, 2.0, 3.0], [True, False, True])
    array([1., 3.], dtype=float32)
    """
    _, m, shape = _masked("masked_select", x, mask)
    return getitem(broadcast_to(x, shape), broadcast_to(m, shape))


def _masked(name: str, x: object, mask: object) -> tuple[Array, Array, Shape]:
    """x and the mask as arrays, and the shape that they have together."""
    a, m = data_of(x), data_of(mask)
    check_same_device(name, a, m, "x", "the mask")
    if m.dtype.kind != "b":
        raise TypeError(f"{name}: mask is {m.dtype}, expected bool; compare first, for example x > 0")
    try:
        return a, m, np.broadcast_shapes(a.shape, m.shape)
    except ValueError:
        raise ValueError(
            f"{name}: the mask {m.shape} and x {a.shape} do not broadcast; expected equal sizes, or 1, counted from "
            "the last dimension: reshape one of them"
        ) from None


@with_out
def nonzero(x: Operand, *, as_tuple: bool = False, out: Array | None = None) -> Any:
    """int64 (M, rank): the places of x that are not zero, one a row; with as_tuple one vector (M,) a dimension.

    How many there are the host has to know: on a GPU it waits.

    >>> ops.nonzero(np.array([[1, 0], [0, 2]]))
    array([[0, 0],
           [1, 1]])
    >>> ops.nonzero(np.array([0, 3]), as_tuple=True)
    (array([1]),)
    """
    a = data_of(x)
    capture.refuse("nonzero: how many there are only the device knows; use where with three arguments")
    xp = array_module(a)
    if as_tuple:
        return record_all("nonzero", xp.nonzero(a if a.ndim else a.reshape(1)), (x,), lambda gys, needs: (None,))
    return record("nonzero", xp.argwhere(a).astype(np.int64, copy=False), (x,), lambda gy, needs: (None,))


@with_out
def argwhere(x: Operand, *, out: Array | None = None) -> Any:
    """int64 (M, rank): the places of x that are not zero, one a row.

    >>> ops.argwhere(np.array([0, 3, 1])).tolist()
    [[1], [2]]
    """
    return nonzero(x)
