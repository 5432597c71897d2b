"""prelu, elu, silu, gelu and the normal distribution behind it."""

import math

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, gradcheck, ops
from gpunn.cpu.normal_cdf import normal_cdf
from tests.parity import DTYPES, compare, normal, torch

X = normal(3, 4, 5)


@DTYPES
def test_parity(dtype):
    f = torch().nn.functional
    compare(ops.prelu, f.prelu, X, normal(4), dtype=dtype, terms=20)
    compare(ops.prelu, f.prelu, X, normal(1), dtype=dtype, terms=60)
    compare(lambda a: ops.elu(a, 0.3), lambda a: f.elu(a, 0.3), X, dtype=dtype)
    compare(ops.silu, f.silu, X * 4, dtype=dtype)
    compare(ops.gelu, f.gelu, X * 3, dtype=dtype)
    compare(lambda a: ops.gelu(a, "tanh"), lambda a: f.gelu(a, approximate="tanh"), X * 3, dtype=dtype)


def test_gradients_from_the_definition():
    far = np.where(np.abs(X) < 0.05, 0.5, X)
    for function in (ops.elu, ops.silu, ops.gelu, lambda a: ops.gelu(a, "tanh"), lambda a: ops.elu(a, -2.0)):
        assert gradcheck(function, [far])
    assert gradcheck(ops.prelu, [far, normal(4)])


def test_normal_cdf_against_the_standard_librarys_erfc():
    x = np.concatenate([np.linspace(-37, 37, 2001), np.linspace(-1, 1, 500), [0.0, -0.0, 1e-300]])
    want = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    got, density = normal_cdf(x)
    np.testing.assert_allclose(got, want, rtol=0, atol=2.3e-16)
    z2 = x * x / 2
    assert np.all(np.abs(got - want) <= (4 + z2) * 8e-16 * want), "relative error left of 0: a few z^2 roundings"
    np.testing.assert_allclose(density, np.exp(-z2) / math.sqrt(2 * math.pi), rtol=1e-12)
    single, _ = normal_cdf(x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, want, rtol=0, atol=2e-7)


@pytest.mark.parametrize("order", ["C", "F", "every second"])
def test_float32_gelu_is_right_to_a_few_roundings(order):
    """Against erfc: y to a few z^2 roundings of itself, its slope to two of 1; in any memory order, over blocks."""
    x = np.linspace(-12.9, 12.9, 3 * 70_000).astype(np.float32).reshape(3, 70_000)
    x = {"C": x, "F": np.asfortranarray(x), "every second": np.repeat(x, 2, axis=1)[:, ::2]}[order]
    wide = x.astype(np.float64)
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in wide.ravel()]).reshape(x.shape)
    y = Tensor(x, requires_grad=True)
    z = ops.gelu(y)
    z.backward(np.ones_like(x))
    eps, z2 = np.finfo(np.float32).eps, wide**2 / 2
    assert np.all(np.abs(z.array - wide * cdf) <= 4 * eps * (1 + z2) * np.abs(wide * cdf))
    slope = cdf + wide * np.exp(-z2) / math.sqrt(2 * math.pi)
    assert np.all(np.abs(y.gradient - slope) <= 2 * eps)
    np.testing.assert_array_equal(ops.gelu(x), z.array)


def test_extremes_are_finite_and_nan_passes():
    x = np.array([-1e30, -200, 200, 1e30, np.nan], np.float32)
    for function in (ops.silu, ops.gelu, ops.elu, lambda a: ops.gelu(a, "tanh")):
        y = Tensor(x, requires_grad=True)
        z = function(y)
        z.backward(np.ones_like(x))
        assert np.isfinite(z.array[:-1]).all() and np.isnan(z.array[-1])
        assert np.isfinite(y.gradient[:-1]).all()
    np.testing.assert_array_equal(ops.gelu(x)[:-1], [0, 0, 200, np.float32(1e30)])


def test_one_array_is_kept():
    """An activation on the way of a deep network keeps one array, not all that it computed."""
    for function in (ops.silu, ops.gelu, ops.elu):
        y = function(Tensor(X, requires_grad=True))
        kept = [c.cell_contents for c in y._node.backward.__closure__]
        assert sum(isinstance(c, np.ndarray) for c in kept) == 1


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: ops.prelu(X, np.ones(3)),
            ValueError,
            r"prelu: weight is \(3,\), expected \(1,\) or \(4,\), one a channel",
        ),
        (lambda: ops.prelu(X, np.ones(1, "f")), TypeError, "prelu: x is float64 but slope is float32; convert one"),
        (lambda: ops.gelu(X, "sigmoid"), ValueError, "gelu: approximate is 'sigmoid', expected one of 'none', 'tanh'"),
        (lambda: ops.silu(np.arange(3)), TypeError, "silu: x is int64, expected float32 or float64"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("where", ["cpu", "emulator"])
def test_leaky_relu_of_slope_0_passes_infinity_on(where):
    x = gpunn.Tensor(gpunn.to_device(np.array([np.inf, 2, -2], np.float32), where), requires_grad=True)
    y = ops.leaky_relu(x, 0.0)
    y.backward(gpunn.to_device(np.ones(3, np.float32), where))
    assert y.numpy().tolist() == [np.inf, 2, 0] and gpunn.to_numpy(x.gradient).tolist() == [1, 1, 0]
