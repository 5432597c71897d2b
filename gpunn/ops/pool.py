"""Max and average pooling. Letters: x (N, C, H, W), window (R, S), y (N, C, P, Q)."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

from gpunn.backend import Array, array_module, capture, device_of, to_device, twins
from gpunn.backend.contract import Shape
from gpunn.checks import (
    Ints,
    arrays,
    as_ints,
    cached,
    check_output,
    check_same_device,
    check_shape,
    wants_grad,
)
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import Tensor, record
from gpunn.ops.frame import Frame, frame_of
from gpunn.ops.out import with_out
from gpunn.window import Window, size_text


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
def max_pool2d_backward(gy: Array, indices: Array, x_shape: Shape, *, out: Array | None = None) -> Array:
    """gx of max_pool2d or adaptive_max_pool2d on plain arrays: adds each gy to the place that won.

    gy and indices (N, C, P, Q), indices as return_indices gives them (-1: none won); x_shape (N, C, H, W) is gx's.

    >>> x = np.arange(8.0).reshape(1, 1, 2, 4)
    >>> y, indices = ops.max_pool2d(x, 2, return_indices=True)
    >>> ops.max_pool2d_backward(np.ones_like(y), indices, x.shape)
    array([[[[0., 0., 0., 0.],
             [0., 1., 0., 1.]]]])
    """
    op, x_shape = "max_pool2d_backward", tuple(x_shape)
    (gy,) = arrays(op, gy=gy)
    check_same_device(op, gy, indices, "gy", "indices")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{op}: indices are {indices.dtype}, expected integers; pass what return_indices=True gave")
    check_shape(op, "indices", indices, gy.shape)
    if len(x_shape) not in (3, 4) or x_shape[:-2] != gy.shape[:-2]:
        raise ValueError(f"{op}: x_shape is {x_shape} but gy is {gy.shape}; both are (N, C, *, *) or (C, *, *)")
    capture.refuse(f"{op}: the host looks whether all indices are places of x; differentiate max_pool2d instead")
    low, high = (int(indices.min()), int(indices.max())) if indices.size else (0, -1)
    if low < -1 or high >= x_shape[-2] * x_shape[-1]:
        raise IndexError(
            f"{op}: indices run from {low} to {high}, "
            f"expected 0 to {x_shape[-2] * x_shape[-1] - 1} in a plane of {size_text(x_shape[-2:])}"
        )
    if low < 0:  # from windows in the padding
        gy, indices = gy.copy(), indices.copy()
        gy[indices < 0] = indices[indices < 0] = 0
    # The places say nothing of the windows, which may overlap in any way: each gy goes to its place, one after another.
    planes, size = math.prod(x_shape[:-2]), math.prod(x_shape[-2:])
    first = array_module(gy).arange(planes).repeat(gy.shape[-2] * gy.shape[-1]) * size
    places = indices.reshape(-1).astype("int64") + to_device(first, device_of(gy))
    return twins(gy).indexing.add(gy.reshape(-1), places, (planes * size,)).reshape(x_shape)


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

    >>> ops.avg_pool2d_backward(np.ones((1, 1, 1, 2)), (1, 1, 2, 4), 2)
    array([[[[0.25, 0.25, 0.25, 0.25],
             [0.25, 0.25, 0.25, 0.25]]]])
    """
    op, x_shape = "avg_pool2d_backward", tuple(x_shape)
    (gy,) = arrays(op, gy=gy)
    frame, win = check_window(op, x_shape, kernel_size, stride, padding, 1, ceil_mode)
    check_shape(op, "gy", gy, (*x_shape[:-2], *win.out(x_shape[-2:], ceil_mode)))
    gx = twins(gy).pool.avg_backward(frame.lift(gy), frame.shape(x_shape), win, ceil_mode, count_include_pad)
    return frame.drop(gx)


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
