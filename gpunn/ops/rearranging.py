"""Ops that copy elements to other places, or several times: repeat, flip, roll and their kin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gpunn.backend import Array, array_module, to_numpy
from gpunn.backend.contract import Shape
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.broadcast import unbroadcast
from gpunn.ops.gathering import index_select
from gpunn.ops.out import with_out
from gpunn.ops.shape import axis_of, dim_of, reshape, transpose, unsqueeze
from gpunn.ops.views import Dims
from gpunn.scalars import as_int


@with_out
def repeat(x: A, sizes: Dims, *, out: Array | None = None) -> A:
    """x side by side, so many times along each dimension; more sizes than dimensions count from the last.

    >>> ops.repeat([1.0, 2.0], (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]], dtype=float32)
    """
    a, times = data_of(x), _counts("repeat", sizes)
    if len(times) < a.ndim:
        raise ValueError(f"repeat: got {times} for shape {a.shape}; expected a number for each dimension, or more")
    shape = (1,) * (len(times) - a.ndim) + a.shape
    between = tuple([n for size in shape for n in (1, size)])
    spread = tuple([n for pair in zip(times, shape, strict=True) for n in pair])
    wanted = tuple([n * size for n, size in zip(times, shape, strict=True)])
    y = array_module(a).broadcast_to(a.reshape(between), spread).reshape(wanted)
    before = a.shape

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        return (unbroadcast(gy.reshape(spread), between).reshape(before),)

    return record("repeat", y.copy() if y.base is not None else y, (x,), backward)


@with_out
def tile(x: A, dims: Dims, *, out: Array | None = None) -> A:
    """``repeat``, where fewer numbers than dimensions count from the last.

    >>> ops.tile([[1.0, 2.0]], (2,))
    array([[1., 2., 1., 2.]], dtype=float32)
    """
    times = _counts("tile", dims)
    return repeat(x, (1,) * (data_of(x).ndim - len(times)) + times)


def _counts(name: str, given: Dims) -> Shape:
    times = tuple([as_int(name, "a number of times", n) for n in (given if isinstance(given, Iterable) else (given,))])
    if min(times, default=0) < 0:
        raise ValueError(f"{name}: got {times}, expected numbers of times of at least 0")
    return times


@with_out
def repeat_interleave(
    x: A,
    repeats: int | Operand | Sequence[int],
    dim: int | None = None,
    *,
    output_size: int | None = None,
    out: Array | None = None,
) -> A:
    """Each place of ``dim`` so many times in a row: one number, or one a place. Without dim, of flat x. NumPy's repeat.

    Numbers that lie on a GPU are read first, for which the host waits.

    >>> ops.repeat_interleave([1.0, 2.0], 2)
    array([1., 1., 2., 2.], dtype=float32)
    >>> ops.repeat_interleave([[1.0], [2.0]], [1, 2], dim=0).shape
    (3, 1)
    """
    if dim is None:
        x, dim = reshape(x, (-1,)), 0
    a, at = data_of(x), dim_of("repeat_interleave", data_of(x), dim)
    n = a.shape[at] if a.ndim else 1
    times = np.asarray(repeats) if isinstance(repeats, int | list | tuple) else to_numpy(data_of(repeats))
    if times.dtype.kind not in "iu":
        raise TypeError(f"repeat_interleave: repeats are {times.dtype}, expected integers; convert them")
    if times.ndim > 1 or (times.size not in (1, n)) or min(times.reshape(-1), default=0) < 0:
        raise ValueError(
            f"repeat_interleave: repeats are {times.tolist()!r:.60} for dimension {dim} of shape {a.shape}; expected "
            f"one number of at least 0, or {n} of them"
        )
    length = int(times.sum()) * (n if times.size == 1 else 1)
    if output_size is not None and output_size != length:
        raise ValueError(f"repeat_interleave: output_size is {output_size}, expected {length}, the sum of repeats")
    x = x if a.ndim else reshape(x, (1,))
    if times.size == 1:
        shape = data_of(x).shape
        each = repeat(unsqueeze(x, at + 1), [times.item() if d == at + 1 else 1 for d in range(len(shape) + 1)])
        return reshape(each, (*shape[:at], length, *shape[at + 1 :]))
    return index_select(x, at, np.repeat(np.arange(n), times))


@with_out
def flip(x: A, dims: Dims, *, out: Array | None = None) -> A:
    """The order of each of these dimensions reversed, as a copy.

    >>> ops.flip([[1.0, 2.0], [3.0, 4.0]], (0, 1))
    array([[4., 3.],
           [2., 1.]], dtype=float32)
    """
    a = data_of(x)
    at = [dim_of("flip", a, d) for d in (dims if isinstance(dims, Iterable) else (dims,))]
    if len(set(at)) < len(at):
        raise ValueError(f"flip: got dims {tuple(at)} for shape {a.shape}; expected each of them once")
    back = tuple([slice(None, None, -1 if d in at else 1) for d in range(a.ndim)])
    return record("flip", a[back].copy(), (x,), lambda gy, needs: (gy[back],))


@with_out
def fliplr(x: A, *, out: Array | None = None) -> A:
    """The second dimension reversed, as a copy.

    >>> ops.fliplr([[1.0, 2.0]])
    array([[2., 1.]], dtype=float32)
    """
    if data_of(x).ndim < 2:
        raise ValueError(f"fliplr: x is {data_of(x).shape}, expected two dimensions at least; use flip")
    return flip(x, 1)


@with_out
def flipud(x: A, *, out: Array | None = None) -> A:
    """The first dimension reversed, as a copy.

    >>> ops.flipud([1.0, 2.0])
    array([2., 1.], dtype=float32)
    """
    if data_of(x).ndim < 1:
        raise ValueError("flipud: x is a number, expected one dimension at least; reshape it")
    return flip(x, 0)


@with_out
def rot90(x: A, k: int = 1, dims: Sequence[int] = (0, 1), *, out: Array | None = None) -> A:
    """Turned by k right angles in the plane of two dimensions, from the first towards the second; as a copy.

    >>> ops.rot90([[1.0, 2.0], [3.0, 4.0]])
    array([[2., 4.],
           [1., 3.]], dtype=float32)
    """
    a = data_of(x)
    plane = [dim_of("rot90", a, d) for d in dims]
    if len(plane) != 2 or plane[0] == plane[1] or a.ndim < 2:
        raise ValueError(f"rot90: got dims {tuple(dims)} for shape {a.shape}; expected two different ones")
    turns = as_int("rot90", "k", k) % 4
    if turns == 2:
        return flip(x, plane)
    if turns == 0:
        return flip(x, ())
    return flip(transpose(x, *plane), plane[0] if turns == 1 else plane[1])


@with_out
def roll(x: A, shifts: Dims, dims: Dims | None = None, *, out: Array | None = None) -> A:
    """Elements moved on along each dimension, those past the end to its beginning; without dims, of flat x.

    >>> ops.roll([1.0, 2.0, 3.0], 1)
    array([3., 1., 2.], dtype=float32)
    """
    a = data_of(x)
    by = tuple([as_int("roll", "a shift", n) for n in (shifts if isinstance(shifts, Iterable) else (shifts,))])
    named = () if dims is None else tuple(dims) if isinstance(dims, Iterable) else (dims,)
    at = tuple([axis_of("roll", a, d)[0] for d in named])
    if len(by) != len(at) and not (not at and len(by) == 1):
        raise ValueError(f"roll: got shifts {by} and dims {at}; expected as many of one as of the other")
    if not at:
        return reshape(roll(reshape(x, (-1,)), by, 0), a.shape)
    xp, back = array_module(a), tuple([-n for n in by])
    return record("roll", xp.roll(a, by, at), (x,), lambda gy, needs: (xp.roll(gy, back, at),))
