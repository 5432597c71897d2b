"""exp, log, sqrt, abs, clip and the activations, with the edges that PyTorch defines."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

SHAPES = pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 1, 4), (0, 3)], ids=str)


def functional():
    return torch().nn.functional


SMOOTH = {
    "exp": lambda: torch().exp,
    "abs": lambda: torch().abs,
    "tanh": lambda: torch().tanh,
    "sigmoid": lambda: torch().sigmoid,
    "relu": lambda: torch().relu,
    "leaky_relu": lambda: functional().leaky_relu,
    "softplus": lambda: functional().softplus,
}


@DTYPES
@SHAPES
@pytest.mark.parametrize("name", SMOOTH)
def test_functions_of_any_number(name, shape, dtype):
    compare(getattr(ops, name), SMOOTH[name](), normal(*shape) * 3, dtype=dtype, terms=4)


@DTYPES
@SHAPES
@pytest.mark.parametrize("name", ["log", "sqrt"])
def test_functions_of_positive_numbers(name, shape, dtype):
    compare(getattr(ops, name), getattr(torch(), name), np.abs(normal(*shape)) + 0.1, dtype=dtype, terms=4)


def test_edges_have_pytorchs_gradients():
    edges = np.array([-1.0, -0.0, 0.0, 1.0])
    for name in ("abs", "relu", "leaky_relu"):
        compare(getattr(ops, name), SMOOTH[name](), edges)


@DTYPES
def test_relu_keeps_infinite_gradients_from_units_that_are_off(dtype):
    """And lets them through where the input is NaN, as PyTorch does: nothing that went wrong looks right again."""
    x = np.array([-1.0, 0.0, 2.0, np.nan, -3.0], dtype)
    gy = np.array([np.inf, np.nan, np.inf, 3.0, 5.0], dtype)
    ours, theirs = Tensor(x, requires_grad=True), torch().tensor(x, requires_grad=True)
    ops.relu(ours).backward(gy)
    theirs.relu().backward(torch().tensor(gy))
    np.testing.assert_array_equal(ours.gradient, [0, 0, np.inf, 3, 0])
    np.testing.assert_array_equal(ours.grad, theirs.grad.numpy())


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "exp"])
@DTYPES
def test_large_numbers_neither_overflow_nor_warn(name, dtype):
    x = np.array([-1000.0, -100.0, -30.0, 30.0, 80.0])
    if name != "exp":
        x = np.append(x, [100.0, 1000.0])
    scale = None if name == "exp" else 1.0  # y (1 - y) is rounded at 1, as in PyTorch
    compare(getattr(ops, name), SMOOTH[name](), x, dtype=dtype, terms=16, scale=scale)


def test_sigmoid_keeps_relative_accuracy_far_left():
    got = ops.sigmoid(np.array([-40.0, -80.0]))
    np.testing.assert_allclose(got, np.exp([-40.0, -80.0]), rtol=1e-12)


def test_not_a_number_stays_one():
    x = np.array([np.nan, 1.0])
    for name in SMOOTH:
        got = getattr(ops, name)(x)
        assert np.isnan(got[0]) and np.isfinite(got[1]), name


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.5, -0.5])
def test_leaky_relu_slope(slope):
    compare(lambda x: ops.leaky_relu(x, slope), lambda x: functional().leaky_relu(x, slope), normal(4, 3))
    compare(
        lambda x: ops.leaky_relu(x, negative_slope=slope), lambda x: functional().leaky_relu(x, slope), normal(4, 3)
    )


@pytest.mark.parametrize(("beta", "threshold"), [(1, 20), (2.5, 20), (0.5, 1), (3, 0.5)])
def test_softplus_options(beta, threshold):
    x = np.linspace(-5, 5, 23)
    compare(
        lambda x: ops.softplus(x, beta=beta, threshold=threshold),
        lambda x: functional().softplus(x, beta, threshold),
        x,
        terms=9,
    )


@DTYPES
@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (None, 0.3), (-0.2, None), (0.5, -0.5), (0, 6)])
def test_clip(low, high, dtype):
    compare(lambda x: ops.clip(x, low, high), lambda x: torch().clamp(x, low, high), normal(5, 7), dtype=dtype)


def test_clip_passes_the_gradient_at_the_bounds():
    compare(
        lambda x: ops.clip(x, min=-1, max=1), lambda x: torch().clamp(x, -1, 1), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    )


@DTYPES
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((3, 5), 1),
        ((3, 5), 0),
        ((2, 3, 4), 1),
        ((2, 3, 4), -1),
        ((1, 1), 1),
        ((0, 4), 1),
        ((7,), 0),
        ((2, 3, 2, 2), -3),
    ],
)
def test_softmax(name, shape, dim, dtype):
    theirs = getattr(functional(), name)
    compare(lambda x: getattr(ops, name)(x, dim), lambda x: theirs(x, dim), normal(*shape) * 4, dtype=dtype, terms=16)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_huge_scores(name):
    theirs = getattr(functional(), name)
    x = np.array([[1000.0, 999.0, -1000.0], [-1e4, -1e4, -1e4]])
    compare(lambda x: getattr(ops, name)(x, dim=1), lambda x: theirs(x, 1), x, terms=4)


def test_tensor_methods_are_the_functions():
    x = normal(3, 4)
    for name in ("exp", "abs", "tanh", "sigmoid", "relu"):
        assert_close(getattr(Tensor(x), name)().array, getattr(ops, name)(x))
    assert_close(Tensor(x).clip(-1, 1).array, np.clip(x, -1, 1))
    assert_close(Tensor(x).softmax(1).array, ops.softmax(x, 1))
    assert_close(Tensor(x).pow(2).array, x**2)


def test_strided_inputs_give_the_numbers_of_their_copies():
    x = normal(8, 9, 10)
    views = (x[::2, ::-1, 1:], x.transpose(2, 0, 1), x[:, 0, ::3], np.broadcast_to(x[0, 0], (4, 10)))
    for view in views:
        for name in SMOOTH:
            assert_close(getattr(ops, name)(view), getattr(ops, name)(view.copy()))


def test_inputs_are_never_changed():
    x = normal(4, 5)
    before = x.copy()
    for name in (*SMOOTH, "neg"):
        t = Tensor(x, requires_grad=True)
        gy = np.ones_like(x)
        getattr(ops, name)(t).backward(gy)
        np.testing.assert_array_equal(x, before)
        np.testing.assert_array_equal(gy, 1)
