"""Activations in blocks, in place, and with random slopes; values and slopes are verify's and PyTorch's samples'."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad, ops
from gpunn.cpu.over import BLOCK
from gpunn.reference.activation import ACTIVATIONS
from tests.parity import normal, torch

IN_PLACE = {
    **dict.fromkeys(("relu", "relu6", "selu", "celu", "elu", "silu", "mish", "hardswish", "hardsigmoid"), ()),
    **{"leaky_relu": (0.2,), "hardtanh": (-0.5, 0.5), "threshold": (0.1, 7.0), "rrelu": (0.2, 0.2)},
}


@pytest.mark.parametrize("name, options", ACTIVATIONS, ids=str)
def test_blocks_and_orders_change_no_bit(name, options):
    twin = gpunn.backend.twins(np.zeros(1)).activation
    x, gy = (np.random.default_rng(i).standard_normal((3, BLOCK // 2 + 5)).astype(np.float32) * 3 for i in (0, 1))
    whole, kept = twin.forward(name, x, options, True)
    gx = twin.backward(name, gy, kept, options)
    for order in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1].copy()[::-1]):
        y, kept = twin.forward(name, order(x), options, True)
        np.testing.assert_array_equal(y, whole)
        np.testing.assert_array_equal(twin.backward(name, order(gy), kept, options), gx)
    for row, of_row, of_gy, of_gx in zip(x, whole, gy, gx, strict=True):
        y, kept = twin.forward(name, row[-7:], options, True)
        np.testing.assert_array_equal(y, of_row[-7:])
        np.testing.assert_array_equal(twin.backward(name, of_gy[-7:], kept, options), of_gx[-7:])


def test_a_gate_of_many_blocks():
    x, gy = normal(2, BLOCK + 3, 2), normal(2, BLOCK + 3, 1, seed=1)
    t = Tensor(x, requires_grad=True)
    ops.glu(t).backward(gy)
    s = 1 / (1 + np.exp(-x[..., 1:]))
    np.testing.assert_allclose(ops.glu(x), x[..., :1] * s, rtol=1e-12)
    want = np.concatenate([gy * s, gy * x[..., :1] * s * (1 - s)], -1)
    np.testing.assert_allclose(t.gradient, want, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_as_pytorch(name):
    f, x = torch().nn.functional, normal(3, 4)
    theirs = torch().tensor(x, requires_grad=True)
    ours = Tensor(x, requires_grad=True)
    u, v = theirs * 2, ours * 2
    y, z = getattr(f, name)(u, *IN_PLACE[name], inplace=True), getattr(ops, name)(v, *IN_PLACE[name], inplace=True)
    assert z is v
    (y * u).sum().backward()
    (z * v).sum().backward()
    np.testing.assert_allclose(z.array, y.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.gradient, theirs.grad.numpy(), rtol=1e-7, atol=1e-7)  # PyTorch's 1 / 6 is a float32
    with pytest.raises(RuntimeError, match=f"{name}: a leaf that requires a gradient cannot be changed in place"):
        getattr(ops, name)(ours, *IN_PLACE[name], inplace=True)
    array, before = x.copy(), getattr(ops, name)(x, *IN_PLACE[name])
    assert getattr(ops, name)(array, *IN_PLACE[name], inplace=True) is array
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    "layer",
    [
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid),
        *(nn.Hardtanh, nn.RReLU, lambda **options: nn.Threshold(0.1, 7.0, **options)),
    ],
)
def test_layers_in_place(layer):
    x = normal(3, 4)
    t = Tensor(x.copy())
    with no_grad():
        want = layer().eval()(x)
        assert layer(inplace=True).eval()(t) is t
    np.testing.assert_array_equal(t.array, want)


def test_hardsigmoid_as_pytorchs_layer():  # of which PyTorch has no samples, and in float64 other slopes
    x = np.linspace(-4, 4, 33, dtype=np.float32)
    theirs, ours = torch().tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    y, z = torch().nn.Hardsigmoid()(theirs), nn.Hardsigmoid()(ours)
    y.sum().backward()
    z.sum().backward()
    np.testing.assert_allclose(z.array, y.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.gradient, theirs.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("device", ["cpu", "emulator"])
def test_random_slopes(device, dtype):
    if not gpunn.is_available(device):
        pytest.skip(f"device {device} is not available here (gpunn doctor says why)")
    x = gpunn.to_device(np.where(np.arange(2000) % 2, 1.0, -1.0).astype(dtype), device)
    gpunn.manual_seed(0)
    t = Tensor(x, requires_grad=True)
    y = ops.rrelu(t, 0.25, 0.75, training=True)
    y.backward(gpunn.to_device(np.ones(2000, dtype), device))
    slopes = -gpunn.to_numpy(y)[::2].astype(np.float64)
    assert slopes.min() >= 0.25 and slopes.max() <= 0.75 and abs(slopes.mean() - 0.5) < 0.02 and slopes.std() > 0.13
    np.testing.assert_array_equal(gpunn.to_numpy(t.gradient)[::2], -gpunn.to_numpy(y)[::2])
    assert (gpunn.to_numpy(y)[1::2] == 1).all() and (gpunn.to_numpy(t.gradient)[1::2] == 1).all()
    gpunn.manual_seed(0)
    np.testing.assert_array_equal(ops.rrelu(gpunn.to_numpy(x), 0.25, 0.75, training=True), gpunn.to_numpy(y))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, -0.0])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_threshold_puts_any_number(value, dtype):
    x = np.array([-1.0, 2.0, 0.5, np.nan, np.inf, -np.inf], dtype)
    y = ops.threshold(x, 0.5, value)
    np.testing.assert_array_equal(y, np.array([value, 2.0, value, np.nan, np.inf, value], dtype))
    assert y.dtype == x.dtype and np.signbit(y[0]) == np.signbit(np.asarray(value, dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("width", [0.75, 0.0, -0.0, -1.0, np.inf, np.nan])
def test_hardshrink_by_any_width(width, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.75, -0.75, 1.5, -1.5], dtype)
    gy = np.array([1, np.nan, np.inf, np.inf, np.nan, np.inf, np.nan, -2, 3], dtype)
    t, kept = Tensor(x, requires_grad=True), ~(np.abs(x) <= width)
    y = ops.hardshrink(t, width)
    y.backward(gy)
    np.testing.assert_array_equal(y.array, np.where(kept, x, 0))
    np.testing.assert_array_equal(t.gradient, np.where(kept, gy, 0))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_hardswish_lets_through_no_more_than_its_slope(dtype):
    inner = np.nextafter(np.array([-3, 3], dtype), 0, dtype=dtype)
    t = Tensor(np.array([-np.inf, -5, -3, *inner, 3, np.inf, np.nan, 0], dtype), requires_grad=True)
    ops.hardswish(t).backward(np.array([np.nan, np.inf, -np.inf, 1, 1, np.inf, 2, 1, -np.inf], dtype))
    want = np.array([0, 0, 0, -0.5, 1.5, np.inf, 2, np.nan, -np.inf])
    np.testing.assert_allclose(t.gradient, want, rtol=4 * np.finfo(dtype).eps)
