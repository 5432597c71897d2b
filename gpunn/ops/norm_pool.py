"""Pooling by the norm of each window, in one to three dimensions. Letters as in ops.pool."""

from __future__ import annotations

import math
from typing import Any

from gpunn.backend import Array, twins
from gpunn.checks import Ints, arrays, as_ints, cached, check_output, check_shape
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.ops.frame import Frame, frame_of
from gpunn.ops.out import with_out
from gpunn.scalars import shown
from gpunn.window import Window


@with_out
def lp_pool1d(
    x: A,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """`lp_pool2d` of x (N, C, L) or (C, L).

    >>> ops.lp_pool1d(np.array([[3.0, 4.0, 0.0, -2.0]]), 2, 2)
    array([[5., 2.]])
    """
    return _lp("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


@with_out
def lp_pool2d(
    x: A,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """The norm (sum of v^p)^(1/p) of each window of x (N, C, H, W) or (C, H, W); p is norm_type.

    Powers are of v as it is, not of its absolute value: an odd or broken p wants x >= 0, and elsewhere gives NaN. With
    ceil_mode a window that hangs over the edge counts as if it went on with its mean. The gradient of a norm of 0 is 0.

    >>> ops.lp_pool2d(np.array([[[3.0, 4.0], [0.0, 0.0]]]), 2, 2)
    array([[[5.]]])
    """
    return _lp("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


@with_out
def lp_pool3d(
    x: A,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """`lp_pool2d` of x (N, C, D, H, W) or (C, D, H, W).

    >>> ops.lp_pool3d(np.ones((1, 2, 2, 4)), 1, 2)
    array([[[[8., 8.]]]])
    """
    return _lp("lp_pool3d", 3, x, norm_type, kernel_size, stride, ceil_mode)


@with_out
def lp_pool1d_backward(
    gy: Array,
    x: Array,
    y: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """`lp_pool2d_backward` of gy and y (N, C, Q), x (N, C, L), or without N.

    Errors as in lp_pool2d_backward.

    >>> ops.lp_pool1d_backward(np.array([[1.0]]), np.array([[3.0, 4.0]]), np.array([[5.0]]), 2, 2)
    array([[0.6, 0.8]])
    """
    return _lp_backward("lp_pool1d_backward", 1, gy, x, y, norm_type, kernel_size, stride, ceil_mode)


@with_out
def lp_pool2d_backward(
    gy: Array,
    x: Array,
    y: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """gx of lp_pool2d on plain arrays: gy and y (N, C, P, Q), x (N, C, H, W), or without N; the forward call's options.

    gx = gy (x / y)^(p - 1), summed over the windows that cover x, y being what the forward call gave; 0 where y is.

    ValueError: gy or y of another shape than the forward call gives, two devices; TypeError: dtypes.

    >>> x = np.array([[[3.0, 4.0], [0.0, 0.0]]])
    >>> ops.lp_pool2d_backward(np.ones((1, 1, 1)), x, ops.lp_pool2d(x, 2, 2), 2, 2)
    array([[[0.6, 0.8],
            [0. , 0. ]]])
    """
    return _lp_backward("lp_pool2d_backward", 2, gy, x, y, norm_type, kernel_size, stride, ceil_mode)


@with_out
def lp_pool3d_backward(
    gy: Array,
    x: Array,
    y: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """`lp_pool2d_backward` of gy and y (N, C, O, P, Q), x (N, C, D, H, W), or without N.

    Errors as in lp_pool2d_backward.

    >>> x = np.ones((1, 1, 2, 2))
    >>> ops.lp_pool3d_backward(np.ones((1, 1, 1, 1)), x, ops.lp_pool3d(x, 2, (1, 2, 2)), 2, (1, 2, 2))
    array([[[[0.5, 0.5],
             [0.5, 0.5]]]])
    """
    return _lp_backward("lp_pool3d_backward", 3, gy, x, y, norm_type, kernel_size, stride, ceil_mode)


def _lp(
    op: str, rank: int, x: Operand, norm_type: float, kernel_size: Ints, stride: Ints | None, ceil_mode: bool
) -> Any:
    (a,) = arrays(op, x=x)
    power = as_order(op, norm_type)
    frame, win = _window(op, rank, a.shape, kernel_size, stride, ceil_mode)
    lifted, twin = frame.lift(a), twins(a).norm_pool
    y = twin.forward(lifted, win, ceil_mode, power)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (frame.drop(twin.backward(frame.lift(gy), lifted, y, win, ceil_mode, power)),)

    return record(op, frame.drop(y), (x,), backward, owned=True)


def _lp_backward(
    op: str, rank: int, gy: Array, x: Array, y: Array, norm_type: float, kernel_size: Ints, stride: Ints | None,
    ceil_mode: bool,
) -> Array:  # fmt: skip
    gy, x, y = arrays(op, gy=gy, x=x, y=y)
    power = as_order(op, norm_type)
    frame, win = _window(op, rank, x.shape, kernel_size, stride, ceil_mode)
    lifted = frame.lift(x)
    expected = (*x.shape[:-rank], *win.out(lifted.shape[2:], ceil_mode)[-rank:])
    check_shape(op, "gy", gy, expected)
    check_shape(op, "y", y, expected)
    gx = twins(x).norm_pool.backward(frame.lift(gy), lifted, frame.lift(y), win, ceil_mode, power)
    return frame.drop(gx)


def as_order(op: str, norm_type: Any) -> float:
    """The option norm_type as a float. Raises TypeError or ValueError where it is no order of a norm."""
    if isinstance(norm_type, bool) or not isinstance(norm_type, (int, float)):
        raise TypeError(f"{op}: norm_type is {shown(norm_type)}, expected a number such as 2")
    if not norm_type or not math.isfinite(norm_type):
        raise ValueError(
            f"{op}: norm_type is {norm_type}, expected a finite number other than 0; "
            "the largest absolute value is ops.max_pool of ops.abs"
        )
    return float(norm_type)


@cached
def _window(
    op: str, rank: int, shape: tuple[int, ...], kernel_size: Ints, stride: Ints | None, ceil_mode: bool
) -> tuple[Frame, Window]:
    """Checks x and the window."""
    frame = frame_of(op, rank, shape)
    size = as_ints(op, "kernel_size", kernel_size, rank, 1)
    stride = size if stride is None or stride == () else as_ints(op, "stride", stride, rank, 1)
    asked = Window.of(size, stride, rank=rank)
    check_output(op, shape, shape[-rank:], asked, asked.out(shape[-rank:], ceil_mode))
    return frame, Window.of(frame.sizes(size, 1), frame.sizes(stride, 1), rank=max(rank, 2))
