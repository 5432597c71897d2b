"""Max unpooling (Zeiler and Fergus, 2014): each maximum back at the place it came from, zeros around."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_ints, check_same_device, check_shape
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.errors import PlaceError
from gpunn.ops.frame import frame_of
from gpunn.ops.max_pool_gradients import PLACES
from gpunn.ops.out import with_out
from gpunn.window import Window


@with_out
def max_unpool1d(
    x: A,
    indices: Operand,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
    *,
    out: Array | None = None,
) -> A:
    """`max_unpool2d` of x (N, C, Q) or (C, Q).

    >>> ops.max_unpool1d(np.array([[5.0, 7.0]]), np.array([[1, 2]]), 2)
    array([[0., 5., 7., 0.]])
    """
    return _unpooled("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


@with_out
def max_unpool2d(
    x: A,
    indices: Operand,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
    *,
    out: Array | None = None,
) -> A:
    """y (N, C, H, W), zero but for each element of x (N, C, P, Q) at its place h*W + w of indices; or without N.

    Args:
        indices: as max_pool2d with return_indices=True gives them; where two name a place, the later one counts, and -1
            names none.
        kernel_size, stride, padding: the pooling's.
        output_size: (H, W), perhaps behind N and C, less than a stride from the least that the pooling took, which is
            the default.

    IndexError: an index outside of the plane; on a device noted, and raised by the next gpunn.to_numpy. ValueError:
    shapes that do not go together, an output_size too far off; TypeError: dtypes.

    >>> y, indices = ops.max_pool2d(np.arange(8.0).reshape(1, 2, 4), 2, return_indices=True)
    >>> ops.max_unpool2d(y, indices, 2)
    array([[[0., 0., 0., 0.],
            [0., 5., 0., 7.]]])
    """
    return _unpooled("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)


@with_out
def max_unpool3d(
    x: A,
    indices: Operand,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
    *,
    out: Array | None = None,
) -> A:
    """`max_unpool2d` of x (N, C, O, P, Q) or (C, O, P, Q), from places (d*H + h)*W + w.

    >>> ops.max_unpool3d(np.ones((1, 1, 1, 1)), np.array([[[[3]]]]), 2).reshape(8)
    array([0., 0., 0., 1., 0., 0., 0., 0.])
    """
    return _unpooled("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size)


def _unpooled(
    op: str, rank: int, x: A, indices: Operand, kernel_size: Ints, stride: Ints | None, padding: Ints,
    output_size: Sequence[int] | None,
) -> A:  # fmt: skip
    (a,) = arrays(op, x=x)
    place = data_of(indices)
    check_same_device(op, a, place, "x", "indices")
    if place.dtype.name not in PLACES:
        raise TypeError(
            f"{op}: indices are {place.dtype}, expected integers, int64 or int32; pass what return_indices=True gave"
        )
    check_shape(op, "indices", place, a.shape, "pass what the pooling gave beside x")
    frame_of(op, rank, a.shape)
    size = as_ints(op, "kernel_size", kernel_size, rank, 1)
    step = size if stride is None else as_ints(op, "stride", stride, rank, 1)
    win = Window(size, step, as_ints(op, "padding", padding, rank, 0), (1,) * rank)
    shape = (*a.shape[:-rank], *_size_of(op, a.shape, win, output_size))
    planes, length = math.prod(a.shape[:-rank]), math.prod(shape[-rank:])

    def places() -> Array:
        """Where each of x lies in the planes one behind the other, in x's order."""
        return place.reshape(planes, -1) + array_module(place).arange(planes)[:, None] * length

    if type(a) is np.ndarray:
        some_none = _checked_places(op, place, shape[-rank:])
        y, values, at = np.zeros_like(a, shape=shape, order="C"), a.reshape(planes, -1), places()
        if some_none:
            real = place.reshape(planes, -1) >= 0
            values, at = values[real], at[real]
        y.reshape(-1)[at] = values  # of equal places NumPy keeps the last
    else:
        some_none, frame, known = True, frame_of(op, rank, a.shape), (op, place.shape, shape[-rank:], "")
        alone = frame.lift(_last_of_each(places(), place))
        y = frame.drop(twins(a).pool.max_backward_from(frame.lift(a), alone, frame.shape(shape), None, known))

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        gx = gy.reshape(-1).take(places()).reshape(place.shape)
        return (array_module(gx).where(place < 0, gx.dtype.type(0), gx) if some_none else gx,)

    return record(op, y, (x,), backward)


def _size_of(op: str, shape: Shape, win: Window, output_size: Sequence[int] | None) -> Shape:
    """The size of y's planes: the one wanted, refused where no such pooling takes it to x's."""
    rank = win.rank
    least = win.transposed_out(shape[-rank:], (0,) * rank)
    if output_size is None:
        wanted = least
    else:
        sizes = tuple(output_size)
        wanted = as_ints(op, "output_size", sizes[2:] if len(sizes) == rank + 2 else sizes, rank, 1)
    near = [abs(n - m) < s or n == m for n, m, s in zip(wanted, least, win.stride, strict=True)]
    if not all(near) or min(wanted) < 1:
        raise ValueError(
            f"{op}: output_size is {wanted}, expected {least} or less than the stride {win.stride} from it "
            f"(x {shape}, window {win}); pass the size that was pooled"
        )
    return wanted


def _checked_places(op: str, place: np.ndarray, plane: Shape) -> bool:
    """Whether some index is -1, and so none; PlaceError for the first that is outside of its plane."""
    count = math.prod(plane)
    low, high = place.min(initial=0), place.max(initial=0)
    if low < -1 or high >= count:
        row = int(np.flatnonzero((place < -1) | (place >= count))[0])
        raise PlaceError.of(int(place.reshape(-1)[row]), row, op, place.shape, plane, "")
    return bool(low < 0)


def _last_of_each(places: Array, place: Array) -> Array:
    """`place`, but -1, which is none, where a later element has the same."""
    xp = array_module(place)
    flat = xp.where(place.reshape(-1) < 0, -1, places.reshape(-1))  # else the last place of the plane before
    order = xp.argsort(flat, kind="stable")
    ranked, last = flat[order], xp.ones_like(flat, dtype=bool)
    last[order[:-1]] = ranked[:-1] != ranked[1:]
    return xp.where(last, place.reshape(-1), -1).astype(place.dtype).reshape(place.shape)
