"""Between the user's strides and the memory that kernels read: channels-last, or row-major."""

from __future__ import annotations

import numpy as np

from gpunn.cuda.plans import Layout, Output
from gpunn.layout import as_channels_last, axes_of, contiguous


def is_row_major(x: Layout) -> bool:
    """Whether memory is (N, C, *spatial) and not also channels-last (as it is where C is 1)."""
    return x.row_major and not x.channels_last


def in_order(x: Layout, nhwc: bool, dtype: np.dtype | None = None) -> Layout:
    """x as a kernel with this NHWC flag reads it, in this dtype: where it is not so, copied at the call."""
    if (x.channels_last if nhwc else x.row_major) and (dtype is None or x.dtype == dtype):
        return x
    order = as_channels_last if nhwc else contiguous
    if dtype is None or x.dtype == dtype:
        return x._replace(offset=0, move=order)
    return x._replace(dtype=dtype, offset=0, move=lambda a: order(a.astype(dtype)))


def new(shape: tuple[int, ...], dtype: np.dtype, nhwc: bool) -> Output:
    """New memory for (N, C, *spatial)."""
    return Output((shape[0], *shape[2:], shape[1]), dtype, axes_of(len(shape))) if nhwc else Output(shape, dtype)


def cast(x: Layout | None, dtype: np.dtype) -> Layout | None:
    """A parameter of each channel as kernels read it: of this dtype, without gaps."""
    if x is None or (x.dtype == dtype and x.row_major):
        return x
    return x._replace(dtype=dtype, offset=0, move=lambda a: contiguous(a.astype(dtype, copy=False)))


def memory_order(x: Layout) -> tuple[int, ...]:
    """x's axes from the one along which memory is widest to the one along which it is closest."""
    return tuple(sorted(range(len(x.shape)), key=lambda axis: -abs(x.strides[axis])))


def in_axes(x: Layout, order: tuple[int, ...]) -> Layout:
    """x row by row in this order of its axes: where it is not so, or has gaps, copied at the call."""
    return x if x.is_dense(order) else x._replace(offset=0, move=lambda a: a.transpose(order).copy(order="C"))


def new_in_axes(shape: tuple[int, ...], dtype: np.dtype, order: tuple[int, ...]) -> Output:
    """New memory, row by row in this order of the axes."""
    memory = tuple([shape[axis] for axis in order])
    if list(order) == sorted(order):
        return Output(memory, dtype)
    return Output(memory, dtype, tuple([order.index(axis) for axis in range(len(order))]))
