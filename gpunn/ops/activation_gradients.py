"""Gradients of activations on plain arrays: `NAME_backward(gy, x, y)`, gx from the result's gradient, x and y.

Each reads one of x and y, the one that its docstring names; the other is not looked at and may be None. Arrays have one
shape, dtype and device; gx is new, in the memory order of what was read. One kernel each.
"""

from __future__ import annotations

from gpunn.backend import Array, twins
from gpunn.checks import arrays, check_shape
from gpunn.ops.activation import bend, bounds, gelu_of, under
from gpunn.ops.out import with_out
from gpunn.pointwise import reads_x
from gpunn.scalars import as_number


@with_out
def relu_backward(gy: Array, x: Array | None, y: Array, *, out: Array | None = None) -> Array:
    """gx of relu, from y: gy where y is not 0, else exactly 0.

    x is not read and may be None. ValueError: shapes that differ, two devices; TypeError: dtypes, a None that is read.

    >>> ops.relu_backward(np.array([1.0, 1.0]), None, y=np.array([0.0, 2.0]))
    array([0., 1.])
    """
    return _slopes("relu", "relu", gy, x, y)


@with_out
def leaky_relu_backward(
    gy: Array, x: Array | None, y: Array | None, negative_slope: float = 0.01, *, out: Array | None = None
) -> Array:
    """gx of leaky_relu, from y; from x where negative_slope is below 0.

    Errors as in relu_backward.

    >>> ops.leaky_relu_backward(np.array([1.0, 1.0]), None, np.array([-0.1, 2.0]), 0.1)
    array([0.1, 1. ])
    """
    return _slopes(
        "leaky_relu", "leaky_relu", gy, x, y, as_number("leaky_relu_backward", "negative_slope", negative_slope)
    )


@with_out
def hardtanh_backward(
    gy: Array, x: Array, y: Array | None, min_val: float = -1.0, max_val: float = 1.0, *, out: Array | None = None
) -> Array:
    """gx of hardtanh, from x: gy strictly between the bounds, else exactly 0.

    Errors as in relu_backward.

    >>> ops.hardtanh_backward(np.array([1.0, 1.0]), np.array([0.5, 2.0]), None)
    array([1., 0.])
    """
    return _slopes("hardtanh", "hardtanh", gy, x, y, *bounds("hardtanh_backward", min_val, max_val))


@with_out
def relu6_backward(gy: Array, x: Array, y: Array | None, *, out: Array | None = None) -> Array:
    """gx of relu6, from x: gy strictly between 0 and 6, else exactly 0.

    Errors as in relu_backward.

    >>> ops.relu6_backward(np.array([1.0, 1.0]), np.array([5.0, 7.0]), None)
    array([1., 0.])
    """
    return _slopes("relu6", "hardtanh", gy, x, y, 0.0, 6.0)


@with_out
def clipped_relu_backward(gy: Array, x: Array, y: Array | None, ceiling: float, *, out: Array | None = None) -> Array:
    """gx of clipped_relu, from x: gy strictly between 0 and the ceiling, else exactly 0.

    Errors as in relu_backward.

    >>> ops.clipped_relu_backward(np.array([1.0, 1.0]), np.array([2.0, 7.0]), None, 5)
    array([1., 0.])
    """
    return _slopes("clipped_relu", "hardtanh", gy, x, y, *under("clipped_relu_backward", ceiling))


@with_out
def tanh_backward(gy: Array, x: Array | None, y: Array, *, out: Array | None = None) -> Array:
    """gx of tanh, from y: (1 - y^2) gy.

    Errors as in relu_backward.

    >>> ops.tanh_backward(np.array([1.0]), None, np.array([0.5]))
    array([0.75])
    """
    return _slopes("tanh", "tanh", gy, x, y)


@with_out
def sigmoid_backward(gy: Array, x: Array | None, y: Array, *, out: Array | None = None) -> Array:
    """gx of sigmoid, from y: y (1 - y) gy.

    Errors as in relu_backward.

    >>> ops.sigmoid_backward(np.array([1.0]), None, np.array([0.5]))
    array([0.25])
    """
    return _slopes("sigmoid", "sigmoid", gy, x, y)


@with_out
def softplus_backward(
    gy: Array, x: Array, y: Array | None, beta: float = 1, threshold: float = 20, *, out: Array | None = None
) -> Array:
    """gx of softplus, from x: sigmoid(beta x) gy; gy itself where beta x > threshold.

    Errors as in relu_backward.

    >>> ops.softplus_backward(np.array([1.0, 1.0]), np.array([0.0, 30.0]), None)
    array([0.5, 1. ])
    """
    return _slopes("softplus", "softplus", gy, x, y, *bend("softplus_backward", beta, threshold))


@with_out
def elu_backward(gy: Array, x: Array | None, y: Array | None, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """gx of elu, from y; from x where alpha is below 0.

    Errors as in relu_backward.

    >>> ops.elu_backward(np.array([1.0, 1.0]), None, np.array([-0.5, 2.0]))
    array([0.5, 1. ])
    """
    return _slopes("elu", "elu", gy, x, y, as_number("elu_backward", "alpha", alpha))


@with_out
def silu_backward(gy: Array, x: Array, y: Array | None, *, out: Array | None = None) -> Array:
    """gx of silu, also called swish, from x.

    Errors as in relu_backward.

    >>> ops.silu_backward(np.array([1.0]), np.array([0.0]), None)
    array([0.5])
    """
    return _slopes("silu", "silu", gy, x, y)


@with_out
def gelu_backward(
    gy: Array, x: Array, y: Array | None, approximate: str = "none", *, out: Array | None = None
) -> Array:
    """gx of gelu, from x; approximate as in the forward call.

    Errors as in relu_backward.

    >>> ops.gelu_backward(np.array([1.0]), np.array([0.0]), None)
    array([0.5])
    """
    return _slopes("gelu", gelu_of("gelu_backward", approximate), gy, x, y)


def _slopes(op: str, function: str, gy: Array, x: Array | None, y: Array | None, *options: float) -> Array:
    """The twin's gradient of this function, from that one of x and y which tells the slope."""
    op, name = f"{op}_backward", "x" if reads_x(function, options) else "y"
    seen = x if name == "x" else y
    if seen is None:
        raise TypeError(f"{op}: {name} is None, expected an array like gy: the slope is read from it; pass {name}")
    gy, seen = arrays(op, **{"gy": gy, name: seen})
    check_shape(op, name, seen, gy.shape, "it has gy's shape")
    return twins(seen).activation.slopes(function, gy, seen, options)
