"""Float32 sums over many rows are as good as those along a row."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import Tensor, ops

ROWS = np.full((1 << 20, 2), 0.1, np.float32)
EXACT = float(np.float32(0.1)) * len(ROWS)


@pytest.mark.parametrize("x", [ROWS, np.asfortranarray(ROWS.T).T[::-1], ROWS.reshape(-1, 4, 2)])
def test_sum_and_mean_over_rows(x):
    axes = tuple(range(x.ndim - 1))
    assert ops.sum(x, axis=axes) == pytest.approx([EXACT, EXACT], rel=1e-6)
    assert ops.mean(x, axis=axes) == pytest.approx([0.1, 0.1], rel=1e-6)
    assert ops.sum(x, axis=axes).dtype == np.float32


def test_variance_beside_a_large_mean():
    x = (np.random.default_rng(0).standard_normal((1 << 19, 2)) + 1000).astype(np.float32)
    assert ops.var(x, axis=0) == pytest.approx(x.astype(np.float64).var(0), rel=1e-3)


@pytest.mark.parametrize("add", [lambda x, b: ops.linear(x, x[:2], b), lambda x, b: x + b])
def test_the_gradient_of_a_bias_of_many_rows(add):
    bias = Tensor(np.zeros(2, np.float32), requires_grad=True)
    add(np.zeros((len(ROWS), 1), np.float32), bias).backward(ROWS)
    assert bias.gradient == pytest.approx([EXACT, EXACT], rel=1e-6)


@pytest.mark.parametrize("length", [1 << 20, 1_000_003])  # which is prime
def test_the_mean_of_long_planes(length):
    x = np.full((1, 2, length), 0.1, np.float32)
    assert ops.adaptive_avg_pool1d(x, 1).ravel() == pytest.approx([0.1, 0.1], rel=2e-6)
