"""The gradients of transposed convolutions on plain arrays, each by itself and together.

Letters as in conv_transpose.py: gy (N, K, P, Q) is the gradient at y, x (N, C, H, W), weight (C, K/groups, R, S); gy
and x may lack the N. The options are those of the forward call. For complex arrays see conv_gradients.py.
"""

from __future__ import annotations

from collections.abc import Collection

from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.checks import Ints
from gpunn.ops.conv_way_back import NEEDS, Found, backward, grad_bias, grad_input, grad_weight, of_transposed
from gpunn.ops.out import with_out


@with_out
def conv_transpose1d_grad_input(
    gy: Array, weight: Array, x_shape: Shape, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of conv_transpose1d, of x_shape, from gy (N, K, Q) and weight (C, K/groups, S): conv1d of gy with it.

    Options and errors as in conv_transpose2d_grad_input.

    >>> ops.conv_transpose1d_grad_input(np.ones((1, 3, 6)), np.ones((2, 3, 3)), (1, 2, 4)).shape
    (1, 2, 4)
    """
    options = stride, padding, output_padding, groups, dilation
    return grad_input(of_transposed, "conv_transpose1d_grad_input", 1, gy, weight, x_shape, *options)


@with_out
def conv_transpose1d_grad_weight(
    gy: Array, x: Array, weight_shape: Shape, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gw of conv_transpose1d, of weight_shape, from gy (N, K, Q) and x (N, C, W).

    Options and errors as in conv_transpose2d_grad_weight.

    >>> ops.conv_transpose1d_grad_weight(np.ones((1, 3, 6)), np.ones((1, 2, 4)), (2, 3, 3)).shape
    (2, 3, 3)
    """
    options = stride, padding, output_padding, groups, dilation
    return grad_weight(of_transposed, "conv_transpose1d_grad_weight", 1, gy, x, weight_shape, *options)


@with_out
def conv_transpose1d_grad_bias(gy: Array, *, out: Array | None = None) -> Array:
    """gb (K,) of conv_transpose1d: gy (N, K, Q) summed over all but K.

    Errors as in conv_transpose2d_grad_bias.

    >>> ops.conv_transpose1d_grad_bias(np.ones((1, 3, 6)))
    array([6., 6., 6.])
    """
    return grad_bias("conv_transpose1d_grad_bias", 1, gy)


@with_out
def conv_transpose1d_backward(
    gy: Array, x: Array, weight: Array, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, needs: Collection[str] = NEEDS, *, out: tuple[Array | None, ...] | None = None,
) -> Found:  # fmt: skip
    """(gx, gw, gb) of conv_transpose1d, None for what is not among needs, which is not computed.

    gy (N, K, Q), x (N, C, W), weight (C, K/groups, S).

    Options and errors as in conv_transpose2d_backward.

    >>> x, w, gy = np.ones((1, 2, 4)), np.ones((2, 3, 3)), np.ones((1, 3, 6))
    >>> gx, gw, gb = ops.conv_transpose1d_backward(gy, x, w, needs=("x", "bias"))
    >>> gx.shape, gw, gb
    ((1, 2, 4), None, array([6., 6., 6.]))
    """
    options = stride, padding, output_padding, groups, dilation
    return backward(of_transposed, "conv_transpose1d_backward", 1, gy, x, weight, needs, *options)


@with_out
def conv_transpose2d_grad_input(
    gy: Array, weight: Array, x_shape: Shape, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of conv_transpose2d, of x_shape, from gy (N, K, P, Q) and weight (C, K/groups, R, S): conv2d of gy with it.

    Options are the forward call's. ValueError: shapes that do not go together, two devices; TypeError: dtypes, an
    x_shape that is no tuple.

    >>> ops.conv_transpose2d_grad_input(np.ones((1, 4, 8, 8)), np.ones((3, 4, 3, 3)), (1, 3, 6, 6)).shape
    (1, 3, 6, 6)
    """
    options = stride, padding, output_padding, groups, dilation
    return grad_input(of_transposed, "conv_transpose2d_grad_input", 2, gy, weight, x_shape, *options)


@with_out
def conv_transpose2d_grad_weight(
    gy: Array, x: Array, weight_shape: Shape, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gw of conv_transpose2d, of weight_shape, from gy (N, K, P, Q) and x (N, C, H, W).

    Options are the forward call's. ValueError: shapes that do not go together, two devices; TypeError: dtypes, a
    weight_shape that is no tuple.

    >>> ops.conv_transpose2d_grad_weight(np.ones((1, 4, 8, 8)), np.ones((1, 3, 6, 6)), (3, 4, 3, 3)).shape
    (3, 4, 3, 3)
    """
    options = stride, padding, output_padding, groups, dilation
    return grad_weight(of_transposed, "conv_transpose2d_grad_weight", 2, gy, x, weight_shape, *options)


@with_out
def conv_transpose2d_grad_bias(gy: Array, *, out: Array | None = None) -> Array:
    """gb (K,) of conv_transpose2d: gy (N, K, P, Q) summed over all but K.

    ValueError: another rank; TypeError: a dtype that is not floating.

    >>> ops.conv_transpose2d_grad_bias(np.ones((1, 4, 8, 8)))
    array([64., 64., 64., 64.])
    """
    return grad_bias("conv_transpose2d_grad_bias", 2, gy)


@with_out
def conv_transpose2d_backward(
    gy: Array, x: Array, weight: Array, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, needs: Collection[str] = NEEDS, *, out: tuple[Array | None, ...] | None = None,
) -> Found:  # fmt: skip
    """(gx, gw, gb) of conv_transpose2d, None for what is not among needs, which is not computed.

    gy (N, K, P, Q), x (N, C, H, W), weight (C, K/groups, R, S).

    Options are the forward call's. ValueError: shapes that do not go together, two devices; TypeError: dtypes,
    `needs` that is no tuple.

    >>> x, w, gy = np.ones((1, 3, 6, 6)), np.ones((3, 4, 3, 3)), np.ones((1, 4, 8, 8))
    >>> gx, gw, gb = ops.conv_transpose2d_backward(gy, x, w, needs=("x", "bias"))
    >>> gx.shape, gw, gb
    ((1, 3, 6, 6), None, array([64., 64., 64., 64.]))
    """
    options = stride, padding, output_padding, groups, dilation
    return backward(of_transposed, "conv_transpose2d_backward", 2, gy, x, weight, needs, *options)


@with_out
def conv_transpose3d_grad_input(
    gy: Array, weight: Array, x_shape: Shape, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gx of conv_transpose3d, of x_shape, from gy (N, K, O, P, Q) and weight (C, K/groups, T, R, S).

    Options and errors as in conv_transpose2d_grad_input.

    >>> ops.conv_transpose3d_grad_input(np.ones((1, 4, 3, 4, 5)), np.ones((2, 4, 2, 2, 2)), (1, 2, 2, 3, 4)).shape
    (1, 2, 2, 3, 4)
    """
    options = stride, padding, output_padding, groups, dilation
    return grad_input(of_transposed, "conv_transpose3d_grad_input", 3, gy, weight, x_shape, *options)


@with_out
def conv_transpose3d_grad_weight(
    gy: Array, x: Array, weight_shape: Shape, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, *, out: Array | None = None,
) -> Array:  # fmt: skip
    """gw of conv_transpose3d, of weight_shape, from gy (N, K, O, P, Q) and x (N, C, D, H, W).

    Options and errors as in conv_transpose2d_grad_weight.

    >>> ops.conv_transpose3d_grad_weight(np.ones((1, 4, 3, 4, 5)), np.ones((1, 2, 2, 3, 4)), (2, 4, 2, 2, 2)).shape
    (2, 4, 2, 2, 2)
    """
    options = stride, padding, output_padding, groups, dilation
    return grad_weight(of_transposed, "conv_transpose3d_grad_weight", 3, gy, x, weight_shape, *options)


@with_out
def conv_transpose3d_grad_bias(gy: Array, *, out: Array | None = None) -> Array:
    """gb (K,) of conv_transpose3d: gy (N, K, O, P, Q) summed over all but K.

    Errors as in conv_transpose2d_grad_bias.

    >>> ops.conv_transpose3d_grad_bias(np.ones((1, 4, 3, 4, 5)))
    array([60., 60., 60., 60.])
    """
    return grad_bias("conv_transpose3d_grad_bias", 3, gy)


@with_out
def conv_transpose3d_backward(
    gy: Array, x: Array, weight: Array, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1, needs: Collection[str] = NEEDS, *, out: tuple[Array | None, ...] | None = None,
) -> Found:  # fmt: skip
    """(gx, gw, gb) of conv_transpose3d, None for what is not among needs, which is not computed.

    gy (N, K, O, P, Q), x (N, C, D, H, W), weight (C, K/groups, T, R, S).

    Options and errors as in conv_transpose2d_backward.

    >>> x, w, gy = np.ones((1, 2, 2, 3, 4)), np.ones((2, 4, 2, 2, 2)), np.ones((1, 4, 3, 4, 5))
    >>> gx, gw, gb = ops.conv_transpose3d_backward(gy, x, w, needs=("x", "bias"))
    >>> gx.shape, gw, gb
    ((1, 2, 2, 3, 4), None, array([60., 60., 60., 60.]))
    """
    options = stride, padding, output_padding, groups, dilation
    return backward(of_transposed, "conv_transpose3d_backward", 3, gy, x, weight, needs, *options)
