"""Gradients of max pooling on plain arrays, from the winners' places or from x. Letters as in ops.pool."""

from __future__ import annotations

from typing import TypeAlias, overload

from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_shape, cached, check_same_device, check_shape
from gpunn.engine.tensor import data_of
from gpunn.ops.frame import LETTERS, Frame, frame_of
from gpunn.ops.out import with_out
from gpunn.ops.pool import check_window
from gpunn.window import Window

# kernel_size, stride, padding, dilation, ceil_mode.
Options: TypeAlias = tuple[Ints | None, Ints | None, Ints, Ints, bool]
NONE = (None, None, 0, 1, False)
PLACES = ("int64", "int32")


@overload
def max_pool1d_backward(
    gy: Array, indices: Array, x_shape: Shape, kernel_size: Ints | None = None, stride: Ints | None = None,
    padding: Ints = 0, dilation: Ints = 1, ceil_mode: bool = False, *, out: Array | None = None,
) -> Array: ...  # fmt: skip
@overload
def max_pool1d_backward(
    gy: Array, *, x: Array, y: Array | None = None, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False, out: Array | None = None,
) -> Array: ...  # fmt: skip
@with_out
def max_pool1d_backward(
    gy: Array, indices: Array | None = None, x_shape: Shape | None = None, kernel_size: Ints | None = None,
    stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1, ceil_mode: bool = False, *,
    x: Array | None = None, y: Array | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    """`max_pool2d_backward` of gy (N, C, Q) or (C, Q).

    Errors as in max_pool2d_backward.

    >>> ops.max_pool1d_backward(np.array([[1.0, 2.0]]), np.array([[1, 3]]), (1, 5))
    array([[0., 1., 0., 2., 0.]])
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _windowed("max_pool1d_backward", 1, gy, indices, x_shape, options, x, y)


@overload
def max_pool2d_backward(
    gy: Array, indices: Array, x_shape: Shape, kernel_size: Ints | None = None, stride: Ints | None = None,
    padding: Ints = 0, dilation: Ints = 1, ceil_mode: bool = False, *, out: Array | None = None,
) -> Array: ...  # fmt: skip
@overload
def max_pool2d_backward(
    gy: Array, *, x: Array, y: Array | None = None, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False, out: Array | None = None,
) -> Array: ...  # fmt: skip
@with_out
def max_pool2d_backward(
    gy: Array, indices: Array | None = None, x_shape: Shape | None = None, kernel_size: Ints | None = None,
    stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1, ceil_mode: bool = False, *,
    x: Array | None = None, y: Array | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of max_pool2d on plain arrays: adds each gy (N, C, P, Q) or (C, P, Q) to the place that won.

    From indices and x_shape: places as return_indices gives them, int64 or int32 of gy's shape; -1 adds nothing. With
    the forward call's options each must lie in its window, and a device is quicker; without, any places will do, those
    of adaptive_max_pool2d too. From x and kernel_size, with the forward call's options: the winners are looked for
    again, so that of y, which may be left out, the shape alone matters.

    IndexError: an index outside of the plane, or of its window. On `cpu` at once; on a device nothing is added there,
    and gpunn.to_numpy, or what reads a Tensor, raises next: CuPy's own reads know nothing of it. ValueError: shapes
    that do not go together, two devices; TypeError: dtypes, indices beside x, neither of them.

    >>> x = np.arange(8.0).reshape(1, 1, 2, 4)
    >>> y, indices = ops.max_pool2d(x, 2, return_indices=True)
    >>> ops.max_pool2d_backward(np.ones_like(y), indices, x.shape)
    array([[[[0., 0., 0., 0.],
             [0., 1., 0., 1.]]]])
    >>> ops.max_pool2d_backward(np.ones_like(y), x=x, y=y, kernel_size=2).sum(), y.size
    (np.float64(2.0), 2)
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _windowed("max_pool2d_backward", 2, gy, indices, x_shape, options, x, y)


@overload
def max_pool3d_backward(
    gy: Array, indices: Array, x_shape: Shape, kernel_size: Ints | None = None, stride: Ints | None = None,
    padding: Ints = 0, dilation: Ints = 1, ceil_mode: bool = False, *, out: Array | None = None,
) -> Array: ...  # fmt: skip
@overload
def max_pool3d_backward(
    gy: Array, *, x: Array, y: Array | None = None, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False, out: Array | None = None,
) -> Array: ...  # fmt: skip
@with_out
def max_pool3d_backward(
    gy: Array, indices: Array | None = None, x_shape: Shape | None = None, kernel_size: Ints | None = None,
    stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1, ceil_mode: bool = False, *,
    x: Array | None = None, y: Array | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    """`max_pool2d_backward` of gy (N, C, O, P, Q) or (C, O, P, Q).

    Errors as in max_pool2d_backward.

    >>> ops.max_pool3d_backward(np.ones((1, 1, 1, 1)), x=np.arange(4.0).reshape(1, 1, 2, 2), kernel_size=(1, 2, 2))
    array([[[[0., 0.],
             [0., 1.]]]])
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _windowed("max_pool3d_backward", 3, gy, indices, x_shape, options, x, y)


def _windowed(
    op: str, rank: int, gy: Array, indices: Array | None, x_shape: Shape | None, options: Options, x: Array | None,
    y: Array | None,
) -> Array:  # fmt: skip
    if x is None:
        gy, place, shape = with_places(op, rank, gy, indices, x_shape, y)
        frame, win, words = frame_of(op, rank, shape), None, ""
        if options[0] is not None:
            frame, win, words, expected = _geometry(op, rank, shape, *options)
            check_shape(op, "gy", gy, expected)
        elif options != NONE:
            raise TypeError(f"{op}: kernel_size is None beside other options; pass the forward call's, or none of them")
        known = op, place.shape, shape[-rank:], words
        gx = twins(gy).pool.max_backward_from(frame.lift(gy), frame.lift(place), frame.shape(shape), win, known)
        return frame.drop(gx)
    gy, x, y = with_x(op, gy, indices, x_shape, x, y)
    if options[0] is None:
        raise TypeError(f"{op}: kernel_size is None, expected the forward call's, since x is given; pass it")
    frame, win, _, expected = _geometry(op, rank, x.shape, *options)
    check_shape(op, "gy", gy, expected)
    if y is not None:
        check_shape(op, "y", y, expected)
    below, twin = frame.lift(x), twins(x).pool
    index = twin.max_forward(below, win, options[-1])[1]
    return frame.drop(twin.max_backward(frame.lift(gy), index, below.shape, win))


@cached
def _geometry(
    op: str, rank: int, shape: Shape, kernel_size: Ints | None, stride: Ints | None, padding: Ints, dilation: Ints,
    ceil_mode: bool,
) -> tuple[Frame, Window, str, Shape]:  # fmt: skip
    """x's frame, the window in it, the same as the user has it in words, and the shape of y."""
    assert kernel_size is not None
    frame, win = check_window(op, shape, kernel_size, stride, padding, dilation, ceil_mode, rank)
    out = win.out(frame.shape(shape)[2:], ceil_mode)[-rank:]
    return frame, win, str(Window(*[part[-rank:] for part in win])), (*shape[:-rank], *out)


def with_places(
    op: str, rank: int, gy: Array, indices: Array | None, x_shape: Shape | None, y: Array | None
) -> tuple[Array, Array, Shape]:
    """gy, the places and x's shape, where the gradient is made from these. Refuses what does not go together."""
    (gy,) = arrays(op, gy=gy)
    if y is not None:
        raise TypeError(f"{op}: y is given without x; pass x too, or indices and x_shape")
    if indices is None or x_shape is None:
        raise TypeError(f"{op}: {'indices' if indices is None else 'x_shape'} is None; pass indices and x_shape, or x")
    place, shape = data_of(indices), as_shape(op, "x_shape", x_shape)
    check_same_device(op, gy, place, "gy", "indices")
    if place.dtype.name not in PLACES:
        raise TypeError(
            f"{op}: indices are {place.dtype}, expected integers, int64 or int32; pass what return_indices=True gave"
        )
    check_shape(op, "indices", place, gy.shape, "pass what the forward call gave")
    frame_of(op, rank, shape)
    check_sizes(op, rank, gy, shape)
    return gy, place, shape


def check_sizes(op: str, rank: int, gy: Array, shape: Shape) -> None:
    """Refuses a gy that no pooling of x of this shape gives."""
    if gy.ndim != len(shape) or gy.shape[:-rank] != shape[:-rank] or 0 in gy.shape[-rank:]:
        letters = LETTERS[rank]
        raise ValueError(
            f"{op}: gy is {gy.shape} but x is {shape}, expected ({letters}) or ({letters[3:]}) of both, alike but for "
            "the last sizes; pass what the forward call took and gave"
        )


def with_x(
    op: str, gy: Array, indices: Array | None, x_shape: Shape | None, x: Array, y: Array | None
) -> tuple[Array, Array, Array | None]:
    """gy, x and y, where the gradient is made from these. Refuses what does not go together."""
    if indices is not None or x_shape is not None:
        raise TypeError(f"{op}: got indices or x_shape beside x; pass indices and x_shape, or x")
    gy, x, *rest = arrays(op, gy=gy, x=x, **({} if y is None else {"y": y}))
    return gy, x, rest[0] if rest else None
