"""Between the user's strides and the memory that kernels read: channels-last, or row-major."""

from __future__ import annotations

import numpy as np

from gpunn.cuda.axes import memory_order as memory_order
from gpunn.cuda.axes import new_in_axes as new_in_axes
from gpunn.cuda.elementwise import in_memory
from gpunn.cuda.plans import Output
from gpunn.cuda.signature import Layout
from gpunn.layout import axes_of, contiguous


def is_row_major(x: Layout) -> bool:
    """Whether memory is (N, C, *spatial) and not also channels-last (as it is where C is 1)."""
    return x.row_major and not x.channels_last


def in_order(x: Layout, nhwc: bool, dtype: np.dtype | None = None) -> Layout:
    """x as a kernel with this NHWC flag reads it, in this dtype: where it is not so, copied at the call."""
    if (x.channels_last if nhwc else x.row_major) and (dtype is None or x.dtype == dtype):
        return x
    axes = tuple(range(len(x.shape)))
    order = (0, *axes[2:], 1) if nhwc else axes
    if dtype is None or x.dtype == dtype:
        return x._replace(offset=0, move=lambda a: in_memory(a, order))
    return x._replace(dtype=dtype, offset=0, move=lambda a: in_memory(a.astype(dtype), order))


def new(shape: tuple[int, ...], dtype: np.dtype, nhwc: bool) -> Output:
    """New memory for (N, C, *spatial)."""
    return Output((shape[0], *shape[2:], shape[1]), dtype, axes_of(len(shape))) if nhwc else Output(shape, dtype)


def cast(x: Layout | None, dtype: np.dtype) -> Layout | None:
    """A parameter of each channel as kernels read it: of this dtype, without gaps."""
    if x is None or (x.dtype == dtype and x.row_major):
        return x
    return x._replace(dtype=dtype, offset=0, move=lambda a: contiguous(a.astype(dtype, copy=False)))


def in_axes(x: Layout, order: tuple[int, ...]) -> Layout:
    """x row by row in this order of its axes: where it is not so, or has gaps, copied at the call."""
    return x if x.is_dense(order) else x._replace(offset=0, move=lambda a: in_memory(a, order))


def made_as(output: Output, device: int) -> Layout:
    """A result in row-major memory, as a later plan takes it."""
    size, strides = np.dtype(output.dtype).itemsize, []
    for n in reversed(output.shape):
        strides.insert(0, size)
        size *= n
    return Layout(output.shape, tuple(strides), np.dtype(output.dtype), 0, device)
