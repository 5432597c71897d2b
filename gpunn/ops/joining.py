"""Arrays joined to one, and brought to one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.broadcast import operands
from gpunn.ops.out import with_out
from gpunn.ops.shape import broadcast_to, dim_of, one_name, reshape, transpose, unsqueeze
from gpunn.scalars import as_int


@with_out
def concatenate(xs: Iterable[A], axis: int = 0, *, dim: int | None = None, out: Array | None = None) -> A:
    """Arrays joined along an existing dimension, ``axis`` or ``dim``; the other sizes are equal.

    Among others, those of shape (0,) add nothing, as in PyTorch: ``total = gpunn.tensor([])`` begins a sum of rows.

    >>> ops.concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.], dtype=float32)
    """
    xs, axis = _several("concatenate", xs), _along("concatenate", axis, dim)
    arrays = _to_join("concatenate", xs)
    if any(a.ndim == 0 for a in arrays):
        raise ValueError("concatenate: got an array without dimensions, expected at least one; join them with stack")
    shapes = [a.shape for a in arrays]
    at = dim_of("concatenate", next((a for a in arrays if a.ndim > 1), arrays[0]), axis)
    whole = next((shape for shape in shapes if shape != (0,)), (0,))
    arrays = [a.reshape((*whole[:at], 0, *whole[at + 1 :])) if a.shape == (0,) else a for a in arrays]
    others = {(*a.shape[:at], *a.shape[at + 1 :]) if a.ndim > at else a.shape for a in arrays}
    if len(others) > 1 or len({a.ndim for a in arrays}) > 1:
        raise ValueError(
            f"concatenate: got shapes {', '.join(map(str, shapes))}; expected equal sizes except along axis {axis}"
        )
    lengths = [a.shape[at] for a in arrays]
    ends = np.cumsum(lengths)

    def backward(gy: Array, needs: Needs) -> Gradients:
        part = [slice(None)] * gy.ndim
        gradients = []
        for length, end, need, shape in zip(lengths, ends, needs, shapes, strict=True):
            part[at] = slice(int(end) - length, int(end))
            gradients.append((gy[tuple(part)] if length else gy[tuple(part)].reshape(shape)) if need else None)
        return tuple(gradients)

    return record("concatenate", joined(arrays, at), xs, backward)


def joined(arrays: list[Array], axis: int) -> Array:
    """The arrays joined, in the first one's memory order, which CuPy's own concatenate does not keep."""
    xp, first = array_module(arrays[0]), arrays[0]
    if xp is np or first.flags.c_contiguous:
        return xp.concatenate(arrays, axis=axis)
    shape = (*first.shape[:axis], sum(a.shape[axis] for a in arrays), *first.shape[axis + 1 :])
    return xp.concatenate(arrays, axis=axis, out=xp.empty_like(first, shape=shape))


@with_out
def stack(xs: Iterable[A], axis: int = 0, *, dim: int | None = None, out: Array | None = None) -> A:
    """Arrays of one shape joined along a new dimension, ``axis`` or ``dim``.

    >>> ops.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    xs, axis = _several("stack", xs), as_int("stack", "axis", _along("stack", axis, dim))
    arrays = _to_join("stack", xs)
    if len({a.shape for a in arrays}) > 1:
        raise ValueError(f"stack: got shapes {', '.join(str(a.shape) for a in arrays)}; expected equal shapes")
    rank = arrays[0].ndim + 1
    if not -rank <= axis < rank:
        raise ValueError(
            f"stack: axis {axis} does not fit arrays of shape {arrays[0].shape}; expected {-rank} to {rank - 1}"
        )
    lead = (slice(None),) * (axis % rank)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return tuple([gy[(*lead, i, ...)] if need else None for i, need in enumerate(needs)])

    return record("stack", joined([a[(*lead, None)] for a in arrays], axis % rank), xs, backward)


cat = concat = concatenate


def _along(name: str, axis: int, dim: int | None) -> int:
    return axis if dim is None else one_name(name, axis or None, dim) or 0


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


@with_out
def hstack(xs: Iterable[A], *, out: Array | None = None) -> A:
    """Arrays joined along the second dimension, vectors along their only one.

    >>> ops.hstack([[1.0, 2.0], [3.0]])
    array([1., 2., 3.], dtype=float32)
    """
    parts = _of_rank("hstack", xs, _of_rank_1)
    return concatenate(parts, 0 if parts and data_of(parts[0]).ndim == 1 else 1)


@with_out
def vstack(xs: Iterable[A], *, out: Array | None = None) -> A:
    """Arrays joined along the first dimension, vectors as rows.

    >>> ops.vstack([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    return concatenate(_of_rank("vstack", xs, _of_rank_2))


@with_out
def dstack(xs: Iterable[A], *, out: Array | None = None) -> A:
    """Arrays joined along the third dimension, vectors (N,) as (1, N, 1) and matrices (M, N) as (M, N, 1).

    >>> ops.dstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (1, 2, 2)
    """
    return concatenate(_of_rank("dstack", xs, _of_rank_3), 2)


def atleast_1d(*xs: A | Sequence[A]) -> Any:
    """x, or a tuple of several, with a dimension where there is none.

    >>> ops.atleast_1d(np.array(2.0))
    array([2.])
    """
    return _each(xs, _of_rank_1)


def atleast_2d(*xs: A | Sequence[A]) -> Any:
    """x, or a tuple of several, with two dimensions at least: a vector (N,) as (1, N).

    >>> ops.atleast_2d(np.array([2.0, 3.0]))
    array([[2., 3.]])
    """
    return _each(xs, _of_rank_2)


def atleast_3d(*xs: A | Sequence[A]) -> Any:
    """x, or a tuple of several, with three dimensions at least: (N,) as (1, N, 1) and (M, N) as (M, N, 1).

    >>> ops.atleast_3d(np.ones((2, 3))).shape
    (2, 3, 1)
    """
    return _each(xs, _of_rank_3)


def _of_rank_1(x: A) -> A:
    return x if data_of(x).ndim else reshape(x, (1,))


def _of_rank_2(x: A) -> A:
    a = data_of(x)
    return x if a.ndim > 1 else reshape(x, (1, -1)) if a.size else unsqueeze(x, 0)


def _of_rank_3(x: A) -> A:
    return x if data_of(x).ndim > 2 else unsqueeze(_of_rank_2(x), 2)


def _of_rank(name: str, xs: Iterable[A], of: Callable[[A], A]) -> tuple[A, ...]:
    """What is to be joined, each with dimensions enough, also where it is one alone."""
    return tuple([of(x) for x in _several(name, xs)])


def _spread(name: str, xs: tuple) -> tuple[Any, ...]:
    """The arrays from f(a, b) as from f([a, b])."""
    return _several(name, xs[0] if _is_sequence(xs) else xs)


def _is_sequence(xs: tuple) -> bool:
    return len(xs) == 1 and isinstance(xs[0], list | tuple) and all([hasattr(x, "shape") for x in xs[0]])


def _each(xs: tuple, of: Callable[[A], A]) -> Any:
    """What a function makes of each: one for one, a tuple for several, or for a sequence of them."""
    made = tuple([of(x) for x in _spread("atleast", xs)])
    return made[0] if len(xs) == 1 and not _is_sequence(xs) else made


def broadcast_tensors(*xs: A) -> tuple[A, ...]:
    """Each repeated, without a copy, to the shape that they have together.

    >>> [y.shape for y in ops.broadcast_tensors(np.ones((2, 1)), np.ones(3))]
    [(2, 3), (2, 3)]
    """
    xs = _spread("broadcast_tensors", xs)
    arrays = operands("broadcast_tensors", *map(data_of, xs)) if xs else []
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple([broadcast_to(x, shape) for x in xs])


def meshgrid(*xs: A, indexing: str = "ij") -> tuple[A, ...]:
    """Of vectors, the grid that they span: one array a vector, without a copy, that changes along one dimension alone.

    Args:
        xs: vectors, or one sequence of them; a number counts as a vector of one.
        indexing: "ij", the vectors' order of dimensions, PyTorch's default; or "xy", the first two swapped, NumPy's.

    Raises:
        ValueError: another indexing, or an array that is no vector.

    Examples:
        >>> [y.shape for y in ops.meshgrid(np.arange(2), np.arange(3))]
        [(2, 3), (2, 3)]
        >>> ops.meshgrid(np.arange(2), np.arange(3), indexing="xy")[0].tolist()
        [[0, 1], [0, 1], [0, 1]]
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is {indexing!r}, expected 'ij' or 'xy'")
    xs = _spread("meshgrid", xs)
    arrays = _to_join("meshgrid", xs)
    for i, a in enumerate(arrays):
        if a.ndim > 1:
            raise ValueError(f"meshgrid: array {i} is {a.shape}, expected vectors; flatten it")
        if a.dtype != data_of(xs[i]).dtype:
            raise TypeError(
                f"meshgrid: array {i} is {data_of(xs[i]).dtype} among {a.dtype}, expected one dtype; convert it"
            )
    shape = tuple([a.size for a in arrays])
    alone = [(1,) * i + (n,) + (1,) * (len(shape) - i - 1) for i, n in enumerate(shape)]
    grid = [broadcast_to(reshape(x, one), shape) for x, one in zip(xs, alone, strict=True)]
    return tuple([transpose(y, 0, 1) for y in grid] if indexing == "xy" and len(grid) > 1 else grid)
