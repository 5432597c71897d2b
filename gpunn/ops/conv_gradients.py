"""The gradients of convolutions on plain arrays, each by itself and together.

Letters as in conv.py: gy (N, K, P, Q) is the gradient at y, x (N, C, H, W), weight (K, C/groups, R, S); gy and x may
lack the N. The options are those of the forward call. Of complex arrays they are PyTorch's: gx = grad_input(gy,
conj(weight)), gw = grad_weight(gy, conj(x)), so that a step against them goes downhill.
"""

from __future__ import annotations

from collections.abc import Collection

from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.checks import Ints
from gpunn.ops.conv_way_back import NEEDS, Found, backward, grad_bias, grad_input, grad_weight, of_conv
from gpunn.ops.out import with_out


@with_out
def conv1d_grad_input(
    gy: Array, weight: Array, x_shape: Shape, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of conv1d, of x_shape, from gy (N, K, Q) and weight (K, C/groups, S): each gy spread over its window.

    Options and errors as in conv2d_grad_input.

    >>> ops.conv1d_grad_input(np.ones((1, 3, 4)), np.ones((3, 2, 3)), (1, 2, 6)).shape
    (1, 2, 6)
    """
    return grad_input(of_conv, "conv1d_grad_input", 1, gy, weight, x_shape, stride, padding, dilation, groups)


@with_out
def conv1d_grad_weight(
    gy: Array, x: Array, weight_shape: Shape, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gw of conv1d, of weight_shape, from gy (N, K, Q) and x (N, C, W): the sum of gy times its window.

    Options and errors as in conv2d_grad_weight.

    >>> ops.conv1d_grad_weight(np.ones((1, 3, 4)), np.ones((1, 2, 6)), (3, 2, 3)).shape
    (3, 2, 3)
    """
    return grad_weight(of_conv, "conv1d_grad_weight", 1, gy, x, weight_shape, stride, padding, dilation, groups)


@with_out
def conv1d_grad_bias(gy: Array, *, out: Array | None = None) -> Array:
    """gb (K,) of conv1d: gy (N, K, Q) summed over all but K.

    Errors as in conv2d_grad_bias.

    >>> ops.conv1d_grad_bias(np.ones((1, 3, 4)))
    array([4., 4., 4.])
    """
    return grad_bias("conv1d_grad_bias", 1, gy)


@with_out
def conv1d_backward(
    gy: Array, x: Array, weight: Array, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, needs: Collection[str] = NEEDS, *, out: tuple[Array | None, ...] | None = None,
) -> Found:  # fmt: skip
    """(gx, gw, gb) of conv1d, None for what is not among needs, which is not computed.

    gy (N, K, Q), x (N, C, W), weight (K, C/groups, S).

    Options and errors as in conv2d_backward.

    >>> x, w, gy = np.ones((1, 2, 6)), np.ones((3, 2, 3)), np.ones((1, 3, 4))
    >>> gx, gw, gb = ops.conv1d_backward(gy, x, w, needs=("x", "bias"))
    >>> gx.shape, gw, gb
    ((1, 2, 6), None, array([4., 4., 4.]))
    """
    return backward(of_conv, "conv1d_backward", 1, gy, x, weight, needs, stride, padding, dilation, groups)


@with_out
def conv2d_grad_input(
    gy: Array, weight: Array, x_shape: Shape, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of conv2d, of x_shape, from gy (N, K, P, Q) and weight (K, C/groups, R, S): each gy spread over its window.

    Options are the forward call's. ValueError: shapes that do not go together, two devices; TypeError: dtypes, an
    x_shape that is no tuple.

    >>> ops.conv2d_grad_input(np.ones((1, 4, 6, 6)), np.ones((4, 3, 3, 3)), (1, 3, 8, 8)).shape
    (1, 3, 8, 8)
    """
    return grad_input(of_conv, "conv2d_grad_input", 2, gy, weight, x_shape, stride, padding, dilation, groups)


@with_out
def conv2d_grad_weight(
    gy: Array, x: Array, weight_shape: Shape, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gw of conv2d, of weight_shape, from gy (N, K, P, Q) and x (N, C, H, W): the sum of gy times its window.

    Options are the forward call's. ValueError: shapes that do not go together, two devices; TypeError: dtypes, a
    weight_shape that is no tuple.

    >>> ops.conv2d_grad_weight(np.ones((1, 4, 6, 6)), np.ones((1, 3, 8, 8)), (4, 3, 3, 3)).shape
    (4, 3, 3, 3)
    """
    return grad_weight(of_conv, "conv2d_grad_weight", 2, gy, x, weight_shape, stride, padding, dilation, groups)


@with_out
def conv2d_grad_bias(gy: Array, *, out: Array | None = None) -> Array:
    """gb (K,) of conv2d: gy (N, K, P, Q) summed over all but K.

    ValueError: another rank; TypeError: a dtype that is not floating.

    >>> ops.conv2d_grad_bias(np.ones((1, 4, 6, 6)))
    array([36., 36., 36., 36.])
    """
    return grad_bias("conv2d_grad_bias", 2, gy)


@with_out
def conv2d_backward(
    gy: Array, x: Array, weight: Array, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, needs: Collection[str] = NEEDS, *, out: tuple[Array | None, ...] | None = None,
) -> Found:  # fmt: skip
    """(gx, gw, gb) of conv2d, None for what is not among needs, which is not computed.

    gy (N, K, P, Q), x (N, C, H, W), weight (K, C/groups, R, S).

    Options are the forward call's. ValueError: shapes that do not go together, two devices; TypeError: dtypes,
    `needs` that is no tuple.

    >>> x, w, gy = np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3)), np.ones((1, 4, 6, 6))
    >>> gx, gw, gb = ops.conv2d_backward(gy, x, w, needs=("x", "bias"))
    >>> gx.shape, gw, gb
    ((1, 3, 8, 8), None, array([36., 36., 36., 36.]))
    """
    return backward(of_conv, "conv2d_backward", 2, gy, x, weight, needs, stride, padding, dilation, groups)


@with_out
def conv3d_grad_input(
    gy: Array, weight: Array, x_shape: Shape, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of conv3d, of x_shape, from gy (N, K, O, P, Q) and weight (K, C/groups, T, R, S).

    Options and errors as in conv2d_grad_input.

    >>> ops.conv3d_grad_input(np.ones((1, 4, 2, 3, 4)), np.ones((4, 2, 2, 2, 2)), (1, 2, 3, 4, 5)).shape
    (1, 2, 3, 4, 5)
    """
    return grad_input(of_conv, "conv3d_grad_input", 3, gy, weight, x_shape, stride, padding, dilation, groups)


@with_out
def conv3d_grad_weight(
    gy: Array, x: Array, weight_shape: Shape, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gw of conv3d, of weight_shape, from gy (N, K, O, P, Q) and x (N, C, D, H, W): the sum of gy times its window.

    Options and errors as in conv2d_grad_weight.

    >>> ops.conv3d_grad_weight(np.ones((1, 4, 2, 3, 4)), np.ones((1, 2, 3, 4, 5)), (4, 2, 2, 2, 2)).shape
    (4, 2, 2, 2, 2)
    """
    return grad_weight(of_conv, "conv3d_grad_weight", 3, gy, x, weight_shape, stride, padding, dilation, groups)


@with_out
def conv3d_grad_bias(gy: Array, *, out: Array | None = None) -> Array:
    """gb (K,) of conv3d: gy (N, K, O, P, Q) summed over all but K.

    Errors as in conv2d_grad_bias.

    >>> ops.conv3d_grad_bias(np.ones((1, 4, 2, 3, 4)))
    array([24., 24., 24., 24.])
    """
    return grad_bias("conv3d_grad_bias", 3, gy)


@with_out
def conv3d_backward(
    gy: Array, x: Array, weight: Array, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1, needs: Collection[str] = NEEDS, *, out: tuple[Array | None, ...] | None = None,
) -> Found:  # fmt: skip
    """(gx, gw, gb) of conv3d, None for what is not among needs, which is not computed.

    gy (N, K, O, P, Q), x (N, C, D, H, W), weight (K, C/groups, T, R, S).

    Options and errors as in conv2d_backward.

    >>> x, w, gy = np.ones((1, 2, 3, 4, 5)), np.ones((4, 2, 2, 2, 2)), np.ones((1, 4, 2, 3, 4))
    >>> gx, gw, gb = ops.conv3d_backward(gy, x, w, needs=("x", "bias"))
    >>> gx.shape, gw, gb
    ((1, 2, 3, 4, 5), None, array([24., 24., 24., 24.]))
    """
    return backward(of_conv, "conv3d_backward", 3, gy, x, weight, needs, stride, padding, dilation, groups)
