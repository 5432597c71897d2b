"""Norm layers of float32 whose squares overflow: finite, and with the values and gradients of the exact formula."""

from __future__ import annotations

import os

import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.cuda.variants import use_variant
from tests.ops.places import host, leaf, on
from tests.parity import normal, torch

EVERY = bool(os.environ.get("CI"))
SHAPES = [(40, 8, 11, 12), (5, 8), (8, 4, 5, 6), (4, 6, 13, 17)][: 4 if EVERY else 2]
SIZES = [(1e30, 0), (1e30, 1e31), (1e19, 0), (1e34, 0)][: 4 if EVERY else 2]  # deviation and mean
NORMS = {
    "batch_norm": lambda x, w, b: ops.batch_norm(x, None, None, w, b, training=True),
    "group_norm": lambda x, w, b: ops.group_norm(x, 2, w, b),
    "instance_norm": lambda x, w, b: ops.instance_norm(x, None, None, w, b),
    "layer_norm": lambda x, w, b: ops.layer_norm(x, x.shape[-1], eps=1e-5),
    "rms_norm": lambda x, w, b: ops.rms_norm(x, x.shape[-1], eps=1e-5),
}


def theirs(name, x, w, b):
    f = torch().nn.functional
    return {
        "batch_norm": lambda: f.batch_norm(x, None, None, w, b, training=True),
        "group_norm": lambda: f.group_norm(x, 2, w, b),
        "instance_norm": lambda: f.instance_norm(x, None, None, w, b),
        "layer_norm": lambda: f.layer_norm(x, x.shape[-1:]),
        "rms_norm": lambda: f.rms_norm(x, x.shape[-1:], eps=1e-5),
    }[name]()


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last], ids=["C", "channels-last"])
@pytest.mark.parametrize("size, middle", SIZES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NORMS)
def test_values_and_gradients(name, shape, size, middle, order, place):
    if name == "instance_norm" and len(shape) == 2:
        pytest.skip("one element a channel")
    t, x = torch(), order((normal(*shape) * size + middle).astype(np.float32))
    if name in ("batch_norm", "instance_norm"):
        x[:, 1] = normal(*shape)[:, 1]  # beside a channel of ordinary numbers
    w, b, gy = (normal(*one, seed=3).astype(np.float32) for one in (shape[1:2], shape[1:2], shape))
    mine = leaf(place, x), leaf(place, w), leaf(place, b)
    mine[0].array = on(place, x)
    y = NORMS[name](*mine)
    y.backward(on(place, gy))
    other = [t.tensor(a.astype(np.float64), requires_grad=True) for a in (x, w, b)]
    want = theirs(name, *other)
    want.backward(t.tensor(gy.astype(np.float64)))
    loose = 1 + abs(middle / size)
    np.testing.assert_allclose(host(y.array), want.detach().numpy(), atol=2e-5 * loose)
    got, true = host(mine[0].gradient), other[0].grad.numpy()
    units = np.abs(true).max(tuple(i for i in range(x.ndim) if i != 1), keepdims=True)
    assert (units > 0).all()
    assert (np.abs(got - true) <= 1e-4 * loose * units + 1e-44).all(), (got, true)
    if name not in ("layer_norm", "rms_norm"):
        for own, their in zip(mine[1:], other[1:], strict=True):
            np.testing.assert_allclose(host(own.gradient), their.grad.numpy(), rtol=1e-3 * loose, atol=1e-3 * loose)


@pytest.mark.parametrize("variant", ["naive", "split", "together"])
def test_every_kernel_of_batch_norm(variant):
    if not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    x = (normal(70, 3, 30) * np.array([[[1e30], [1], [1e19]]])).astype(np.float32)
    mean, var = on("emulator", np.zeros(3)), on("emulator", np.zeros(3))
    with use_variant("batch_norm.train_forward", variant), use_variant("batch_norm.backward", variant):
        t = leaf("emulator", x)
        y = ops.batch_norm(t, mean, var, training=True, momentum=1.0)
        y.backward(on("emulator", x / np.float32([[[1e30], [1], [1e19]]])))
    exact = x.astype(np.float64)
    unit = (exact - exact.mean((0, 2), keepdims=True)) / np.sqrt(exact.var((0, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(host(y.array), unit, atol=2e-5)
    np.testing.assert_allclose(host(mean), exact.mean((0, 2)), rtol=1e-3)
    np.testing.assert_allclose(host(var), [np.inf, *exact.var((0, 2), ddof=1)[1:]], rtol=1e-5)
    assert (np.abs(host(t.gradient)) < np.float64([[[1e-34], [1e-4], [1e-23]]])).all()  # along x no slope


@pytest.mark.parametrize("variant", ["naive", "split", "together"])
def test_float64_of_1e200(variant):
    if not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    x, gy = normal(70, 3, 30), normal(70, 3, 30, seed=1)
    with use_variant("batch_norm.train_forward", variant):
        huge, plain = (leaf("emulator", x * size, np.float64) for size in (2.0**665, 1))
        for t in (huge, plain):
            ops.batch_norm(t, None, None, training=True, eps=0).backward(on("emulator", gy, np.float64))
    np.testing.assert_allclose(host(huge.gradient) * 2.0**665, host(plain.gradient), atol=1e-13)


@pytest.mark.parametrize("device", ["cpu", "emulator"])
def test_local_response_norm(device):
    x, gy = (normal(2, 7, 5) * 1e25).astype(np.float32), normal(2, 7, 5, seed=1).astype(np.float32)
    mine, true = leaf(device, x), leaf(device, x, np.float64)
    for t in (mine, true):
        y = ops.local_response_norm(t, 3)
        y.backward(on(device, gy, t.dtype))
        assert y.dtype == t.gradient.dtype == t.dtype
    assert np.abs(host(mine.gradient)).max() > 1e-40
    np.testing.assert_allclose(
        host(ops.local_response_norm(mine, 3).array), host(ops.local_response_norm(true, 3).array)
    )
    np.testing.assert_allclose(host(mine.gradient), host(true.gradient), rtol=1e-5)


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_move_where_the_variance_fits(name, place):
    training = {"training": True} if name == "batch_norm" else {}
    x = normal(50, 2, 30).astype(np.float32)
    x *= np.float32([[[1e19], [1e30]]])[0]  # the sum of squares overflows, of the first the variance fits
    mean, var = on(place, np.zeros(2)), on(place, np.ones(2))
    getattr(ops, name)(on(place, x), mean, var, momentum=0.5, **training)
    exact = x.astype(np.float64)
    each = exact.var((0, 2), ddof=1) if name == "batch_norm" else exact.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(host(mean), exact.mean((0, 2)) / 2, rtol=1e-4)
    np.testing.assert_allclose(host(var), [each[0] / 2, np.inf], rtol=1e-5)


def test_what_is_infinite_still_spoils_its_channel_only(place):
    x = normal(4, 3, 5).astype(np.float32)
    x[1, 1, 2] = np.inf
    with np.errstate(all="ignore"):
        y = host(ops.batch_norm(on(place, x), None, None, training=True))
    assert np.isnan(y[:, 1]).any() and np.isfinite(y[:, [0, 2]]).all()


def test_a_row_whose_mean_has_a_square_past_float32(place):
    x = np.full((2, 54), 2e38, np.float32)
    x[:, ::2] *= -0.5
    y = host(ops.layer_norm(on(place, x), 54))
    assert np.allclose(y, np.where(x > 0, 1, -1), atol=1e-5)
