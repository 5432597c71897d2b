"""Pooling to a wanted size, in one to three dimensions. Letters: x (N, C, *spatial), y (N, C, *output_size)."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, overload

from gpunn.backend import Array, twins
from gpunn.checks import arrays, as_ints, wants_grad
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor
from gpunn.ops.frame import Frame, frame_of
from gpunn.ops.out import with_out

Sizes: TypeAlias = int | tuple[int | None, ...] | list[int | None] | None


@with_out
def adaptive_avg_pool1d(x: A, output_size: Sizes, *, out: Array | None = None) -> A:
    """`adaptive_avg_pool2d` of x (N, C, L) or (C, L).

    >>> ops.adaptive_avg_pool1d(np.arange(5.0).reshape(1, 1, 5), 2)
    array([[[1., 3.]]])
    """
    return _avg("adaptive_avg_pool1d", 1, x, output_size)


@with_out
def adaptive_avg_pool2d(x: A, output_size: Sizes, *, out: Array | None = None) -> A:
    """Means over windows that divide x (N, C, H, W) or (C, H, W) into output_size: an int, or two; None keeps the size.

    Window i covers floor(i H / P) to ceil((i + 1) H / P), so that neighbours overlap where P does not divide H.

    >>> ops.adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _avg("adaptive_avg_pool2d", 2, x, output_size)


@with_out
def adaptive_avg_pool3d(x: A, output_size: Sizes, *, out: Array | None = None) -> A:
    """`adaptive_avg_pool2d` of x (N, C, D, H, W) or (C, D, H, W).

    >>> ops.adaptive_avg_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), 1)
    array([[[[[7.5]]]]])
    """
    return _avg("adaptive_avg_pool3d", 3, x, output_size)


@overload
def adaptive_max_pool1d(
    x: A, output_size: Sizes, return_indices: Literal[False] = False, *, out: Array | None = None
) -> A: ...
@overload
def adaptive_max_pool1d(
    x: A, output_size: Sizes, return_indices: Literal[True], *, out: tuple[Array, Array] | None = None
) -> tuple[A, A]: ...
@with_out
def adaptive_max_pool1d(
    x: A, output_size: Sizes, return_indices: bool = False, *, out: Array | tuple[Array, Array] | None = None
) -> A | tuple[A, A]:
    """`adaptive_max_pool2d` of x (N, C, L) or (C, L).

    >>> ops.adaptive_max_pool1d(np.arange(5.0).reshape(1, 1, 5), 2)
    array([[[2., 4.]]])
    """
    return _max("adaptive_max_pool1d", 1, x, output_size, return_indices)


@overload
def adaptive_max_pool2d(
    x: A, output_size: Sizes, return_indices: Literal[False] = False, *, out: Array | None = None
) -> A: ...
@overload
def adaptive_max_pool2d(
    x: A, output_size: Sizes, return_indices: Literal[True], *, out: tuple[Array, Array] | None = None
) -> tuple[A, A]: ...
@with_out
def adaptive_max_pool2d(
    x: A, output_size: Sizes, return_indices: bool = False, *, out: Array | tuple[Array, Array] | None = None
) -> A | tuple[A, A]:
    """Maxima over the windows of adaptive_avg_pool2d; with return_indices also the int64 places h*W + w.

    >>> ops.adaptive_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max("adaptive_max_pool2d", 2, x, output_size, return_indices)


@overload
def adaptive_max_pool3d(
    x: A, output_size: Sizes, return_indices: Literal[False] = False, *, out: Array | None = None
) -> A: ...
@overload
def adaptive_max_pool3d(
    x: A, output_size: Sizes, return_indices: Literal[True], *, out: tuple[Array, Array] | None = None
) -> tuple[A, A]: ...
@with_out
def adaptive_max_pool3d(
    x: A, output_size: Sizes, return_indices: bool = False, *, out: Array | tuple[Array, Array] | None = None
) -> A | tuple[A, A]:
    """`adaptive_max_pool2d` of x (N, C, D, H, W) or (C, D, H, W); places are (d*H + h)*W + w.

    >>> ops.adaptive_max_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), (1, 1, 2))
    array([[[[[13., 15.]]]]])
    """
    return _max("adaptive_max_pool3d", 3, x, output_size, return_indices)


def _avg(op: str, rank: int, x: Operand, output_size: Sizes) -> Any:
    (a,) = arrays(op, x=x)
    frame = frame_of(op, rank, a.shape)
    lifted, out = frame.lift(a), _output_size(op, frame, a, output_size)
    twin, x_shape = twins(a).adaptive_pool, lifted.shape
    y = twin.avg_forward(lifted, out)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (frame.drop(twin.avg_backward(frame.lift(gy), x_shape)),)

    return record(op, frame.drop(y), (x,), backward, owned=True)


def _max(op: str, rank: int, x: Operand, output_size: Sizes, return_indices: bool) -> Any:
    (a,) = arrays(op, x=x)
    frame = frame_of(op, rank, a.shape)
    lifted, out = frame.lift(a), _output_size(op, frame, a, output_size)
    twin, x_shape = twins(a).adaptive_pool, lifted.shape
    y, index = twin.max_forward(lifted, out, return_indices or (is_grad_enabled() and wants_grad(x)))

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (frame.drop(twin.max_backward(frame.lift(gy), index, x_shape)),)

    result = record(op, frame.drop(y), (x,), backward, owned=True)
    if not return_indices:
        return result
    places = frame.drop(twin.places(index, x_shape))
    return result, Tensor(places) if isinstance(x, Tensor) else places


def _output_size(op: str, frame: Frame, a: Array, output_size: Sizes) -> tuple[int, ...]:
    """The option output_size as an int an axis of the frame: one int counts for all, None stands for x's own size."""
    rank = frame.rank
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * rank
    if len(sizes) == rank:
        sizes = tuple([n if size is None else size for size, n in zip(sizes, a.shape[-rank:], strict=True)])
    return frame.sizes(as_ints(op, "output_size", sizes, rank, 1), 1)
