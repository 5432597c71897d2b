"""Gradients on plain arrays of float16 and bfloat16 on the cpu: float32's of the same numbers, rounded once."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import ops
from tests.ops.test_narrow import TYPES, assert_rounded
from tests.parity import normal

X, W = normal(2, 4, 5, 5), normal(4, 4, 3, 3, seed=1)
GY, GZ = normal(2, 4, 5, 5, seed=2), normal(2, 4, 3, 3, seed=3)
VECTOR = np.abs(normal(4, seed=4)) + 0.5
INDICES = ops.max_pool2d(X, 2, 1, return_indices=True)[1]
CALLS = {
    **{
        f"{name} of x": (getattr(ops, f"{name}_backward"), GY, X, None)
        for name in ("hardtanh", "softplus", "silu", "gelu")
    },
    **{f"{name} of y": (getattr(ops, f"{name}_backward"), GY, None, X) for name in ("relu", "tanh", "sigmoid", "elu")},
    "leaky_relu": (ops.leaky_relu_backward, GY, X, X),
    "softmax": (ops.softmax_backward, GY, X, 1),
    "log_softmax": (ops.log_softmax_backward, GY, X, -1),
    "local_response_norm": (ops.local_response_norm_backward, GY, X, 3),
    "conv2d": (ops.conv2d_backward, GZ, X, W),
    "conv1d": (ops.conv1d_backward, normal(5, 3, 2), normal(5, 2, 4), normal(3, 2, 3)),
    "conv_transpose2d": (ops.conv_transpose2d_backward, normal(2, 4, 7, 7), X, W),
    "batch_norm": (ops.batch_norm_backward, GY, X, VECTOR, VECTOR, VECTOR),
    "avg_pool2d": (lambda gy: ops.avg_pool2d_backward(gy, (2, 4, 5, 5), 3, 1), GZ),
    "max_pool2d": (lambda gy: ops.max_pool2d_backward(gy, INDICES, (2, 4, 5, 5)), normal(2, 4, 4, 4)),
}


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("name", CALLS)
def test_gradients_on_arrays(name, type_name):
    function, *given = CALLS[name]
    narrow = [a.astype(type_name) if isinstance(a, np.ndarray) else a for a in given]
    wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in narrow]
    found, exact = function(*narrow), function(*wide)
    pairs = zip(found, exact, strict=True) if isinstance(found, tuple) else [(found, exact)]
    for i, (got, want) in enumerate(pairs):
        kept = name == "batch_norm" and i > 0  # of parameters, which are float32 beside 16 bits
        assert_rounded(got, want, np.dtype(np.float32 if kept else type_name))
