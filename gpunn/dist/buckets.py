"""Buckets: contiguous memory for gradients that are reduced together, in the order in which backward makes them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from itertools import accumulate

from gpunn import backend
from gpunn.backend import Array

ALIGNED = 64  # bytes: each gradient begins on a cache line
FIRST = 1 << 20  # bytes of the first bucket at most, so that the network has work soon; PyTorch's is as large


class Bucket:
    """The gradients of some of the parameters, one after the other in `memory`.

    Attributes:
        members: the parameters' positions, the last first.
        memory: an array of one dimension; what lies between two gradients is 0.
        views: for each member the part of the memory in its array's shape and memory order.
    """

    def __init__(self, members: Sequence[int], arrays: Sequence[Array]):
        self.members, self._arrays, first = list(members), list(arrays), arrays[0]
        size = sum(_padded(array) // array.itemsize for array in arrays)
        self.memory: Array = backend.array_module(first).zeros_like(first, shape=(size,), order="C")
        self.views = self._views(self.memory)

    def copied(self) -> Bucket:
        """The same with memory of its own."""
        made = copy(self)
        made.memory = self.memory.copy()
        made.views = made._views(made.memory)
        return made

    def _views(self, memory: Array) -> list[Array]:
        starts = accumulate((_padded(array) // array.itemsize for array in self._arrays), initial=0)
        return [_like(memory[at : at + a.size], a) for at, a in zip(starts, self._arrays, strict=False)]


def plan(arrays: Sequence[Array], bucket_bytes: int) -> list[list[int]]:
    """The positions of the arrays, bucket by bucket: the last first, of one dtype and device, and about so many bytes.

    A bucket is full once it has that many; the first one has 1 MiB at most.

    Examples:
        >>> from gpunn.dist.buckets import plan
        >>> plan([np.zeros(100), np.zeros(30), np.zeros(20)], 400)
        [[2, 1], [0]]
    """
    found: list[list[int]] = []
    filling: dict[tuple, tuple[list[int], int]] = {}
    for i in reversed(range(len(arrays))):
        kind = backend.device_of(arrays[i]), arrays[i].dtype
        members, size = filling.pop(kind, ([], 0))
        members.append(i)
        size += _padded(arrays[i])
        if size >= (bucket_bytes if found else min(bucket_bytes, FIRST)):
            found.append(members)
        else:
            filling[kind] = members, size
    return found + [members for members, _ in filling.values()]


def memory_order(array: Array) -> list[int]:
    """The axes longer than 1 from the one whose neighbours are farthest apart in memory: the same on all ranks.

    >>> from gpunn.dist.buckets import memory_order
    >>> memory_order(np.zeros((2, 3, 4)).transpose(0, 2, 1))
    [0, 2, 1]
    """
    axes = [axis for axis, size in enumerate(array.shape) if size != 1]
    return sorted(axes, key=lambda axis: -abs(array.strides[axis]))


def _padded(array: Array) -> int:
    """The bytes that an array takes in a bucket."""
    return -(-array.size * array.itemsize // ALIGNED) * ALIGNED


def _like(memory: Array, array: Array) -> Array:
    """A vector in the shape and memory order of an array."""
    long = memory_order(array)
    order = [*long, *[axis for axis in range(array.ndim) if axis not in long]]
    back = sorted(range(array.ndim), key=order.__getitem__)
    return memory.reshape([array.shape[axis] for axis in order]).transpose(back)
