"""Ops that change how elements are counted: shape and order."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import TypeVar
from weakref import ref

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import cached
from gpunn.engine.alias import stand_for_a_view
from gpunn.engine.operators import A, Axis
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.layout import order_of
from gpunn.ops.broadcast import unbroadcast
from gpunn.scalars import as_int

T = TypeVar("T")


def reshape(x: A, shape: int | Sequence[int]) -> A:
    """The elements in logical (row-major) order in another shape; one size may be -1.

    >>> ops.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    a = data_of(x)
    wanted, before = _fitting("reshape", a, shape), a.shape  # all that the closure keeps
    return _of(x, record("reshape", _reshaped(a, wanted), (x,), lambda gy, needs: (_reshaped(gy, before),)))


def view(x: A, shape: int | Sequence[int]) -> A:
    """The same memory in another shape; one size may be -1.

    Of a Tensor of three or more dimensions that lies in memory otherwise, as convolutions give images with channels
    last, a copy: PyTorch's own would be a view. While both live, neither can change in place.

    Raises:
        ValueError: the sizes do not fit, or the elements do not lie in memory as the shape would have them.

    >>> ops.view(np.ones((2, 6)), (3, -1)).shape
    (3, 4)
    """
    a = data_of(x)
    wanted, before = _fitting("view", a, shape), a.shape
    if _is_view(a.shape, a.strides, wanted):
        return _of(x, record("view", a.reshape(wanted), (x,), lambda gy, needs: (_reshaped(gy, before),)))
    if not isinstance(x, Tensor) or a.ndim < 3 or 0 in a.strides:
        steps = tuple([stride // a.itemsize for stride in a.strides])
        raise ValueError(
            f"view: x {a.shape} lies in memory in steps of {steps}, which cannot be seen as {wanted} without a copy; "
            "use reshape, or contiguous() first"
        )
    y = reshape(x, wanted)
    stand_for_a_view(x, y)
    return y


def _of(x: object, y: A) -> A:
    """y, which remembers that it is all of x in another form, where it shares its memory: they change together."""
    if isinstance(x, Tensor) and isinstance(y, Tensor) and y._alias is not None:
        y._origin = ref(x)
    return y


def _fitting(name: str, a: Array, shape: int | Sequence[int]) -> Shape:
    """The sizes that are asked for, the one of -1 found; ValueError where they do not fit."""
    sizes = shape if isinstance(shape, Iterable) else (shape,)
    wanted = tuple([as_int(name, "a size", n) for n in sizes])
    known = math.prod(n for n in wanted if n != -1)
    holes = wanted.count(-1)
    fits = (a.size == known) if holes == 0 else holes == 1 and known > 0 and a.size % known == 0
    if not fits or any(n < -1 for n in wanted):
        raise ValueError(
            f"{name}: {a.size} elements of shape {a.shape} do not fit {wanted}; expected sizes whose product is "
            f"{a.size}, at most one of them -1"
        )
    return tuple([a.size // known if n == -1 else n for n in wanted])


def _reshaped(a: Array, wanted: Shape) -> Array:
    """a.reshape(wanted), whose copies on a device are made by its twin."""
    if type(a) is not np.ndarray and not a.flags.c_contiguous and not _is_view(a.shape, a.strides, wanted):
        a = twins(a).elementwise.in_memory(a, tuple(range(a.ndim)))
    return a.reshape(wanted)


@cached
def _is_view(shape: Shape, strides: Shape, wanted: Shape) -> bool:
    """Whether memory has the other shape as it lies: where a jump ends an axis, one of the wanted ends too."""
    if 0 in shape:
        return True
    ends = set(accumulate(wanted, operator.mul))
    axes = [(n, stride) for n, stride in zip(shape, strides, strict=True) if n != 1]
    done = 1
    for (n, stride), (below, near) in pairwise([*axes, (1, 0)]):
        done *= n
        if stride != near * below and done not in ends:
            return False
    return True


def contiguous(x: A, memory_format: object = "contiguous_format") -> A:
    """The elements in memory row by row, or "channels_last", (N, H, W, C) in the shape (N, C, H, W): a copy where not.

    >>> ops.contiguous(np.ones((2, 3)).T).strides
    (16, 8)
    """
    a = data_of(x)
    order = order_of("contiguous", a.shape, memory_format)
    places = tuple([order.index(axis) for axis in range(a.ndim)])
    y = twins(a).elementwise.in_memory(a, order).transpose(places)
    return record("contiguous", y, (x,), lambda gy, needs: (gy,))


def flatten(x: A, start_dim: int = 0, end_dim: int = -1) -> A:
    """Dimensions ``start_dim`` to ``end_dim`` joined to one; ``flatten(x, 1)`` keeps the batch.

    >>> ops.flatten(np.ones((2, 3, 4)), 1).shape
    (2, 12)
    """
    a = data_of(x)
    first, last = dim_of("flatten", a, start_dim), dim_of("flatten", a, end_dim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} for shape {a.shape}; swap them")
    joined = math.prod(a.shape[first : last + 1])
    return reshape(x, (*a.shape[:first], joined, *a.shape[last + 1 :]) if a.ndim else (1,))


def permute(x: A, dims: Sequence[int]) -> A:
    """The dimensions in the order ``dims``, each named once.

    >>> ops.permute(np.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    a = data_of(x)
    order = tuple([dim_of("permute", a, d) for d in (dims if isinstance(dims, Iterable) else (dims,))])
    if sorted(order) != list(range(a.ndim)):
        raise ValueError(f"permute: got dims {order} for shape {a.shape}; expected each of 0 to {a.ndim - 1} once")
    inverse = tuple(int(i) for i in np.argsort(order))
    return record("permute", a.transpose(order), (x,), lambda gy, needs: (gy.transpose(inverse),))


def transpose(x: A, *axes: int | Sequence[int] | None, dim0: int | None = None, dim1: int | None = None) -> A:
    """Two dimensions swapped, or all in another order.

    ``transpose(x, 1, 2)``, or with ``dim0=1, dim1=2``, swaps, PyTorch's way; ``transpose(x, (2, 0, 1))`` gives the
    whole order, NumPy's; with no axes all dimensions are reversed.

    >>> ops.transpose(np.ones((2, 3, 4)), 1, 2).shape
    (2, 4, 3)
    """
    a = data_of(x)
    axes = (*axes, *[d for d in (dim0, dim1) if d is not None])
    if not axes or axes == (None,):
        return permute(x, range(a.ndim)[::-1])
    if len(axes) == 1:
        return permute(x, axes[0])  # pyright: ignore[reportArgumentType]: alone it is a sequence
    if len(axes) != 2:
        raise ValueError(f"transpose: got axes {axes}; expected two dimensions to swap, or all of them in one tuple")
    order = list(range(a.ndim))
    first, second = (dim_of("transpose", a, d) for d in axes)  # pyright: ignore[reportArgumentType]: two are ints
    if order:  # a 0-d array counts as one axis, but has none to swap
        order[first], order[second] = second, first
    return permute(x, order)


def squeeze(x: A, axis: Axis = None, *, dim: Axis = None) -> A:
    """Without the dimensions of size 1: all of them, or those of ``axis``, also called ``dim``.

    >>> ops.squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    a, axis = data_of(x), one_name("squeeze", axis, dim)
    named = range(a.ndim) if axis is None else axis if isinstance(axis, Iterable) else (axis,)
    drop = {d for d in (dim_of("squeeze", a, d) for d in named) if a.shape[d : d + 1] == (1,)}
    return reshape(x, tuple(n for i, n in enumerate(a.shape) if i not in drop))


def unsqueeze(x: A, axis: int | None = None, *, dim: int | None = None) -> A:
    """With a new dimension of size 1 at ``axis``, also called ``dim``.

    >>> ops.unsqueeze([1.0, 2.0], 1)
    array([[1.],
           [2.]], dtype=float32)
    """
    a, axis = data_of(x), as_int("unsqueeze", "axis", one_name("unsqueeze", axis, dim))
    if not -a.ndim - 1 <= axis <= a.ndim:
        raise ValueError(f"unsqueeze: axis {axis} does not fit shape {a.shape}; expected {-a.ndim - 1} to {a.ndim}")
    at = axis % (a.ndim + 1)
    return reshape(x, (*a.shape[:at], 1, *a.shape[at:]))


expand_dims = unsqueeze


def broadcast_to(x: A, shape: Sequence[int]) -> A:
    """x repeated, without a copy, to a larger shape.

    >>> ops.broadcast_to([1.0, 2.0], (2, 2))
    array([[1., 2.],
           [1., 2.]], dtype=float32)
    """
    a = data_of(x)
    try:
        fits = np.broadcast_shapes(a.shape, tuple(shape)) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"broadcast_to: shape {a.shape} does not broadcast to {tuple(shape)}; expected each size equal or 1, "
            "counted from the last dimension"
        )
    y, before = array_module(a).broadcast_to(a, tuple(shape)), a.shape
    return record("broadcast_to", y, (x,), lambda gy, needs: (unbroadcast(gy, before),))


def dim_of(name: str, a: Array, dim: int) -> int:
    """A dimension counted from either end, as an index from the front."""
    rank, dim = max(a.ndim, 1), as_int(name, "dimension", dim)
    if not -rank <= dim < rank:
        raise ValueError(f"{name}: dimension {dim} does not fit shape {a.shape}; expected {-rank} to {rank - 1}")
    return dim % rank


def axis_of(name: str, a: Array, dim: int) -> tuple[int, int]:
    """A dimension from the front and its size; refused where there is none."""
    if not a.ndim:
        raise ValueError(f"{name}: x has no dimensions, expected one at least; unsqueeze it")
    at = dim_of(name, a, dim)
    return at, a.shape[at]


def one_name(name: str, axis: T, dim: T) -> T:
    """The argument that NumPy calls axis and PyTorch dim."""
    if axis is not None and dim is not None:
        raise TypeError(f"{name}: got both axis {axis} and dim {dim}, two names of one argument; pass one")
    return dim if axis is None else axis
