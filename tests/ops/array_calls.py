"""Calls of functions on plain arrays: what to call, on which arrays, and how many kernels that launches."""

import numpy as np

from gpunn import ops
from gpunn.random import Draw
from tests.parity import normal

X, GY = normal(2, 8, 3, 4) * 3, normal(2, 8, 3, 4, seed=1)


def of_activation(name, *options):
    """The gradient's call, on what the forward one gives."""
    forward, backward = getattr(ops, name), getattr(ops, f"{name}_backward")
    return lambda gy, x, y: backward(gy, x, y, *options), (GY, X, forward(X, *options)), 1


WEIGHT, BIAS = abs(normal(8, seed=2)) + 0.5, normal(8, seed=3)
Y, MEAN, RSTD = ops.batch_norm_forward(X, None, None, WEIGHT, BIAS)
EACH = abs(normal(8, 3, 4, seed=2)) + 0.5
EACH_MEAN, EACH_RSTD = ops.batch_norm_forward(X, per_activation=True)[1:]


def normed(x, weight, bias, mean, var, **options):
    """Batch norm on copies of its running statistics, which it also gives."""
    mean, var = mean.astype(weight.dtype, copy=True), var.astype(weight.dtype, copy=True)
    return *ops.batch_norm_forward(x, mean, var, weight, bias, **options), mean, var


STATE = Draw(5, 1, 3)
CALLS = {
    **{
        f"{name}_backward along {dim}": (
            lambda gy, y, dim=dim, name=name: getattr(ops, f"{name}_backward")(gy, y, dim),
            (GY, getattr(ops, name)(X, dim)),
            1,
        )
        for name in ("softmax", "log_softmax")
        for dim in (0, 1, -1)
    },
    "local_response_norm_backward": (
        lambda gy, x: ops.local_response_norm_backward(gy, x, 3, 2.0, 0.5),
        (GY, X),
        2,
    ),
    "dropout_backward": (lambda gy: ops.dropout_backward(gy, STATE, 0.3), (GY,), 1),
    "dropout_backward of a mask": (lambda gy, x: ops.dropout_backward(gy, x > 0, 0.3), (GY, X), 3),
    "layer_norm_forward": (lambda x, w: ops.layer_norm_forward(x, (3, 4), w, w), (X, EACH[0]), 1),
    "layer_norm_backward": (
        lambda gy, x, w, m, r: ops.layer_norm_backward(gy, x, (3, 4), w, m, r),
        (GY, X, EACH[0], *ops.layer_norm_forward(X, (3, 4))[1:]),
        2,
    ),
    "group_norm_forward": (lambda x, w, b: ops.group_norm_forward(x, 4, w, b), (X, WEIGHT, BIAS), 1),
    "group_norm_backward": (
        lambda gy, x, w, m, r: ops.group_norm_backward(gy, x, 4, w, m, r),
        (GY, X, WEIGHT, *ops.group_norm_forward(X, 4)[1:]),
        2,
    ),
    "max, indices": (lambda x: ops.max(x, 1, return_indices=True), (X,), 1),
    "min, indices of all": (lambda x: ops.min(x, return_indices=True), (X,), 1),
    "argmin": (lambda x: ops.argmin(x, 1), (X,), 1),
    "prod": (lambda x: ops.prod(x, 1), (X / 3,), 1),
    "vector_norm": (lambda x: ops.vector_norm(x, 2, (2, 3)), (X,), 1),
    "vector_norm of order 1": (lambda x: ops.vector_norm(x, 1), (X,), 1),
    "vector_norm of order inf": (lambda x: ops.vector_norm(x, np.inf, 0), (X,), 1),
    "dropout_mask": (lambda x: ops.dropout_mask(STATE, 0.3, x), (X,), 3),
    "batch_norm_forward": (lambda x, w, b: ops.batch_norm_forward(x, None, None, w, b), (X, WEIGHT, BIAS), 1),
    "batch_norm_forward, running": (normed, (X, WEIGHT, BIAS, BIAS, WEIGHT), 3),
    "batch_norm_forward, evaluating": (lambda *a: normed(*a, training=False), (X, WEIGHT, BIAS, BIAS, WEIGHT), 5),
    "batch_norm_forward, per activation": (
        lambda x, w: ops.batch_norm_forward(x, None, None, w, w, per_activation=True),
        (X, EACH),
        1,
    ),
    "batch_norm_forward, per activation, running": (
        lambda *a: normed(*a, per_activation=True),
        (X, EACH, EACH - 3, EACH - 2, EACH),
        3,
    ),
    "batch_norm_backward": (
        lambda gy, x, w, m, r: ops.batch_norm_backward(gy, x, w, m, rstd=r),
        (GY, X, WEIGHT, MEAN, RSTD),
        1,
    ),
    "batch_norm_backward, evaluating": (
        lambda gy, x, w, m, r: ops.batch_norm_backward(gy, x, w, m, rstd=r, training=False),
        (GY, X, WEIGHT, BIAS, WEIGHT),
        1,
    ),
    "batch_norm_backward, per activation": (
        lambda gy, x, w, m, r: ops.batch_norm_backward(gy, x, w, m, rstd=r, per_activation=True),
        (GY, X, EACH, EACH_MEAN, EACH_RSTD),
        1,
    ),
    "relu_backward": of_activation("relu"),
    "leaky_relu_backward": of_activation("leaky_relu", 0.1),
    "leaky_relu_backward of x": of_activation("leaky_relu", -0.5),
    "hardtanh_backward": of_activation("hardtanh", -0.5, 2.0),
    "relu6_backward": of_activation("relu6"),
    "clipped_relu_backward": of_activation("clipped_relu", 2.0),
    "tanh_backward": of_activation("tanh"),
    "sigmoid_backward": of_activation("sigmoid"),
    "softplus_backward": of_activation("softplus", 2.0, 3.0),
    "elu_backward": of_activation("elu", 0.5),
    "elu_backward of x": of_activation("elu", -0.5),
    "silu_backward": of_activation("silu"),
    "gelu_backward": of_activation("gelu"),
    "gelu_backward, tanh": of_activation("gelu", "tanh"),
}


def results(found):
    """What a call gave, as a tuple of arrays."""
    return tuple(one for one in (found if isinstance(found, tuple) else (found,)) if hasattr(one, "dtype"))


def called(name, give):
    """The results of a row's call, its arrays given by `give`."""
    function, arguments, _ = CALLS[name]
    return results(function(*[give(a) if isinstance(a, np.ndarray) else a for a in arguments]))
