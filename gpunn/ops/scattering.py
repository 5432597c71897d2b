"""Values placed by index, or added there: PyTorch's scatter and its kin, the same on every device and in every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, asarray, device_of, twins
from gpunn.checks import check_same_device
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import applied
from gpunn.ops.out import with_out
from gpunn.ops.places import arange, check_inside, grid, places, vector
from gpunn.ops.precision import rounded
from gpunn.ops.reduce import wide
from gpunn.ops.shape import dim_of, reshape


@with_out
def scatter(
    x: A,
    dim: int,
    index: Operand,
    src: Value | None = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
    out: Array | None = None,
) -> A:
    """x with src's elements at the places that index names: y[index[i, j], j] = src[i, j] for dim 0 of a matrix.

    Where several go to one place the last of them stays, and has the gradient.

    Args:
        x: any shape.
        dim: the dimension that the places count.
        index: integers of x's rank, no longer than src.
        src: an array of x's dtype, or one number.
        value: the number, by PyTorch's other name.
        reduce: "add" for what scatter_add does.

    Raises:
        IndexError: a place outside of x; of a GPU's index alone it is not seen.
        TypeError: src is of another dtype.
        ValueError: an index of another rank, or longer than x or src.

    Examples:
        >>> ops.scatter(np.zeros((2, 3)), 1, np.array([[2], [0]]), np.array([[5.0], [7.0]]))
        array([[0., 0., 5.],
               [7., 0., 0.]])
    """
    given = value if src is None else src
    if given is None or (src is not None and value is not None):
        raise TypeError("scatter: expected either src or value; pass one of them")
    if reduce not in (None, "add"):
        raise ValueError(
            f"scatter: reduce is {reduce!r}, expected None or 'add'; of other sums take index_add or loops"
        )
    if reduce == "add":
        return scatter_add(x, dim, index, given)
    a, at, i, s = _given("scatter", x, dim, index, given)
    if not a.ndim:
        return reshape(scatter(reshape(x, (1,)), 0, i.reshape(-1), _flat(given)), ())
    return _placed("scatter", x, a, i, at, given, s)


def _placed(name: str, x: A, a: Array, i: Array, at: int, src: Value, s: Array) -> A:
    """The last of several at one place: the largest of their numbers, which no order of threads changes."""
    xp, part = array_module(a), tuple([slice(n) for n in i.shape])
    keys, numbers = _keys(a, i, at), arange(i.size, a)
    last = xp.zeros_like(a, shape=(a.size,), dtype=np.uint64)  # a type that a GPU takes the largest of
    xp.maximum.at(last, keys, (numbers + 1).astype(np.uint64))
    last = last.astype(np.int64) - 1
    taken, of_src = (last >= 0).reshape(a.shape), s.shape
    y = xp.where(taken, s[part].reshape(-1)[last].reshape(a.shape), a) if i.size else a.copy()

    def backward(gy: Array, needs: Needs) -> Gradients:
        gs = None
        if needs[1]:
            gs = xp.zeros_like(gy, shape=of_src)
            gs[part] = xp.where(last[keys] == numbers, gy.reshape(-1)[keys], 0).reshape(i.shape)
        return xp.where(taken, 0, gy).astype(gy.dtype, copy=False) if needs[0] else None, gs

    return record(name, y.astype(a.dtype, copy=False), (x, src), backward)


@with_out
def scatter_add(x: A, dim: int, index: Operand, src: Value, *, out: Array | None = None) -> A:
    """x with src's elements added at the places that index names, in their order.

    >>> ops.scatter_add(np.zeros(3), 0, np.array([2, 0, 2]), np.array([1.0, 2.0, 3.0]))
    array([2., 0., 4.])
    """
    a, at, i, s = _given("scatter_add", x, dim, index, src)
    if not a.ndim:
        return reshape(scatter_add(reshape(x, (1,)), 0, i.reshape(-1), _flat(src)), ())
    where, part, of_src = grid(a, i, at), tuple([slice(n) for n in i.shape]), s.shape

    def back(gy: Array) -> Array:
        if of_src == i.shape:
            return gy[where]
        gs = array_module(gy).zeros_like(gy, shape=of_src)
        gs[part] = gy[where]
        return gs

    return _added("scatter_add", x, a, src, s[part], where, back)


@with_out
def index_add(x: A, dim: int, index: Operand, source: Operand, *, alpha: float = 1, out: Array | None = None) -> A:
    """x with source, times alpha, added at the places of ``dim`` that index (M,) names, in their order.

    >>> ops.index_add(np.zeros((2, 2)), 0, np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]), alpha=10)
    array([[ 0.,  0.],
           [40., 60.]])
    """
    a, at, i, s = _along("index_add", x, dim, index, source)
    if alpha != 1:
        factor = np.asarray(alpha).astype(a.dtype).item() if a.dtype.kind != "V" else alpha
        scaled = applied("multiply", wide(s) if a.dtype.kind in "fV" else s, factor)
    else:
        factor, scaled = 1, s
    if not a.ndim:
        return reshape(index_add(reshape(x, (1,)), 0, i, reshape(source, (-1,)), alpha=alpha), ())
    where = (slice(None),) * at + (i,)

    def back(gy: Array) -> Array:
        return gy[where] if factor == 1 else applied("multiply", gy[where], factor)

    return _added("index_add", x, a, source, scaled, where, back)


@with_out
def index_copy(x: A, dim: int, index: Operand, source: Operand, *, out: Array | None = None) -> A:
    """x with source at the places of ``dim`` that index (M,) names; of several at one place the last stays.

    >>> ops.index_copy(np.zeros((2, 2)), 0, np.array([1]), np.array([[1.0, 2.0]]))
    array([[0., 0.],
           [1., 2.]])
    """
    a, at, i, s = _along("index_copy", x, dim, index, source)
    if not a.ndim:
        return reshape(scatter(reshape(x, (1,)), 0, i, reshape(source, (-1,))), ())
    lines = array_module(a).broadcast_to(i.reshape([-1 if d == at else 1 for d in range(a.ndim)]), s.shape)
    return _placed("index_copy", x, a, lines, at, source, s)


# What they have in common


def _given(name: str, x: object, dim: int, index: object, src: object) -> tuple[Array, int, Array, Array]:
    """x, the dimension, the index and src as arrays that fit together."""
    a, at = data_of(x), dim_of(name, data_of(x), dim)
    i = places(name, a, index, at)
    check_inside(name, a, i, at)
    if isinstance(src, int | float):
        return a, at, i, array_module(a).broadcast_to(asarray(src, a.dtype, device_of(a)), i.shape)
    s = _source(name, a, src)
    if i.size and (max(s.ndim, 1) != max(i.ndim, 1) or any([m > n for m, n in zip(i.shape, s.shape, strict=False)])):
        raise ValueError(f"{name}: index is {i.shape} and src {s.shape}; expected no index longer than src; cut it")
    return a, at, i, s


def _along(name: str, x: object, dim: int, index: object, source: object) -> tuple[Array, int, Array, Array]:
    """x, the dimension, the vector of places and the source as arrays that fit together."""
    a, at = data_of(x), dim_of(name, data_of(x), dim)
    i, s = vector(name, a, index, at), _source(name, a, source)
    wanted = (*a.shape[:at], i.size, *a.shape[at + 1 :]) if a.ndim else (1,)
    if (s.shape or (1,)) != wanted or (not a.ndim and i.size != 1):
        raise ValueError(f"{name}: source is {s.shape}, expected {wanted}: x's shape, with the index along dim {dim}")
    return a, at, i, s


def _source(name: str, a: Array, source: object) -> Array:
    s = data_of(source)
    check_same_device(name, a, s, "x", "the source")
    if s.dtype != a.dtype:
        raise TypeError(f"{name}: x is {a.dtype} but the source {s.dtype}, expected one dtype; convert one of them")
    return s


def _flat(src: Any) -> Any:
    return src if isinstance(src, int | float) else reshape(src, (-1,))


def _keys(a: Array, index: Array, at: int) -> Array:
    """Where each element of the index lies in flat, row-major memory of a's shape."""
    steps = [int(np.prod(a.shape[d + 1 :], dtype=np.int64)) for d in range(a.ndim)]
    keys = sum([part.astype(np.int64, copy=False) * step for part, step in zip(grid(a, index, at), steps, strict=True)])
    return keys.reshape(-1)  # type: ignore[union-attr]


def _added(name: str, x: A, a: Array, source: object, s: Array, where: tuple, back: Callable[[Array], Array]) -> A:
    """x and the sums of what goes to each of its places."""
    if a.dtype.kind in "fV":
        sums = applied("add", wide(a), twins(s).indexing.add(wide(s), where, a.shape)) if s.size else a.copy()
        y = rounded(sums, a.dtype)
    else:  # whose sums are the same in any order; a GPU adds up 64 bits
        xp = array_module(a)
        total = a.astype(np.uint64)
        xp.add.at(total, where, s.astype(np.uint64))
        y = total.astype(a.dtype)
    return record(name, y, (x, source), lambda gy, needs: (gy if needs[0] else None, back(gy) if needs[1] else None))
