"""Functions that move elements, where the array API standard's arguments are not those of gpunn.ops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpunn import ops
from gpunn.array_api.creation import astype
from gpunn.backend.memory import overlap
from gpunn.engine.operators import A
from gpunn.engine.tensor import data_of

Places = int | tuple[int, ...]


def reshape(x: A, /, shape: Sequence[int], *, copy: bool | None = None) -> A:
    """The elements in logical order in another shape; `copy` True makes one, False refuses where one is needed.

    Examples:
        >>> gpunn.array_api.reshape(Tensor([1.0, 2.0]), (2, 1))
        Tensor([[1.],
                [2.]])
    """
    y = ops.reshape(x, shape)
    shared = overlap(data_of(x), data_of(y))
    if copy is False and data_of(y).size and not shared:
        raise ValueError(
            f"reshape: copy is False, but x {data_of(x).shape} lies in memory so that {tuple(shape)} is no view of it; "
            "leave copy out"
        )
    return astype(y, data_of(y).dtype) if copy and shared else y


def permute_dims(x: A, /, axes: Sequence[int]) -> A:
    """The dimensions in the order `axes`, each named once.

    Examples:
        >>> gpunn.array_api.permute_dims(np.ones((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)
    """
    return ops.permute(x, axes)


def matrix_transpose(x: A, /) -> A:
    """The last two dimensions swapped.

    Examples:
        >>> gpunn.array_api.matrix_transpose(np.ones((2, 3, 4))).shape
        (2, 4, 3)
    """
    if data_of(x).ndim < 2:
        raise ValueError(f"matrix_transpose: x is {data_of(x).shape}, expected two dimensions at least; reshape it")
    return ops.transpose(x, -1, -2)


def moveaxis(x: A, source: Places, destination: Places, /) -> A:
    """The dimensions `source` at the places `destination`, the others in their order.

    Examples:
        >>> gpunn.array_api.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    rank = data_of(x).ndim
    numbered = np.ndarray((1,) * rank, np.uint8, b"0", strides=range(rank))  # whose strides are the numbers of its axes
    return ops.permute(x, np.moveaxis(numbered, source, destination).strides)


def expand_dims(x: A, /, *, axis: Places = 0) -> A:
    """With new dimensions of size 1 so that they are the result's `axis`.

    Examples:
        >>> gpunn.array_api.expand_dims(np.ones(3)).shape
        (1, 3)
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    rank = data_of(x).ndim + len(axes)
    if not all([-rank <= one < rank for one in axes]):
        raise IndexError(f"expand_dims: axis is {axis}, expected {-rank} to {rank - 1} (x {data_of(x).shape})")
    places = sorted([one % rank for one in axes])
    if len({*places}) < len(axes):
        raise ValueError(f"expand_dims: axis is {axis}, expected each once (x {data_of(x).shape})")
    for one in places:
        x = ops.unsqueeze(x, one)
    return x


def squeeze(x: A, /, axis: int | tuple[int, ...]) -> A:
    """Without the dimensions `axis`, each of size 1.

    Examples:
        >>> gpunn.array_api.squeeze(np.ones((1, 3, 1)), 0).shape
        (3, 1)
    """
    shape = data_of(x).shape
    for one in axis if isinstance(axis, tuple) else (axis,):
        if -len(shape) <= one < len(shape) and shape[one] != 1:
            raise ValueError(f"squeeze: axis {one} of x {shape} has size {shape[one]}, expected 1; reshape it")
    return ops.squeeze(x, axis)


def concat(arrays: Sequence[A], /, *, axis: int | None = 0) -> A:
    """Arrays joined along an existing dimension, or with `axis` None all their elements in one vector.

    Examples:
        >>> gpunn.array_api.concat([Tensor([[1.0], [2.0]]), Tensor([3.0])], axis=None)
        Tensor([1., 2., 3.])
    """
    return ops.concatenate([ops.reshape(x, -1) for x in arrays] if axis is None else arrays, axis or 0)


def unstack(x: A, /, *, axis: int = 0) -> tuple[A, ...]:
    """The parts of x along an axis, without it.

    Examples:
        >>> gpunn.array_api.unstack(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
        (Tensor([1., 3.]), Tensor([2., 4.]))
    """
    shape = data_of(x).shape
    if not -len(shape) <= axis < len(shape):
        raise IndexError(f"unstack: axis is {axis}, expected {-len(shape)} to {len(shape) - 1} (x {shape})")
    before = (slice(None),) * (axis % len(shape))
    return tuple([ops.getitem(x, (*before, i)) for i in range(shape[axis])])


def flip(x: A, /, *, axis: Places | None = None) -> A:
    """The elements in reverse order along some axes, or all.

    Examples:
        >>> gpunn.array_api.flip(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
        Tensor([[2., 1.],
                [4., 3.]])
    """
    shape = data_of(x).shape
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    index = [slice(None)] * len(shape)
    for one in axes:
        if not -len(shape) <= one < len(shape):
            raise IndexError(f"flip: axis is {one}, expected {-len(shape)} to {len(shape) - 1} (x {shape})")
        index[one] = slice(None, None, -1)
    return ops.getitem(x, tuple(index))


def broadcast_arrays(*arrays: A) -> list[A]:
    """The arrays repeated, without copies, to their common shape.

    Examples:
        >>> [y.shape for y in gpunn.array_api.broadcast_arrays(np.ones((3, 1)), np.ones(2))]
        [(3, 2), (3, 2)]
    """
    shape = np.broadcast_shapes(*[data_of(x).shape for x in arrays])
    return [ops.broadcast_to(x, shape) for x in arrays]
