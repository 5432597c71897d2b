"""Initialisers: the moments and bounds of what they draw, from the formulas of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpunn
from gpunn import nn
from gpunn.nn import init

SHAPE = (64, 32, 5, 5)
FAN_IN, FAN_OUT = 32 * 25, 64 * 25


@pytest.fixture(autouse=True)
def seed():
    gpunn.manual_seed(1)


def drawn(fill, *args, shape=SHAPE, **options):
    parameter = nn.Parameter(np.zeros(shape, np.float32))
    assert fill(parameter, *args, **options) is parameter
    return parameter.array


def is_uniform(values, bound):
    """Within the bound, near it, and with a uniform distribution's variance, to five standard errors."""
    assert np.abs(values).max() <= bound * (1 + 1e-6) and np.abs(values).max() > 0.99 * bound
    assert abs(values.mean()) < 5 * bound / math.sqrt(3 * values.size)
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=5 / math.sqrt(values.size))


def is_normal(values, std, mean=0.0):
    assert values.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(values.size))
    assert values.std() == pytest.approx(std, rel=5 / math.sqrt(values.size))
    assert (np.abs(values - mean) < std).mean() == pytest.approx(0.6827, abs=0.02)


def test_uniform_and_normal():
    values = drawn(init.uniform_, -3.0, 1.0)
    is_uniform(values + 1, 2.0)
    is_normal(drawn(init.normal_, 2.0, 0.5), 0.5, 2.0)


def test_constants():
    assert np.all(drawn(init.constant_, 3.0) == 3) and np.all(drawn(init.ones_) == 1)
    assert not drawn(init.zeros_).any()


def test_xavier():
    std = math.sqrt(2 / (FAN_IN + FAN_OUT))
    is_uniform(drawn(init.xavier_uniform_, gain=2.0), 2 * std * math.sqrt(3))
    is_normal(drawn(init.xavier_normal_), std)


def test_kaiming():
    is_normal(drawn(init.kaiming_normal_, nonlinearity="relu"), math.sqrt(2 / FAN_IN))
    is_normal(drawn(init.kaiming_normal_, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / FAN_OUT))
    is_uniform(drawn(init.kaiming_uniform_, a=math.sqrt(5)), 1 / math.sqrt(FAN_IN))
    is_normal(drawn(init.kaiming_normal_, a=0.2), math.sqrt(2 / (1 + 0.04) / FAN_IN))


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (8, 2, 3, 3), (5, 5)])
def test_orthogonal(shape):
    m = drawn(init.orthogonal_, 1.5, shape=shape).reshape(shape[0], -1).astype(np.float64)
    m = m if m.shape[0] <= m.shape[1] else m.T
    np.testing.assert_allclose(m @ m.T, 2.25 * np.eye(len(m)), atol=1e-5)


def test_sparse():
    m = drawn(init.sparse_, 0.33, 2.0, shape=(30, 400))
    assert np.all((m == 0).sum(axis=0) == math.ceil(0.33 * 30))
    is_normal(m[m != 0], 2.0)
    assert np.unique((m == 0).argmax(axis=0)).size > 3, "the zeros' places differ from column to column"


def test_defaults_of_layers_are_pytorchs():
    """Weight and bias uniform over +-1/sqrt(fan_in); for the transposed convolution fan_in is weight.shape[1] R S."""
    conv, fc, up = nn.Conv2d(32, 64, 5), nn.Linear(300, 200), nn.ConvTranspose2d(64, 32, 5)
    is_uniform(conv.weight.array, 1 / math.sqrt(FAN_IN))
    is_uniform(fc.weight.array, 1 / math.sqrt(300))
    is_uniform(up.weight.array, 1 / math.sqrt(32 * 25))
    for layer, fan_in in ((conv, FAN_IN), (fc, 300), (up, 32 * 25)):
        bias = layer.bias.array
        assert np.abs(bias).max() <= 1 / math.sqrt(fan_in) < 1.2 * np.abs(bias).max()
    norm = nn.BatchNorm2d(3)
    assert np.all(norm.weight.array == 1) and not norm.bias.array.any()


def test_seed_decides():
    gpunn.manual_seed(5)
    a = nn.Conv2d(2, 3, 3).weight.array
    gpunn.manual_seed(5)
    assert np.array_equal(a, nn.Conv2d(2, 3, 3).weight.array)
    assert not np.array_equal(a, nn.Conv2d(2, 3, 3).weight.array)


def test_large_arrays_are_drawn_in_parts_of_one_stream(monkeypatch):
    for fill, draw in ((init.normal_, gpunn.random.normal), (init.uniform_, gpunn.random.uniform)):
        gpunn.manual_seed(3)
        want = draw((7, 100))
        monkeypatch.setattr(init, "_CHUNK", 64)
        gpunn.manual_seed(3)
        np.testing.assert_array_equal(drawn(fill, shape=(7, 100)), want)
        monkeypatch.undo()


def test_skip_leaves_random_weights_as_they_are():
    start = gpunn.random.get_state()
    with init.skip():
        kept = drawn(init.normal_, shape=(3, 3))
        norm = nn.BatchNorm2d(3)
        nn.Linear(4, 4)
    assert not kept.any() and (norm.weight.array == 1).all()
    assert gpunn.random.get_state() == start, "nothing was drawn"
    assert drawn(init.normal_, shape=(3, 3)).any()


def test_gains_are_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    for name in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "sigmoid", "tanh", "relu", "selu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    for slope in (None, 0.0, 0.3):
        assert init.calculate_gain("leaky_relu", slope) == pytest.approx(
            torch.nn.init.calculate_gain("leaky_relu", slope)
        )


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda t: init.xavier_normal_(t), r"xavier_normal_: tensor is \(3,\), expected at least 2 dimensions"),
        (lambda t: init.orthogonal_(t), r"orthogonal_: tensor is \(3,\), expected at least 2 dimensions"),
        (lambda t: init.sparse_(t, 0.5), r"sparse_: tensor is \(3,\), expected 2 dimensions"),
        (lambda t: init.sparse_(t[None], 1.5), "sparse_: sparsity is 1.5, expected 0 to 1"),
        (lambda t: init.kaiming_normal_(t[None], mode="fan"), "kaiming_normal_: mode is 'fan', expected 'fan_in' or"),
        (lambda t: init.calculate_gain("swish"), "calculate_gain: nonlinearity is 'swish', expected leaky_relu"),
        (lambda t: init.uniform_(t, 1, 0), "uniform_: a is 1 and b is 0, expected a <= b"),
        (lambda t: init.normal_(t, 0, -1), "normal_: std is -1, expected at least 0"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.zeros(3, np.float32))
