"""Layers of real networks, large enough to be split over threads and blocks: PyTorch's numbers, and the same twice."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference import naive
from gpunn.reference.cases import NETWORK_BATCHNORMS, NETWORK_CONVS, NETWORK_POOLS
from gpunn.reference.close import assert_close
from tests.parity import torch

MACS = 2.5e8  # a layer beyond this takes seconds on one core


def macs(case):
    return np.prod(case.y) * case.terms


CONVS = [case for case in NETWORK_CONVS if macs(case) < MACS]


def run(function, arrays, gy):
    """Value and gradients of function(*Tensors)."""
    tensors = [None if a is None else Tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    y.backward(gy)
    return [y.array, *(t.gradient for t in tensors if t is not None)]


def theirs(function, arrays, gy):
    t = torch()
    tensors = [None if a is None else t.tensor(a.astype(np.float64), requires_grad=True) for a in arrays]
    y = function(*tensors)
    y.backward(t.tensor(gy.astype(np.float64)))
    return [y.detach().numpy(), *(x.grad.numpy() for x in tensors if x is not None)]


def check(ours, reference, arrays, gy, terms):
    first, again = run(ours, arrays, gy), run(ours, arrays, gy)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b, err_msg="two runs on one device must be bitwise equal")
    for i, (got, want) in enumerate(zip(first, theirs(reference, arrays, gy), strict=True)):
        assert got.dtype == np.float32
        assert_close(got, want, terms, what=f"result {i}")


@pytest.mark.parametrize("case", CONVS, ids=str)
def test_conv(case):
    functional = torch().nn.functional
    x, w, b, gy = case.arrays()
    terms = max(case.terms, case.terms_grad_input, case.terms_grad_weight)
    check(
        lambda *a: ops.conv2d(*a, **case.geometry),
        lambda *a: functional.conv2d(*a, **case.geometry),
        (x, w, b),
        gy,
        terms,
    )


@pytest.mark.parametrize("case", NETWORK_POOLS, ids=str)
def test_pool(case):
    functional = torch().nn.functional
    x, gy = case.arrays()
    options = (case.size, case.stride, case.padding)
    for ours, reference in ((ops.max_pool2d, functional.max_pool2d), (ops.avg_pool2d, functional.avg_pool2d)):
        check(lambda x, f=ours: f(x, *options), lambda x, f=reference: f(x, *options), (x,), gy, 16)


@pytest.mark.parametrize("case", NETWORK_BATCHNORMS, ids=str)
def test_batch_norm_relu(case):
    t = torch()
    x, gamma, beta, residual, gy = case.arrays()

    def reference(x, gamma, beta, residual):
        y = t.nn.functional.batch_norm(x, None, None, gamma, beta, training=True)
        return t.relu(y if residual is None else y + residual)

    # An output within rounding of 0 may fall on the other side of ReLU's kink: keep the gradient away from those.
    arrays = (x, gamma, beta, residual)
    near = np.abs(theirs(lambda *a: reference_before_relu(t, *a), arrays, gy)[0]) < 1e-5
    gy[near] = 0
    check(
        lambda x, gamma, beta, residual: ops.batch_norm_relu(
            x, None, None, gamma, beta, training=True, residual=residual
        ),
        reference,
        arrays,
        gy,
        case.terms,
    )


def reference_before_relu(t, x, gamma, beta, residual):
    y = t.nn.functional.batch_norm(x, None, None, gamma, beta, training=True)
    return y if residual is None else y + residual


@pytest.mark.parametrize("batch", [1, 3, 17, 64, 257])
def test_any_batch_is_split_without_losing_a_sample(batch):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((batch, 3, 13, 11), (5, 3, 3, 3), (5,)))
    y = ops.conv2d(x, w, b, padding=1)
    pooled = ops.max_pool2d(x, 3, 2, 1), ops.avg_pool2d(x, 3, 2, 1)
    for n in {0, batch // 2, batch - 1}:
        one = x[n : n + 1]
        assert_close(y[n : n + 1], naive.conv(one, w, b, (1, 1), (1, 1), (1, 1), 1), 27)
        np.testing.assert_array_equal(pooled[0][n : n + 1], naive.max_pool(one, (3, 3), (2, 2), (1, 1), (1, 1))[0])
        assert_close(pooled[1][n : n + 1], naive.avg_pool(one, (3, 3), (2, 2), (1, 1)), 9)
    gy = rng.standard_normal(y.shape).astype(np.float32)
    gx, gw, gb = ops.conv2d_backward(gy, x, w, padding=1)
    plain = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    assert_close(gx, naive.conv_grad_input(gy, w, x.shape, **plain), 45)
    assert_close(gw, naive.conv_grad_weight(gy, x, w.shape, **plain), batch * 143)
    assert_close(gb, naive.conv_grad_bias(gy), batch * 143)
