"""Max and average pooling. Letters: x (N, C, H, W), window (R, S), y (N, C, P, Q)."""

from __future__ import annotations

from typing import Any, Literal, overload

from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import (
    Ints,
    arrays,
    as_ints,
    as_shape,
    cached,
    check_output,
    check_shape,
    wants_grad,
)
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor
from gpunn.ops.frame import Frame, frame_of
from gpunn.ops.out import with_out
from gpunn.window import Window


@overload
def max_pool2d(
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
def max_pool2d(
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
def max_pool2d(
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
    """The largest element of each window of x (N, C, H, W) or (C, H, W); the first of equals, and NaN wins over all.

    stride is kernel_size where left out; padding is at most half of kernel_size and never wins. With ceil_mode a last
    window may hang over the edge. With return_indices also the int64 place h*W + w in the plane of each maximum; a
    dilated window that lies in the padding altogether has the maximum -inf and the place -1.

    >>> ops.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return max_pooled("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pooled(
    op: str, rank: int, x: Operand, kernel_size: Ints, stride: Ints | None, padding: Ints, dilation: Ints,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    """Max pooling of any rank: y, and the winners' places where asked for."""
    (a,) = arrays(op, x=x)
    frame, win = check_window(op, a.shape, kernel_size, stride, padding, dilation, ceil_mode, rank)
    lifted = frame.lift(a)
    twin, x_shape = twins(a).pool, lifted.shape
    y, index = twin.max_forward(lifted, win, ceil_mode, return_indices or (is_grad_enabled() and wants_grad(x)))

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (frame.drop(twin.max_backward(frame.lift(gy), index, x_shape, win)),)

    result = record(op, frame.drop(y), (x,), backward, owned=True)
    if not return_indices:
        return result
    places = frame.drop(twin.places(index, x_shape, win))
    return result, Tensor(places) if isinstance(x, Tensor) else places


@with_out
def avg_pool2d(
    x: A,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    out: Array | None = None,
) -> A:
    """The mean of each window of x (N, C, H, W) or (C, H, W).

    stride is kernel_size where left out; padding is at most half of kernel_size. The sum is divided by the window's
    elements inside the padded input or, with count_include_pad=False, inside the input itself.

    >>> ops.avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return avg_pooled("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pooled(
    op: str, rank: int, x: Operand, kernel_size: Ints, stride: Ints | None, padding: Ints, ceil_mode: bool,
    count_include_pad: bool,
) -> Any:  # fmt: skip
    """Average pooling of any rank."""
    (a,) = arrays(op, x=x)
    frame, win = check_window(op, a.shape, kernel_size, stride, padding, 1, ceil_mode, rank)
    lifted = frame.lift(a)
    twin, x_shape = twins(a).pool, lifted.shape
    y = twin.avg_forward(lifted, win, ceil_mode, count_include_pad)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (frame.drop(twin.avg_backward(frame.lift(gy), x_shape, win, ceil_mode, count_include_pad)),)

    return record(op, frame.drop(y), (x,), backward, owned=True)


@with_out
def avg_pool2d_backward(
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
    """gx of avg_pool2d on plain arrays: gy (N, C, P, Q), x_shape (N, C, H, W), the options of the forward call.

    ValueError: gy of another shape than the forward call gives; TypeError: its dtype, an x_shape that is no tuple.

    >>> ops.avg_pool2d_backward(np.ones((1, 1, 1, 2)), (1, 1, 2, 4), 2)
    array([[[[0.25, 0.25, 0.25, 0.25],
             [0.25, 0.25, 0.25, 0.25]]]])
    """
    how = kernel_size, stride, padding, ceil_mode, count_include_pad
    return avg_pooled_backward("avg_pool2d_backward", 2, gy, x_shape, *how)


def avg_pooled_backward(
    op: str, rank: int, gy: Array, x_shape: Shape, kernel_size: Ints, stride: Ints | None, padding: Ints,
    ceil_mode: bool, count_include_pad: bool,
) -> Array:  # fmt: skip
    """gx of average pooling of any rank."""
    (gy,) = arrays(op, gy=gy)
    shape = as_shape(op, "x_shape", x_shape)
    frame, win = check_window(op, shape, kernel_size, stride, padding, 1, ceil_mode, rank)
    lifted = frame.shape(shape)
    check_shape(op, "gy", gy, (*shape[:-rank], *win.out(lifted[2:], ceil_mode)[-rank:]))
    return frame.drop(twins(gy).pool.avg_backward(frame.lift(gy), lifted, win, ceil_mode, count_include_pad))


@cached
def check_window(
    op: str, shape: Shape, kernel_size: Ints, stride: Ints | None, padding: Ints, dilation: Ints, ceil_mode: bool,
    rank: int = 2,
) -> tuple[Frame, Window]:  # fmt: skip
    """Checks x and the window; gives x's frame, and the window in it."""
    frame = frame_of(op, rank, shape)
    size = as_ints(op, "kernel_size", kernel_size, rank, 1)
    # PyTorch takes an empty stride for None, too.
    stride = size if stride is None or stride == () else as_ints(op, "stride", stride, rank, 1)
    win = Window(size, stride, as_ints(op, "padding", padding, rank, 0), as_ints(op, "dilation", dilation, rank, 1))
    if any(2 * p > k for p, k in zip(win.padding, size, strict=True)):
        raise ValueError(
            f"{op}: padding is {padding}, expected at most half of kernel_size {kernel_size}; pad x with ops.pad"
        )
    check_output(op, shape, shape[-rank:], win, win.out(shape[-rank:], ceil_mode))
    return frame, Window(*(frame.sizes(sizes, none) for sizes, none in zip(win, (1, 1, 0, 1), strict=True)))
