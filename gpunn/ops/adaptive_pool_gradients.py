"""Gradients of pooling to a wanted size, on plain arrays. Letters as in ops.adaptive_pool."""

from __future__ import annotations

from typing import overload

from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, as_shape, check_shape
from gpunn.ops.frame import frame_of
from gpunn.ops.max_pool_gradients import check_sizes, with_places, with_x
from gpunn.ops.out import with_out
from gpunn.window import size_text


@with_out
def adaptive_avg_pool1d_backward(gy: Array, x_shape: Shape, *, out: Array | None = None) -> Array:
    """`adaptive_avg_pool2d_backward` of gy (N, C, Q) or (C, Q).

    Errors as in avg_pool2d_backward.

    >>> ops.adaptive_avg_pool1d_backward(np.array([[1.0, 3.0]]), (1, 3))
    array([[0.5, 2. , 1.5]])
    """
    return _avg("adaptive_avg_pool1d_backward", 1, gy, x_shape)


@with_out
def adaptive_avg_pool2d_backward(gy: Array, x_shape: Shape, *, out: Array | None = None) -> Array:
    """gx of adaptive_avg_pool2d on plain arrays: gy (N, C, P, Q) or (C, P, Q), each shared out over its window.

    gy's own size is the output_size; of size 1x1 it is the gradient of global average pooling.

    Errors as in avg_pool2d_backward.

    >>> ops.adaptive_avg_pool2d_backward(np.ones((1, 1, 1)), (1, 2, 2))
    array([[[0.25, 0.25],
            [0.25, 0.25]]])
    """
    return _avg("adaptive_avg_pool2d_backward", 2, gy, x_shape)


@with_out
def adaptive_avg_pool3d_backward(gy: Array, x_shape: Shape, *, out: Array | None = None) -> Array:
    """`adaptive_avg_pool2d_backward` of gy (N, C, O, P, Q) or (C, O, P, Q).

    Errors as in avg_pool2d_backward.

    >>> ops.adaptive_avg_pool3d_backward(np.ones((1, 1, 1, 2)), (1, 1, 2, 2))
    array([[[[0.5, 0.5],
             [0.5, 0.5]]]])
    """
    return _avg("adaptive_avg_pool3d_backward", 3, gy, x_shape)


@overload
def adaptive_max_pool1d_backward(gy: Array, indices: Array, x_shape: Shape, *, out: Array | None = None) -> Array: ...
@overload
def adaptive_max_pool1d_backward(gy: Array, *, x: Array, y: Array | None = None, out: Array | None = None) -> Array: ...
@with_out
def adaptive_max_pool1d_backward(
    gy: Array, indices: Array | None = None, x_shape: Shape | None = None, *,
    x: Array | None = None, y: Array | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    """`adaptive_max_pool2d_backward` of gy (N, C, Q) or (C, Q).

    Errors as in max_pool2d_backward.

    >>> ops.adaptive_max_pool1d_backward(np.array([[1.0, 2.0]]), x=np.array([[3.0, 0.0, 0.0, 0.0]]))
    array([[1., 0., 2., 0.]])
    """
    return _max("adaptive_max_pool1d_backward", 1, gy, indices, x_shape, x, y)


@overload
def adaptive_max_pool2d_backward(gy: Array, indices: Array, x_shape: Shape, *, out: Array | None = None) -> Array: ...
@overload
def adaptive_max_pool2d_backward(gy: Array, *, x: Array, y: Array | None = None, out: Array | None = None) -> Array: ...
@with_out
def adaptive_max_pool2d_backward(
    gy: Array, indices: Array | None = None, x_shape: Shape | None = None, *,
    x: Array | None = None, y: Array | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of adaptive_max_pool2d, as `max_pool2d_backward` has it: from indices and x_shape, or from x.

    gy's own size is the output_size; of size 1x1 it is the gradient of global max pooling.

    Errors as in max_pool2d_backward.

    >>> ops.adaptive_max_pool2d_backward(np.ones((1, 1, 1)), np.array([[[3]]]), (1, 2, 2))
    array([[[0., 0.],
            [0., 1.]]])
    """
    return _max("adaptive_max_pool2d_backward", 2, gy, indices, x_shape, x, y)


@overload
def adaptive_max_pool3d_backward(gy: Array, indices: Array, x_shape: Shape, *, out: Array | None = None) -> Array: ...
@overload
def adaptive_max_pool3d_backward(gy: Array, *, x: Array, y: Array | None = None, out: Array | None = None) -> Array: ...
@with_out
def adaptive_max_pool3d_backward(
    gy: Array, indices: Array | None = None, x_shape: Shape | None = None, *,
    x: Array | None = None, y: Array | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    """`adaptive_max_pool2d_backward` of gy (N, C, O, P, Q) or (C, O, P, Q).

    Errors as in max_pool2d_backward.

    >>> ops.adaptive_max_pool3d_backward(np.ones((1, 1, 1, 1)), np.array([[[[2]]]]), (1, 1, 1, 4))
    array([[[[0., 0., 1., 0.]]]])
    """
    return _max("adaptive_max_pool3d_backward", 3, gy, indices, x_shape, x, y)


def _avg(op: str, rank: int, gy: Array, x_shape: Shape) -> Array:
    (gy,) = arrays(op, gy=gy)
    shape = as_shape(op, "x_shape", x_shape)
    frame = frame_of(op, rank, shape)
    check_sizes(op, rank, gy, shape)
    return frame.drop(twins(gy).adaptive_pool.avg_backward(frame.lift(gy), frame.shape(shape)))


def _max(
    op: str, rank: int, gy: Array, indices: Array | None, x_shape: Shape | None, x: Array | None, y: Array | None
) -> Array:
    if x is None:
        gy, place, shape = with_places(op, rank, gy, indices, x_shape, y)
        frame, plane = frame_of(op, rank, shape), shape[-rank:]
        known = op, place.shape, plane, f"adaptive, {size_text(plane)} to {size_text(gy.shape[-rank:])}"
        gx = twins(gy).adaptive_pool.max_backward_from(frame.lift(gy), frame.lift(place), frame.shape(shape), known)
        return frame.drop(gx)
    gy, x, y = with_x(op, gy, indices, x_shape, x, y)
    frame, twin = frame_of(op, rank, x.shape), twins(x).adaptive_pool
    check_sizes(op, rank, gy, x.shape)
    if y is not None:
        check_shape(op, "y", y, gy.shape)
    below, above = frame.lift(x), frame.lift(gy)
    return frame.drop(twin.max_backward(above, twin.max_forward(below, above.shape[2:])[1], below.shape))
