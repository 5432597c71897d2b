"""Infinite scores: every loss gives the limit, and what has no weight counts nothing; on every device."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops

INF = math.inf
pytestmark = pytest.mark.usefixtures("device_there")
DEVICES = pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])


def run(device, loss, x, *given, dtype="float32", **options):
    """The loss of x, beside other arrays, and its gradient, which is asked for by ones."""

    def give(values):
        return gpunn.to_device(np.asarray(values, dtype if np.asarray(values).dtype.kind == "f" else None), device)

    t = Tensor(give(x), requires_grad=True)
    y = loss(t, *[None if values is None else give(values) for values in given], **options)
    y.backward(gpunn.to_device(np.ones(y.shape, dtype), device))
    return gpunn.to_numpy(y.array), gpunn.to_numpy(t.gradient)


def product(weight, value):
    return 0.0 if weight == 0 else weight * value


def log_softmax(row):
    """The limit: of infinite scores those that are largest share everything."""
    if INF in row:
        row = [0.0 if v == INF else -INF for v in row]
    total = math.log(sum(math.exp(v - max(row)) for v in row))
    return [v - max(row) - total for v in row]


ROWS = [[-INF, 0.0, 1.0], [INF, 0.0, 1.0], [INF, -INF, 3.0], [0.5, -INF, -INF]]
WEIGHTS = [None, [0.0, 1.0, 1.0], [1.0, 0.0, 2.0]]


@DEVICES
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_cross_entropy_of_class_indices(device, weight, smoothing):
    for label in (0, 1, 2, -100):
        got, gradient = run(
            device, ops.cross_entropy, ROWS, [label] * 4, weight, reduction="none", label_smoothing=smoothing
        )
        w = weight or [1.0] * 3
        for row, loss, g in zip(ROWS, got, gradient, strict=True):
            logp = log_softmax(row)
            q = [(1 - smoothing) * (c == label) * w[c] + smoothing / 3 * w[c] for c in range(3)]
            if label == -100:
                q = [0.0] * 3
            want = -sum(map(product, q, logp))
            assert loss == pytest.approx(want, rel=1e-5), (row, label)
            np.testing.assert_allclose(g, np.exp(logp) * sum(q) - q, atol=1e-6)


@DEVICES
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_cross_entropy_of_probabilities(device, weight, smoothing):
    for given in ([0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]):
        got, gradient = run(
            device, ops.cross_entropy, ROWS, [given] * 4, weight, reduction="none", label_smoothing=smoothing
        )
        for row, loss, g in zip(ROWS, got, gradient, strict=True):
            logp = log_softmax(row)
            q = [((1 - smoothing) * q + smoothing / 3) * w for q, w in zip(given, weight or [1.0] * 3, strict=True)]
            assert loss == pytest.approx(-sum(map(product, q, logp)), rel=1e-5), (row, given)
            np.testing.assert_allclose(g, np.exp(logp) * sum(q) - q, atol=1e-6)


@DEVICES
def test_the_gradient_of_probabilities(device):
    q = Tensor(gpunn.to_device(np.array([[0.0, 0.5, 0.5]], np.float32), device), requires_grad=True)
    x = gpunn.to_device(np.array([[-INF, 0.0, 1.0]], np.float32), device)
    w = gpunn.to_device(np.array([0.0, 1.0, 1.0], np.float32), device)
    ops.cross_entropy(x, q, w).backward()
    np.testing.assert_allclose(gpunn.to_numpy(q.gradient), [[0.0, 1.313262, 0.313262]], rtol=1e-5)


@DEVICES
def test_log_likelihoods(device):
    rows, weight = [[-INF, 0.0, -1.0], [0.0, -INF, -2.0]], [0.0, 1.0, 3.0]
    for labels, want in (([0, 0], [0.0, 0.0]), ([1, 1], [0.0, INF]), ([2, -100], [3.0, 0.0])):
        got, _ = run(device, ops.nll_loss, rows, labels, weight, reduction="none")
        assert got.tolist() == want


@DEVICES
def test_binary_cross_entropy(device):
    def binary(x, target, weight, pos_weight):
        return ops.binary_cross_entropy_with_logits(x, target, weight, "none", pos_weight)

    scores = [-INF, INF, 0.0, -3.0]
    for t, pw, w in itertools.product((0.0, 1.0, 0.25), (None, 0.0, 2.0), (None, 0.0, 3.0)):
        got, gradient = run(
            device,
            binary,
            scores,
            [t] * 4,
            None if w is None else [w],
            None if pw is None else [pw],
        )
        for x, loss, g in zip(scores, got, gradient, strict=True):
            positive, negative = (t if pw is None else t * pw), 1 - t
            near = math.log1p(math.exp(-abs(x)))
            want = product(negative, max(x, 0) + near) + product(positive, max(-x, 0) + near)
            right = 1.0 if x == -INF else 0.0 if x == INF else 1 / (1 + math.exp(x))  # sigmoid(-x)
            assert loss == pytest.approx(product(1.0 if w is None else w, want), rel=1e-6), (x, t, pw, w)
            slope = (negative - (negative + positive) * right) * (1.0 if w is None else w)
            assert g == pytest.approx(slope, rel=1e-5, abs=1e-7), (x, t, pw, w)


@DEVICES
def test_binary_targets_have_a_gradient(device):
    for pw, want in ((None, [INF, -INF]), (0.0, [-0.0, -INF]), (0.5, [INF, -INF])):
        t = Tensor(gpunn.to_device(np.array([0.5, 0.5], np.float32), device), requires_grad=True)
        x = gpunn.to_device(np.array([-INF, INF], np.float32), device)
        weight = None if pw is None else gpunn.to_device(np.array([pw], np.float32), device)
        ops.binary_cross_entropy_with_logits(x, t, pos_weight=weight, reduction="sum").backward()
        assert gpunn.to_numpy(t.gradient).tolist() == want


@DEVICES
def test_distances(device):
    for loss, slope in ((ops.mse_loss, [INF, -INF, 2.0]), (ops.l1_loss, [1, -1, 1])):
        got, gradient = run(device, loss, [INF, -INF, 1.0], [0.0] * 3, reduction="none")
        assert got.tolist() == [INF, INF, 1.0] and gradient.tolist() == slope


@DEVICES
def test_weights_that_leave_nothing_make_a_mean_of_nothing(device):
    for smoothing in (0.0, 0.1):
        got, gradient = run(device, ops.cross_entropy, ROWS[:2], [0, 0], [0.0, 1.0, 1.0], label_smoothing=smoothing)
        assert math.isnan(got) and (gradient == 0).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_16_bit_losses_are_added_in_float32(device, dtype, request):
    """5000 terms of 1 would stop at 2048, or at 256 ones; squares of 300 leave float16."""
    if device == "cuda":
        request.getfixturevalue("look_alike")
    dtype = np.dtype("float16") if dtype == "float16" else pytest.importorskip("ml_dtypes").bfloat16
    x, zeros = (gpunn.to_device(np.full(5000, v, dtype), device) for v in (1.0, 0.0))
    for loss in (ops.mse_loss, ops.l1_loss):
        assert float(loss(x, zeros)) == 1.0
        assert float(loss(x, zeros, "sum")) == pytest.approx(5000, rel=4e-3)
    assert float(ops.mse_loss(x * 200, zeros)) == pytest.approx(40000, rel=4e-3)
    assert float(ops.binary_cross_entropy_with_logits(zeros, x, reduction="sum")) == pytest.approx(3466, rel=4e-3)
    soft = gpunn.to_device(np.full((5000, 2), 0.5, dtype), device)
    assert float(ops.cross_entropy(soft, soft, reduction="sum")) == pytest.approx(3466, rel=4e-3)
    logits = Tensor(x, requires_grad=True)
    ops.mse_loss(logits, zeros).backward()
    assert logits.gradient.dtype == dtype and float(logits.gradient[0]) == pytest.approx(2 / 5000, rel=4e-3)


@DEVICES
def test_a_mean_that_fits_where_its_sum_does_not(device):
    scores, labels = [[3e38, 0.0]] * 8, [1] * 8
    assert run(device, ops.cross_entropy, scores, labels)[0] == np.float32(3e38)
    assert run(device, ops.nll_loss, scores, [0] * 8)[0] == np.float32(-3e38)
    assert run(device, ops.cross_entropy, scores, labels, reduction="sum")[0] == INF
