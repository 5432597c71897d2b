"""Sums on every device: of 16-bit floats, of ties, of what overflows on the way, of numbers far from 0."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests.ops.places import host, leaf, on
from tests.parity import normal

NARROW = (np.float16, ml_dtypes.bfloat16)


# ---------------------------------------------------------------- 16-bit sums
def padded_edge(x):
    return ops.pad(x, ((0, 0), (0, 2999)), "replicate")


REPEATED = {  # what a leaf is repeated into, 3,000 times: its gradient is a sum of as many
    "add": ((4,), lambda x, ones: x + ones(3000, 4)),
    "sub": ((1, 4), lambda x, ones: ones(3000, 4) - x),
    "mul": ((4,), lambda x, ones: x * ones(3000, 4)),
    "div": ((4,), lambda x, ones: x / ones(3000, 4)),
    "pow": ((4,), lambda x, ones: ops.pow(x, ones(3000, 4))),
    "maximum": ((4,), lambda x, ones: ops.maximum(x, 0 * ones(3000, 4))),
    "where": ((), lambda x, ones: ops.where(ones(3000, 4) > 0, x, 0.0)),
    "broadcast_to": ((4,), lambda x, ones: ops.broadcast_to(x, (3000, 4))),
    "getitem": ((4,), lambda x, ones: x[np.zeros(3000, int)]),
    "pad": ((4, 1), lambda x, ones: padded_edge(x)),
    "interpolate": ((1, 4, 1), lambda x, ones: ops.interpolate(x, size=3000)),
}


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", REPEATED)
def test_gradients_of_what_is_repeated_add_in_float32(name, dtype, place):
    if name in ("getitem", "interpolate") and place == "cuda":
        pytest.skip("the kernels' own accumulation, tested elsewhere")
    shape, repeat = REPEATED[name]
    x = leaf(place, np.ones(shape), dtype)
    y = repeat(x, lambda *shape: on(place, np.ones(shape), dtype))
    y.backward(on(place, np.ones(y.shape), dtype))
    assert x.gradient.dtype == dtype
    want = y.size / max(x.size, 1) if name != "getitem" else 3000 * (np.arange(4) == 0)
    sign = -1 if name == "sub" else 1
    assert_close(host(x.gradient), sign * np.broadcast_to(want, shape), 1, dtype)


@pytest.mark.parametrize("dtype", NARROW)
def test_reductions_add_in_float32(dtype, place):
    rows = on(place, np.ones((5000, 4)), dtype)
    assert_close(host(ops.sum(rows, 0)), [5000] * 4, 1, dtype)
    assert_close(host(ops.mean(rows, 0)), [1] * 4, 1, dtype)
    assert_close(host(ops.logsumexp(rows * 0, 0)), [np.log(5000)] * 4, 1, dtype)
    assert_close(host(ops.var(on(place, np.arange(5000)[:, None] % 2, dtype), 0)), [0.25], 1, dtype)
    total = Tensor(rows).sum(1)
    assert total.dtype == dtype and host(total.array)[0] == 4


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_adds_in_float32(name, dtype, place):
    x = leaf(place, np.zeros((5000, 2)), dtype)
    y = getattr(ops, name)(x, 0)
    want = 1 / 5000 if name == "softmax" else -np.log(5000)
    assert_close(host(y.array), np.full((5000, 2), want), 1, dtype)
    gy = on(place, np.arange(10000).reshape(5000, 2) < 5000, dtype)  # ones in half of the rows
    y.backward(gy)
    half = host(gy)
    mean = half.mean(0)
    assert_close(host(x.gradient), (half - mean) / 5000 if name == "softmax" else half - mean, 4, dtype)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("shape", [(5000, 2), (2, 5000)])
def test_losses_add_in_float32(shape, dtype, place):
    zeros, ones = (on(place, np.full(shape, n), dtype) for n in (0, 1))
    each = {"mse_loss": 1, "l1_loss": 1, "binary_cross_entropy_with_logits": np.log(2)}
    for name, one in each.items():
        loss = getattr(ops, name)
        assert_close(host(loss(zeros, ones)), one, 1, dtype)
        assert_close(host(loss(zeros, ones, reduction="sum")), one * 10_000, 1, dtype)
    shares = on(place, np.full(shape, 1 / shape[1]), dtype)  # whose sum is 1 but for the rounding of each
    for reduction, rows in (("mean", 1), ("sum", shape[0])):
        loss = ops.cross_entropy(zeros, shares, reduction=reduction)
        assert_close(host(loss), rows * np.log(shape[1]), 4, dtype)


@pytest.mark.parametrize("dtype", NARROW)
def test_the_gradient_of_a_16_bit_bias_adds_in_float32(dtype, place):
    bias = leaf(place, np.zeros(4), dtype)
    ops.linear(on(place, np.ones((3000, 8)), dtype), on(place, np.ones((4, 8)), dtype), bias).sum().backward()
    assert_close(host(bias.gradient), [3000] * 4, 1, dtype)
    slope = leaf(place, [0.5], dtype)
    ops.prelu(on(place, -np.ones((3000, 4)), dtype), slope).sum().backward()
    assert_close(host(slope.gradient), [-12000], 1, dtype)


@pytest.mark.parametrize("dtype", [*NARROW, np.float32])
@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_their_gradient_at_any_count(name, dtype, place):
    x = leaf(place, np.ones((70_000, 2)), dtype)
    getattr(ops, name)(x, 0).backward(on(place, [7, 70], dtype))
    assert_close(host(x.gradient), np.broadcast_to([1e-4, 1e-3], (70_000, 2)), 4, dtype)


# ---------------------------------------------------------------- sums that overflow on the way
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float64])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_sums_and_means_that_fit_where_a_partial_sum_does_not(dtype, axis, place):
    if dtype == np.float64 and (place != "cpu" or np.finfo(np.longdouble).max == np.finfo(np.float64).max):
        pytest.skip("nothing is wider than float64 here")
    big = 2.0**1023 if dtype == np.float64 else 2.0**127
    row = [big, big, -big, -big / 2, 1, 1]
    x = on(place, row if axis is None else np.transpose([row, row], (axis, 1 - axis)[::-1]), dtype)
    assert (host(ops.sum(x, axis)) == big / 2).all()
    assert host(ops.mean(x, axis)) == pytest.approx(big / 12, rel=2**-8)
    assert (host(ops.mean(on(place, np.full((8, 8), big), dtype), axis)) == big).all()


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_variance_beside_a_mean_of_a_million_deviations(axis, place):
    x = (1e4 + 1e-2 * normal(6000, 1)).astype(np.float32)
    exact = x.astype(np.float64)
    t = leaf(place, x)
    y = t.var(axis)
    y.sum().backward()
    assert float(host(y.array).item()) == pytest.approx(exact.var(ddof=1), rel=1e-7)
    assert_close(host(t.gradient), 2 / 5999 * (exact - exact.mean()), 1, np.float32)


def test_variance_whose_squares_overflow(place):
    x = np.zeros(1000, np.float32)
    x[0] = 3e19  # its square is 9e38
    t = leaf(place, x)
    y = t.var()
    y.backward()
    assert float(host(y.array)) == pytest.approx(x.astype(np.float64).var(ddof=1), rel=1e-6)
    assert np.isfinite(host(t.gradient)).all()
