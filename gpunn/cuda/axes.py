"""Axes of arrays as kernels walk along them: their order in memory, strides, and which of them are one."""

from __future__ import annotations

import numpy as np

from gpunn.cuda.plans import Output
from gpunn.cuda.signature import Layout


def memory_order(x: Layout) -> tuple[int, ...]:
    """x's axes from the one along which memory is widest to the one along which it is closest."""
    return tuple(sorted(range(len(x.shape)), key=lambda axis: -abs(x.strides[axis])))


def new_in_axes(shape: tuple[int, ...], dtype: np.dtype, order: tuple[int, ...]) -> Output:
    """New memory, row by row in this order of the axes."""
    memory = tuple([shape[axis] for axis in order])
    if list(order) == sorted(order):
        return Output(memory, dtype)
    return Output(memory, dtype, tuple([order.index(axis) for axis in range(len(order))]))


def order_of(found: list[Layout], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a result as the first array of its shape has them, outermost first."""
    like = next((x for x in found if x.shape == shape), None)
    if like is None or any([stride == 0 and n > 1 for stride, n in zip(like.strides, like.shape, strict=True)]):
        return tuple(range(len(shape)))
    return memory_order(like)


def apart(x: Layout | None, shape: tuple[int, ...]) -> list[int]:
    """Elements from one to the next along each axis of a result, 0 where x is repeated."""
    if x is None:
        return [0] * len(shape)
    before = [0] * (len(shape) - len(x.shape))
    here = zip(x.shape, x.strides, strict=True)
    return before + [0 if n == 1 else stride // x.dtype.itemsize for n, stride in here]


def joined(shape: tuple[int, ...], order: tuple[int, ...], strides: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    """(size, strides of each array) of each axis, innermost first, those joined that are one in every array."""
    found: list[tuple[int, ...]] = []
    for axis in reversed(order):
        size, here = shape[axis], [one[axis] for one in strides]
        if size == 1:
            continue
        if found and all(above == below * found[-1][0] for above, below in zip(here, found[-1][1:], strict=True)):
            found[-1] = (found[-1][0] * size, *found[-1][1:])
        else:
            found.append((size, *here))
    return tuple(found) or ((1, *[1] * len(strides)),)


def is_wide(walk: tuple[tuple[int, ...], ...], width: int) -> bool:
    """Whether 16-byte accesses along the innermost axis meet each array on multiples of them."""
    (size, *inner), *outer = walk
    return not size % width and all(
        [
            one in (0, 1) and (one == 0 or not any([axis[1 + i] % width for axis in outer]))
            for i, one in enumerate(inner)
        ]
    )


def dense(shape: tuple[int, ...], order: tuple[int, ...]) -> list[int]:
    """Strides, in elements, of new memory in this order of the axes."""
    strides, each = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = each
        each *= shape[axis]
    return strides


def framed(
    x: Layout, order: tuple[int, ...], shape: tuple[int, ...], first: tuple[int, ...], step: tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    """(size, x's stride, first, step, count) of each axis, innermost first; an axis is joined to one it fills."""
    strides, found = apart(x, x.shape), []
    for axis in reversed(order):
        size, each, at, by, count = shape[axis], strides[axis], first[axis], step[axis], x.shape[axis]
        by = 1 if count == 1 else by
        if size == 1 == count:
            continue
        if found and found[-1][2:] == (0, 1, found[-1][0]) and by == 1 and each == found[-1][1] * found[-1][0]:
            inner = found.pop()
            size, each, at, count = size * inner[0], inner[1], at * inner[0], count * inner[0]
        found.append((size, each, at, by, count))
    return tuple(found) or ((1, 1, 0, 1, 1),)
