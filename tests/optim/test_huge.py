"""Gradients whose squares leave their dtype's range: steps and norms are those of float64, on every device."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, optim

pytestmark = pytest.mark.usefixtures("device_there")
DEVICES = pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])
RULES = {
    "Adam": lambda params: optim.Adam(params, lr=0.1),
    "Adam with decay": lambda params: optim.Adam(params, lr=0.1, weight_decay=0.1),
    "AdamW": lambda params: optim.AdamW(params, lr=0.1),
    "RMSprop": lambda params: optim.RMSprop(params),
    "centred RMSprop": lambda params: optim.RMSprop(params, centered=True),
    "RMSprop with momentum": lambda params: optim.RMSprop(params, centered=True, momentum=0.9),
    "AMSGrad": lambda params: optim.Adam(params, lr=0.1, amsgrad=True),
    "NAdam": lambda params: optim.NAdam(params, lr=0.1),
    "Adagrad, by RMSprop's kernel": lambda params: optim.Adagrad(params, lr=0.1),
    "Adadelta, with RMSprop's square": lambda params: optim.Adadelta(params, lr=0.1),
}


def path(rule, device, dtype, first, steps=20, then=1.0):
    """A parameter after each step, along one odd gradient and then even ones."""
    p = nn.Parameter(gpunn.to_device(np.zeros(len(first), dtype), device))
    optimizer, found = RULES[rule]([p]), []
    for step in range(steps):
        p.gradient = gpunn.to_device(np.array(first if step == 0 else [then] * len(first), dtype), device)
        optimizer.step()
        found.append(gpunn.to_numpy(p.array).astype(np.float64))
    return np.array(found), optimizer


@DEVICES
@pytest.mark.parametrize("rule", RULES)
def test_one_huge_gradient_neither_overflows_nor_freezes(rule, device):
    first = [1.0, 1e30, -1e30, 1e20, 3e38, -2e19, 0.0]
    got, optimizer = path(rule, device, "float32", first)
    want, _ = path(rule, "cpu", "float64", first)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert "RMS" in rule or (np.diff(got, axis=0)[:10] != 0).all()  # RMSprop's next steps are 1e-30 in float64 too
    saved = optimizer.state_dict()["state"][0]
    squares = next(saved[name] for name in ("square_avg", "exp_avg_sq", "sum") if name in saved)
    assert np.isfinite(gpunn.to_numpy(squares)).all()


@DEVICES
def test_huge_gradients_again_and_again(device):
    """The mean of squares stays at the largest number, steps stay Adam's."""
    p = nn.Parameter(gpunn.to_device(np.zeros(3, np.float32), device))
    optimizer = optim.Adam([p], lr=0.1)
    for step in range(30):
        p.gradient = gpunn.to_device(np.array([1e30, 1e25, 1e38], np.float32), device)
        optimizer.step()
        assert 0 < -float(p.array.min()) <= 0.1 * 1.5 * (step + 1)


@DEVICES
def test_16_bit_squares_end_at_their_largest_number(device):
    got, _ = path("Adam", device, "float16", [1.0, 3e4, -6e4, 9e3], then=0.5)
    want, _ = path("Adam", "cpu", "float64", [1.0, 3e4, -6e4, 9e3], then=0.5)
    np.testing.assert_allclose(got, want, rtol=0.02, atol=0.02)


@DEVICES
@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_what_is_not_finite_stays_visible(device, wrong):
    for rule in RULES:
        with np.errstate(invalid="ignore"):
            got, _ = path(rule, device, "float32", [wrong, 1.0], steps=2)
        assert np.isnan(got[0, 0]) and np.isfinite(got[:, 1]).all(), rule


@DEVICES
def test_a_variance_is_never_negative(device):
    """Of the mean square and the squared mean of one number rounding may leave less than nothing: then it is 0."""
    p = nn.Parameter(gpunn.to_device(np.zeros(3, np.float32), device))
    optimizer = optim.RMSprop([p], lr=1.0, alpha=1.0, eps=0.5, centered=True)
    p.gradient = gpunn.to_device(np.array([1.0, -1.0, math.nan], np.float32), device)
    state = {"square_avg": np.full(3, 1.0, np.float32), "grad_avg": np.full(3, 1.001, np.float32)}
    optimizer.state[p] = {name: gpunn.to_device(value, device) for name, value in state.items()}
    optimizer.step()
    np.testing.assert_array_equal(gpunn.to_numpy(p.array), [-2.0, 2.0, math.nan])


def test_constant_gradients_have_no_negative_variance():
    p = nn.Parameter(np.zeros(200, np.float32))
    optimizer = optim.RMSprop([p], lr=1e-3, centered=True)
    for _ in range(1500):
        p.gradient = (1 + np.arange(200) / 200).astype(np.float32)
        optimizer.step()
    assert np.isfinite(p.numpy()).all()


# ---------------------------------------------------------------- norms
VALUES = [1e19, 3e37, 1e-30, 1e-37]
ORDERS = [0.5, 1.0, 2.0, 3.0, 7.5, math.inf]


def tensors(device, dtype, value):
    made = [nn.Parameter(gpunn.to_device(np.zeros(shape, dtype), device)) for shape in ((5, 3), (4100,), ())]
    for p in made:
        p.gradient = gpunn.to_device(np.asarray(value * np.linspace(-1, 1, p.size).reshape(p.shape), dtype), device)
    return made


@DEVICES
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", VALUES)
def test_norms_of_huge_and_tiny_gradients(device, order, value):
    """Scaled by a power of two, gradients have the norm of ordinary ones, scaled by it."""
    power = 2.0 ** round(math.log2(value))
    params, plain = tensors(device, np.float32, power), tensors(device, np.float32, 1.0)
    want = float(optim.grad_norm(plain, order)) * power
    if want > 3.4e38:
        assert float(optim.grad_norm(params, order)) == math.inf
        return
    assert float(optim.grad_norm(params, order)) == pytest.approx(want, rel=2e-6)


@DEVICES
@pytest.mark.parametrize("dtype, power", [("float64", 200), ("bfloat16", 30)])
@pytest.mark.parametrize("sign", [1, -1])
def test_norms_of_other_dtypes(device, dtype, power, sign):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    value = 10.0 ** (sign * power)
    got, plain = (float(optim.grad_norm(tensors(device, dtype, v))) for v in (value, 1.0))
    assert got == pytest.approx(plain * value, rel=1e-2)


@DEVICES
def test_clipping_keeps_what_is_finite(device):
    for value, limit in ((1e19, 2.0), (1e37, 1e-3), (1e30, 1e-9)):
        params = tensors(device, np.float32, value)
        want = value * np.linspace(-1, 1, 15) * (limit / float(optim.grad_norm(params)))
        optim.clip_grad_norm_(params, limit)
        np.testing.assert_allclose(gpunn.to_numpy(params[0].gradient).reshape(-1), want, rtol=1e-5, atol=limit * 1e-8)


@DEVICES
def test_a_norm_of_wide_range_and_of_what_is_not_finite(device):
    def of(*values):
        p = Tensor(gpunn.to_device(np.zeros(len(values), np.float32), device), requires_grad=True)
        p.gradient = gpunn.to_device(np.array(values, np.float32), device)
        return float(optim.grad_norm([p]))

    assert of(1e-38, 3e38, 1.0) == pytest.approx(3e38) and of(1e-30, 1e-38, 0.0) == pytest.approx(1e-30)
    assert of(0.0, 0.0) == 0 and of(3e38, 3e38) == math.inf and of(1.0, math.inf, 3e38) == math.inf
    assert math.isnan(of(math.nan, 1.0, math.inf)) and of(math.inf, 0.0) == math.inf
