"""Ops that see memory otherwise and copy nothing: parts of a dimension, dimensions in other places, windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.indexing import getitem
from gpunn.ops.shape import axis_of, broadcast_to, dim_of, permute, reshape, transpose
from gpunn.scalars import as_int

Dims: TypeAlias = int | Sequence[int]


def expand(x: A, sizes: Sequence[int]) -> A:
    """x repeated, without a copy, to larger sizes; -1 keeps one, and more dimensions may come in front.

    >>> ops.expand(np.ones((2, 1)), (3, -1, 4)).shape
    (3, 2, 4)
    """
    a = data_of(x)
    sizes = tuple([as_int("expand", "a size", n) for n in (sizes if isinstance(sizes, Iterable) else (sizes,))])
    new = len(sizes) - a.ndim
    if new < 0 or any([n < -1 for n in sizes]) or -1 in sizes[:new]:
        raise ValueError(
            f"expand: got sizes {sizes} for shape {a.shape}; expected at least {a.ndim} of them, -1 for one of x's "
            "that stays"
        )
    wanted = tuple([a.shape[i - new] if n == -1 else n for i, n in enumerate(sizes)])
    if wanted == a.shape:
        return getitem(x, ...)
    if any([own not in (1, n) for own, n in zip(a.shape, wanted[new:], strict=True)]):
        raise ValueError(f"expand: shape {a.shape} does not expand to {wanted}; expected each size equal, or 1 in x")
    return broadcast_to(x, wanted)


def narrow(x: A, dim: int, start: int, length: int) -> A:
    """The ``length`` places from ``start`` on along a dimension; a negative start counts from its end.

    >>> ops.narrow([1.0, 2.0, 3.0], 0, 1, 2)
    array([2., 3.], dtype=float32)
    """
    a = data_of(x)
    at, n = axis_of("narrow", a, dim)
    start, length = as_int("narrow", "start", start), as_int("narrow", "length", length)
    first = start + n if start < 0 else start
    if not 0 <= first <= n or not 0 <= length <= n - first:
        raise IndexError(
            f"narrow: start {start} and length {length} reach out of dimension {dim} of shape {a.shape}; expected a "
            f"part of its {n}"
        )
    return getitem(x, (slice(None),) * at + (slice(first, first + length),))


def select(x: A, dim: int, index: int) -> A:
    """The place ``index`` of a dimension, which goes.

    >>> ops.select([[1.0, 2.0], [3.0, 4.0]], 1, -1)
    array([2., 4.], dtype=float32)
    """
    a = data_of(x)
    at, n = axis_of("select", a, dim)
    index = as_int("select", "index", index)
    if not -n <= index < n:
        raise IndexError(
            f"select: index {index} lies outside dimension {dim} of shape {a.shape}; expected {-n} to {n - 1}"
        )
    return getitem(x, (slice(None),) * at + (index,))


def movedim(x: A, source: Dims, destination: Dims) -> A:
    """The dimensions ``source`` at the places ``destination``, the others in their order.

    >>> ops.movedim(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    a = data_of(x)
    pairs = [tuple(given) if isinstance(given, Iterable) else (given,) for given in (source, destination)]
    come, go = [[dim_of("movedim", a, d) for d in dims] for dims in pairs]
    if len(come) != len(go) or len(set(come)) < len(come) or len(set(go)) < len(go):
        raise ValueError(
            f"movedim: got source {source} and destination {destination}; expected as many of either, none "
            "of them twice"
        )
    rest = iter([d for d in range(a.ndim) if d not in come])
    order = [come[go.index(place)] if place in go else next(rest) for place in range(a.ndim)]
    return permute(x, order)


moveaxis = movedim


def swapaxes(x: A, axis0: int, axis1: int) -> A:
    """Two dimensions swapped.

    >>> ops.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    return transpose(x, axis0, axis1)


def swapdims(x: A, dim0: int, dim1: int) -> A:
    """Two dimensions swapped.

    >>> ops.swapdims(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    return transpose(x, dim0, dim1)


def t(x: A) -> A:
    """A matrix's dimensions swapped; a vector or a number as it is.

    >>> ops.t(np.ones((2, 3))).shape
    (3, 2)
    """
    a = data_of(x)
    if a.ndim > 2:
        raise ValueError(f"t: x is {a.shape}, expected two dimensions at most; swap two with transpose, or use x.mT")
    return permute(x, range(a.ndim)[::-1])


def unflatten(x: A, dim: int, sizes: Sequence[int]) -> A:
    """A dimension as several, whose sizes multiply to its own; one may be -1.

    >>> ops.unflatten(np.ones((2, 6)), 1, (-1, 3)).shape
    (2, 2, 3)
    """
    a = data_of(x)
    at, n = axis_of("unflatten", a, dim)
    parts = [as_int("unflatten", "a size", s) for s in (sizes if isinstance(sizes, Iterable) else (sizes,))]
    known = int(np.prod([s for s in parts if s != -1], dtype=object))
    if parts.count(-1) == 1 and known > 0 and n % known == 0:
        parts[parts.index(-1)] = n // known
    if not parts or min(parts) < 0 or int(np.prod(parts, dtype=object)) != n:
        raise ValueError(
            f"unflatten: sizes {tuple(sizes)} do not make up dimension {dim} of shape {a.shape}; expected a product of "
            f"{n}, at most one of them -1"
        )
    return reshape(x, (*a.shape[:at], *parts, *a.shape[at + 1 :]))


def diagonal(x: A, offset: int = 0, dim1: int = 0, dim2: int = 1) -> A:
    """The elements whose places in dim2 and dim1 differ by ``offset``, as a last dimension in place of the two.

    >>> ops.diagonal(np.arange(6.0).reshape(2, 3), 1)
    array([1., 5.])
    """
    a, offset = data_of(x), as_int("diagonal", "offset", offset)
    first, second = two_dims("diagonal", a, dim1, dim2)
    shape = a.shape

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        gx = array_module(gy).zeros_like(gy, shape=shape)
        diagonal_of(gx, offset, first, second)[...] = gy
        return (gx,)

    return record("diagonal", diagonal_of(a, offset, first, second), (x,), backward)


def two_dims(name: str, a: Array, dim1: int, dim2: int) -> tuple[int, int]:
    """Two different dimensions of an array, counted from the front."""
    if a.ndim < 2:
        raise ValueError(f"{name}: x is {a.shape}, expected two dimensions at least; reshape it")
    first, second = dim_of(name, a, dim1), dim_of(name, a, dim2)
    if first == second:
        raise ValueError(f"{name}: dim1 is {dim1} and dim2 {dim2}, expected two different ones of shape {a.shape}")
    return first, second


def diagonal_of(a: Array, offset: int, dim1: int, dim2: int) -> Array:
    """A diagonal as a view that can be written to, which NumPy's own is not."""
    row, column = max(-offset, 0), max(offset, 0)
    length = max(min(a.shape[dim1] - row, a.shape[dim2] - column), 0)
    from_there = tuple([slice(row if d == dim1 else column if d == dim2 else 0, None) for d in range(a.ndim)])
    rest = [d for d in range(a.ndim) if d not in (dim1, dim2)]
    shape, strides = [a.shape[d] for d in rest], [a.strides[d] for d in rest]
    step = a.strides[dim1] + a.strides[dim2]
    return strided(a[from_there], (*shape, length), (*strides, step))


def strided(a: Array, shape: Shape, strides: Shape) -> Array:
    """a's memory in other steps."""
    return array_module(a).lib.stride_tricks.as_strided(a, shape, strides)


def windows_along(x: A, dim: int, size: int, step: int) -> A:
    """Windows of ``size`` places every ``step`` along a dimension, their places a new last dimension: Tensor.unfold.

    >>> ops.windows_along(np.arange(5.0), 0, 3, 2)
    array([[0., 1., 2.],
           [2., 3., 4.]])
    """
    a = data_of(x)
    at, n = dim_of("unfold", a, dim), a.shape[dim] if a.ndim else 1
    size, step = as_int("unfold", "size", size), as_int("unfold", "step", step)
    if not 0 <= size <= n:
        raise ValueError(f"unfold: size is {size}, expected 0 to {n}, dimension {dim} of shape {a.shape}")
    if step < 1:
        raise ValueError(f"unfold: step is {step}, expected at least 1")
    if not a.ndim:
        return reshape(x, (1,)) if size else getitem(reshape(x, (1,)), slice(0))
    count, before = (n - size) // step + 1, a.shape
    strides = (*a.strides[:at], a.strides[at] * step, *a.strides[at + 1 :], a.strides[at])
    shape = (*a.shape[:at], count, *a.shape[at + 1 :], size)
    return record("unfold", strided(a, shape, strides), (x,), lambda gy, needs: (_folded(gy, before, at, step),))


def _folded(gy: Array, shape: Shape, at: int, step: int) -> Array:
    """Windows added up where they lie: place by place of the window, so that the order of sums is fixed."""
    gx = array_module(gy).zeros_like(gy, shape=shape, dtype=np.float32 if gy.dtype.itemsize == 2 else gy.dtype)
    *_, size = gy.shape
    for k in range(size):
        where = (slice(None),) * at + (slice(k, k + (gy.shape[at] - 1) * step + 1, step),)
        gx[where] += gy[..., k]
    return gx.astype(gy.dtype, copy=False)
