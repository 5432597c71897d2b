"""Every op differentiated along random directions in float64: no PyTorch, no oracle, only the definition."""

import numpy as np
import pytest

from gpunn import gradcheck, ops
from gpunn.reference.cases import CONV1D, CONV2D, CONV3D, POOL
from tests.parity import normal

X = normal(2, 3, 5, 6)
FAR = np.where(np.abs(X) < 0.05, 0.5, X)  # away from kinks
DISTINCT = np.random.default_rng(0).permutation(X.size).reshape(X.shape) / 10.0  # no ties
LABELS = np.array([[0, 2, 1], [1, 1, -100]])
P = np.exp(X[..., 0]) / np.exp(X[..., 0]).sum(1, keepdims=True)

CHECKS = {
    "add mul sub div": (lambda a, b: (a + b) * (a - b) / (b * b + 1), X, X[0]),
    "pow": (lambda a, b: (a * a + 1) ** b, X, X[:, :1]),
    "matmul": (lambda a, b: a @ b, X, normal(6, 4)),
    "exp log sqrt": (lambda a: ops.log(ops.exp(a) + 1) * ops.sqrt(a * a + 1), X),
    "abs": (ops.abs, FAR),
    "clip": (lambda a: ops.clip(a, -3.01, 12.02), DISTINCT),
    "where": (lambda a, b: ops.where(X > 0, a * b, a), X, X[0]),
    "maximum": (lambda a, b: ops.maximum(a, b) * ops.minimum(a, 2 * b), DISTINCT, DISTINCT[::-1] + 0.03),
    "sum mean": (lambda a: ops.sum(a, 1) * ops.mean(a, (1,)), X),
    "var": (lambda a: ops.var(a, (0, 2)), X),
    "max min": (lambda a: ops.max(a, 1) * ops.min(a, 1), DISTINCT),
    "logsumexp": (lambda a: ops.logsumexp(a, (1, 3)), X),
    "index": (lambda a: a[np.array([0, 1, 1]), ..., 2:] * a[0, None, :, :0:-2, 2:].sum((2,), keepdims=True), X),
    "concatenate stack": (lambda a, b: ops.stack([ops.concatenate([a, b], 1), ops.concatenate([b, a], 1)]), X, X),
    "pad reflect": (lambda a: ops.pad(a, (2, 3, 1, 2), mode="reflect") ** 2, X),
    "pad circular": (lambda a: ops.pad(a, (2, 3, 1, 2), mode="circular") ** 2, X),
    "pad replicate": (lambda a: ops.pad(a, (2, 3, 1, 2), mode="replicate") ** 2, X),
    "tanh": (ops.tanh, X),
    "sigmoid": (ops.sigmoid, X),
    "softplus": (ops.softplus, X),
    "relu": (ops.relu, FAR),
    "leaky_relu": (ops.leaky_relu, FAR),
    "softmax": (lambda a: ops.softmax(a, 1), X),
    "log_softmax": (lambda a: ops.log_softmax(a, -1), X),
    "linear": (ops.linear, X, normal(4, 6), normal(4)),
    "cross_entropy": (
        lambda a: ops.cross_entropy(a, LABELS, np.array([1.0, 2, 0.5]), label_smoothing=0.1),
        X[..., 0, :3],
    ),
    "cross_entropy of probabilities": (lambda a, p: ops.cross_entropy(a, p, label_smoothing=0.1), X[..., 1], P),
    "mse": (ops.mse_loss, X, X[::-1].copy()),
    "l1": (ops.l1_loss, DISTINCT, X),
    "bce": (lambda a, t: ops.binary_cross_entropy_with_logits(a, t, pos_weight=np.full(6, 2.0)), X, np.abs(X)),
    "conv_transpose2d": (
        lambda a, w, b: ops.conv_transpose2d(a, w, b, (2, 1), 1, (1, 0), 3, (1, 2)),
        X,
        normal(3, 2, 3, 2),
        normal(6),
    ),
    "norm pool": (lambda a: ops.lp_pool2d(a, 2, 2, 1) * ops.lp_pool2d(a * a, 3, 2, 1), DISTINCT),
    "adaptive": (lambda a: ops.adaptive_avg_pool2d(a, (3, 4)) * ops.adaptive_max_pool2d(a, (3, 4)), DISTINCT),
    "batch_norm train": (
        lambda a, w, b: ops.batch_norm(a, None, None, w, b, training=True),
        X,
        normal(3),
        normal(3),
    ),
    "batch_norm eval": (
        lambda a, w, b: ops.batch_norm(a, np.zeros(3), np.full(3, 2.0), w, b),
        X,
        normal(3),
        normal(3),
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_op(name):
    function, *inputs = CHECKS[name]
    assert gradcheck(function, inputs)


@pytest.mark.parametrize("case", [c for c in CONV2D + CONV1D + CONV3D if c.x[0]], ids=str)
def test_conv(case):
    function = {1: ops.conv1d, 2: ops.conv2d, 3: ops.conv3d}[len(case.stride)]
    x, w, b, _ = case.arrays(np.float64)
    assert gradcheck(lambda *a: function(*a, **case.geometry), [x, w] + ([] if b is None else [b]))


@pytest.mark.parametrize("case", [c for c in POOL if c.x[0]], ids=str)
def test_pool(case):
    x = case.rng().permutation(int(np.prod(case.x))).reshape(case.x) / 10.0
    options = {"kernel_size": case.size, "stride": case.stride, "padding": case.padding, "ceil_mode": case.ceil_mode}
    assert gradcheck(lambda a: ops.max_pool2d(a, dilation=case.dilation, **options), [x])
    assert gradcheck(lambda a: ops.avg_pool2d(a, count_include_pad=case.count_include_pad, **options), [x])


def test_fused_batch_norm_away_from_the_kink():
    x, residual = X, normal(2, 3, 5, 6, seed=1) * 0.1
    # With the bias at +-9 every output is far on one side of zero.
    bias = np.array([9.0, -9.0, 9.0])
    assert gradcheck(
        lambda a, w, r: ops.batch_norm_relu(a, None, None, w, bias, training=True, residual=r),
        [x, np.ones(3), residual],
    )
