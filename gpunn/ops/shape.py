"""Ops that move elements and compute nothing: shape, order, joining."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import cached
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Axis
from gpunn.engine.tensor import data_of, record
from gpunn.ops.broadcast import operands, unbroadcast
from gpunn.ops.out import with_out
from gpunn.scalars import as_int


def reshape(x: A, shape: int | Sequence[int]) -> A:
    """The elements in logical (row-major) order in another shape; one size may be -1.

    >>> ops.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    a = data_of(x)
    sizes = shape if isinstance(shape, Iterable) else (shape,)
    wanted = tuple([as_int("reshape", "a size", n) for n in sizes])
    known = math.prod(n for n in wanted if n != -1)
    holes = wanted.count(-1)
    fits = (a.size == known) if holes == 0 else holes == 1 and known > 0 and a.size % known == 0
    if not fits or any(n < -1 for n in wanted):
        raise ValueError(
            f"reshape: {a.size} elements of shape {a.shape} do not fit {wanted}; expected sizes whose product is "
            f"{a.size}, at most one of them -1"
        )
    before = a.shape  # all that the closure keeps
    return record("reshape", _reshaped(a, wanted), (x,), lambda gy, needs: (_reshaped(gy, before),))


def _reshaped(a: Array, wanted: Shape) -> Array:
    """a.reshape(wanted), whose copies on a device are made by its twin."""
    if type(a) is not np.ndarray and not a.flags.c_contiguous and not _is_view(a.shape, a.strides, wanted):
        a = twins(a).elementwise.in_memory(a, tuple(range(a.ndim)))
    return a.reshape(wanted)


@cached
def _is_view(shape: Shape, strides: Shape, wanted: Shape) -> bool:
    """Whether memory has the other shape as it lies: where a jump ends an axis, one of the wanted ends too."""
    ends = set(accumulate(wanted, operator.mul))
    axes = [(n, stride) for n, stride in zip(shape, strides, strict=True) if n != 1]
    done = 1
    for (n, stride), (below, near) in pairwise([*axes, (1, 0)]):
        done *= n
        if stride != near * below and done not in ends:
            return False
    return True


def flatten(x: A, start_dim: int = 0, end_dim: int = -1) -> A:
    """Dimensions ``start_dim`` to ``end_dim`` joined to one; ``flatten(x, 1)`` keeps the batch.

    >>> ops.flatten(np.ones((2, 3, 4)), 1).shape
    (2, 12)
    """
    a = data_of(x)
    first, last = _dim("flatten", a, start_dim), _dim("flatten", a, end_dim)
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
    order = tuple([_dim("permute", a, d) for d in (dims if isinstance(dims, Iterable) else (dims,))])
    if sorted(order) != list(range(a.ndim)):
        raise ValueError(f"permute: got dims {order} for shape {a.shape}; expected each of 0 to {a.ndim - 1} once")
    inverse = tuple(int(i) for i in np.argsort(order))
    return record("permute", a.transpose(order), (x,), lambda gy, needs: (gy.transpose(inverse),))


def transpose(x: A, *axes: int | Sequence[int] | None) -> A:
    """Two dimensions swapped, or all in another order.

    ``transpose(x, 1, 2)`` swaps, PyTorch's way; ``transpose(x, (2, 0, 1))`` gives the whole order, NumPy's; with no
    axes all dimensions are reversed.

    >>> ops.transpose(np.ones((2, 3, 4)), 1, 2).shape
    (2, 4, 3)
    """
    a = data_of(x)
    if not axes or axes == (None,):
        return permute(x, range(a.ndim)[::-1])
    if len(axes) == 1:
        return permute(x, axes[0])  # pyright: ignore[reportArgumentType]: alone it is a sequence
    if len(axes) != 2:
        raise ValueError(f"transpose: got axes {axes}; expected two dimensions to swap, or all of them in one tuple")
    order = list(range(a.ndim))
    first, second = (_dim("transpose", a, d) for d in axes)  # pyright: ignore[reportArgumentType]: two are ints
    if order:  # a 0-d array counts as one axis, but has none to swap
        order[first], order[second] = second, first
    return permute(x, order)


def squeeze(x: A, axis: Axis = None) -> A:
    """Without the dimensions of size 1: all of them, or those of ``axis``.

    >>> ops.squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    a = data_of(x)
    named = range(a.ndim) if axis is None else axis if isinstance(axis, Iterable) else (axis,)
    drop = {d for d in (_dim("squeeze", a, d) for d in named) if a.shape[d : d + 1] == (1,)}
    return reshape(x, tuple(n for i, n in enumerate(a.shape) if i not in drop))


def unsqueeze(x: A, axis: int) -> A:
    """With a new dimension of size 1 at ``axis``.

    >>> ops.unsqueeze([1.0, 2.0], 1)
    array([[1.],
           [2.]], dtype=float32)
    """
    a, axis = data_of(x), as_int("unsqueeze", "axis", axis)
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


@with_out
def concatenate(xs: Iterable[A], axis: int = 0, *, out: Array | None = None) -> A:
    """Arrays joined along an existing dimension; the other sizes are equal.

    >>> ops.concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.], dtype=float32)
    """
    xs = _several("concatenate", xs)
    arrays = _to_join("concatenate", xs)
    if any(a.ndim == 0 for a in arrays):
        raise ValueError("concatenate: got an array without dimensions, expected at least one; join them with stack")
    at = _dim("concatenate", arrays[0], axis)
    others = {(*a.shape[:at], *a.shape[at + 1 :]) if a.ndim > at else a.shape for a in arrays}
    if len(others) > 1 or len({a.ndim for a in arrays}) > 1:
        raise ValueError(
            f"concatenate: got shapes {', '.join(str(a.shape) for a in arrays)}; expected equal sizes except along "
            f"axis {axis}"
        )
    lengths = [a.shape[at] for a in arrays]
    ends = np.cumsum(lengths)

    def backward(gy: Array, needs: Needs) -> Gradients:
        part = [slice(None)] * gy.ndim
        gradients = []
        for length, end, need in zip(lengths, ends, needs, strict=True):
            part[at] = slice(int(end) - length, int(end))
            gradients.append(gy[tuple(part)] if need else None)
        return tuple(gradients)

    return record("concatenate", _joined(arrays, at), xs, backward)


def _joined(arrays: list[Array], axis: int) -> Array:
    """The arrays joined, in the first one's memory order, which CuPy's own concatenate does not keep."""
    xp, first = array_module(arrays[0]), arrays[0]
    if xp is np or first.flags.c_contiguous:
        return xp.concatenate(arrays, axis=axis)
    shape = (*first.shape[:axis], sum(a.shape[axis] for a in arrays), *first.shape[axis + 1 :])
    return xp.concatenate(arrays, axis=axis, out=xp.empty_like(first, shape=shape))


@with_out
def stack(xs: Iterable[A], axis: int = 0, *, out: Array | None = None) -> A:
    """Arrays of one shape joined along a new dimension.

    >>> ops.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    xs = _several("stack", xs)
    arrays = _to_join("stack", xs)
    if len({a.shape for a in arrays}) > 1:
        raise ValueError(f"stack: got shapes {', '.join(str(a.shape) for a in arrays)}; expected equal shapes")
    return concatenate([unsqueeze(x, axis) for x in xs], axis)


def _several(op: str, xs: Iterable[A]) -> tuple[A, ...]:
    if not isinstance(xs, Iterable):
        raise TypeError(f"{op}: xs is a {type(xs).__name__}, expected arrays to join; pass a list of them")
    return tuple(xs)


def _to_join(name: str, xs: Sequence[object]) -> list[Array]:
    if not xs:
        raise ValueError(f"{name}: got no arrays, expected at least one")
    for i, x in enumerate(xs):
        if x is None:
            raise TypeError(f"{name}: xs[{i}] is None, expected an array; leave it out")
    arrays = [data_of(x) for x in xs]
    samples = operands(name, *(a[(slice(1),) * a.ndim].reshape(-1) for a in arrays))  # one device
    return [a.astype(sample.dtype, copy=False) for a, sample in zip(arrays, samples, strict=True)]


def _dim(name: str, a: Array, dim: int) -> int:
    """A dimension counted from either end, as an index from the front."""
    rank, dim = max(a.ndim, 1), as_int(name, "dimension", dim)
    if not -rank <= dim < rank:
        raise ValueError(f"{name}: dimension {dim} does not fit shape {a.shape}; expected {-rank} to {rank - 1}")
    return dim % rank
