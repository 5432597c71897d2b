"""Max and average pooling in one and in three dimensions."""

from __future__ import annotations

from typing import Literal, overload

from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.checks import Ints
from gpunn.engine.operators import A
from gpunn.ops.out import with_out
from gpunn.ops.pool import avg_pooled, avg_pooled_backward, max_pooled


@overload
def max_pool1d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> A: ...
@overload
def max_pool1d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: tuple[Array, Array] | None = None,
) -> tuple[A, A]: ...
@with_out
def max_pool1d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | tuple[Array, Array] | None = None,
) -> A | tuple[A, A]:
    """`max_pool2d` of x (N, C, L) or (C, L).

    >>> ops.max_pool1d(np.arange(4.0).reshape(1, 4), 2)
    array([[1., 3.]])
    """
    return max_pooled("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@overload
def max_pool3d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> A: ...
@overload
def max_pool3d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: tuple[Array, Array] | None = None,
) -> tuple[A, A]: ...
@with_out
def max_pool3d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | tuple[Array, Array] | None = None,
) -> A | tuple[A, A]:
    """`max_pool2d` of x (N, C, D, H, W) or (C, D, H, W). Places are (d*H + h)*W + w.

    >>> ops.max_pool3d(np.arange(16.0).reshape(1, 2, 2, 4), 2)
    array([[[[13., 15.]]]])
    """
    return max_pooled("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@with_out
def avg_pool1d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    out: Array | None = None,
) -> A:
    """`avg_pool2d` of x (N, C, L) or (C, L).

    >>> ops.avg_pool1d(np.arange(4.0).reshape(1, 4), 2)
    array([[0.5, 2.5]])
    """
    return avg_pooled("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


@with_out
def avg_pool3d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    out: Array | None = None,
) -> A:
    """`avg_pool2d` of x (N, C, D, H, W) or (C, D, H, W).

    >>> ops.avg_pool3d(np.arange(16.0).reshape(1, 2, 2, 4), 2)
    array([[[[6.5, 8.5]]]])
    """
    return avg_pooled("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


@with_out
def avg_pool1d_backward(
    gy: Array,
    x_shape: Shape,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    out: Array | None = None,
) -> Array:
    """`avg_pool2d_backward` of gy (N, C, Q), x_shape (N, C, L), or without N.

    Errors as in avg_pool2d_backward.

    >>> ops.avg_pool1d_backward(np.array([[1.0, 2.0]]), (1, 4), 2)
    array([[0.5, 0.5, 1. , 1. ]])
    """
    how = kernel_size, stride, padding, ceil_mode, count_include_pad
    return avg_pooled_backward("avg_pool1d_backward", 1, gy, x_shape, *how)


@with_out
def avg_pool3d_backward(
    gy: Array,
    x_shape: Shape,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    out: Array | None = None,
) -> Array:
    """`avg_pool2d_backward` of gy (N, C, O, P, Q), x_shape (N, C, D, H, W), or without N.

    Errors as in avg_pool2d_backward.

    >>> ops.avg_pool3d_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2), (1, 2, 2))
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """
    how = kernel_size, stride, padding, ceil_mode, count_include_pad
    return avg_pooled_backward("avg_pool3d_backward", 3, gy, x_shape, *how)
