"""Sums that are split among blocks: shapes large enough for several parts, the last one shorter, in either order."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.backend import streams
from gpunn.cuda import batch_norm, conv, plans
from gpunn.cuda.variants import use_variant
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from gpunn.window import Window
from tests.thinned import one_in

pytestmark = pytest.mark.usefixtures("emulator")
WIN = Window((2, 3), (1, 2), (1, 0), (1, 1))


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def channels_last(array):
    return np.moveaxis(host.EmulatedArray.of(np.moveaxis(array, 1, -1).copy()), -1, 1)


@pytest.fixture
def launched(monkeypatch):
    """(kernel, how many parts its array of parts has) of every launch; 0 where it has none."""
    seen = []
    run = plans.Plan._run

    def recorded(self, operands):
        (shape, _), *_ = (*self.memory[len(self.results) :], ((0, 0), None))
        axis = 1 if "batch_norm" in self.call.operation else 0  # of two arrays, or of one
        seen.extend((found.source.name, shape[axis]) for found in self.kernels)
        return run(self, operands)

    monkeypatch.setattr(plans.Plan, "_run", recorded)
    return seen


@pytest.mark.parametrize(
    "groups, variant, samples, parts",
    [(1, "tiled128", 3, 8), (1, "narrow32x64", 9, 26), (2, "gather", 9, 26), (8, "depthwise", 3, 17)],
)
def test_weight_gradients(groups, variant, samples, parts, launched):
    """26 parts are added up in two rounds, six at a time, the last two."""
    x, w_shape = normal(samples, 8, 19, 40), (8, 8 // groups, 2, 3)
    gy = normal(samples, 8, *WIN.out((19, 40)))
    with use_variant("conv2d.grad_weight", variant):
        gw, gb = conv.grad_weight(channels_last(gy), channels_last(x), w_shape, WIN, groups, bias=True)
    assert launched[0][1] == parts
    if variant != "depthwise":  # weight, bias and the sum of parts: one launch
        assert len(launched) == 1 and not streams.tickets(streams.EMULATOR, 64)[:64].any()
    how = {"stride": WIN.stride, "padding": WIN.padding, "dilation": WIN.dilation, "groups": groups}
    want = naive.conv_grad_weight(gy, x, w_shape, **how)
    assert_close(np.asarray(gw), want, gy.size // 8)
    assert_close(np.asarray(gb), naive.conv_grad_bias(gy), gy.size // 8)


@pytest.mark.parametrize("variant", one_in(2, ["narrow64x16", "narrow128"]))
def test_parts_of_the_depth(variant, launched):
    """Few tiles of many taps and channels: nine parts, three at a time."""
    x, w, b = normal(2, 64, 5, 4), normal(24, 64, 3, 3), normal(24, 1)[:, 0]
    win = Window.of((3, 3), 1, 1)
    gy = normal(2, 24, 5, 4)
    with use_variant("conv2d.forward", variant), use_variant("conv2d.grad_input", variant):
        y = conv.forward(channels_last(x), channels_last(w), host.EmulatedArray.of(b), win, 1, "relu")
        gx = conv.grad_input(channels_last(gy), channels_last(w), x.shape, win, 1)
    assert launched == [("conv2d/narrow_forward", 9), ("conv2d/narrow_grad_input", 3)]
    assert not streams.tickets(streams.EMULATOR, 64)[:64].any()
    how = {"stride": win.stride, "padding": win.padding, "dilation": win.dilation, "groups": 1}
    z = naive.conv(x, w, b, **how)
    assert_close(np.asarray(y), np.maximum(z, 0), 576, scale=float(np.abs(z).max()))
    assert_close(np.asarray(gx), naive.conv_grad_input(gy, w, x.shape, **how), 216)


def test_bias_gradients(launched):
    gy = normal(3, 40, 11, 7)
    gb = conv.grad_bias(channels_last(gy))
    assert launched == [("conv2d/naive_grad_bias", 3)]
    assert_close(np.asarray(gb), naive.conv_grad_bias(gy), gy.size // 40)


@pytest.mark.parametrize("order", [channels_last, host.EmulatedArray.of])
@pytest.mark.parametrize("shape", [(6, 8, 38, 40), (5, 3, 29, 23)])  # 16-byte accesses, and none
def test_batch_normalisation(shape, order, launched):
    x, gy = normal(*shape) * 2 + 3, normal(*shape[::-1]).reshape(shape)
    gamma, beta = normal(shape[1]), normal(shape[1], 1)[:, 0]
    on_device = [host.EmulatedArray.of(a) for a in (gamma, beta)]
    with use_variant("batch_norm.train_forward", "split"), use_variant("batch_norm.backward", "split"):
        y, mean, rstd, passed = batch_norm.train_forward(order(x), *on_device, 1e-5, None, True)
        given = order(gy), order(x), on_device[0], mean, rstd, passed, True, True, on_device[1]
        results = batch_norm.train_backward(*given)
    assert min(dict(launched)[f"batch_norm/{name}"] for name in ("statistics", "backward_sums")) >= 2
    want = naive.batch_norm_train(x, gamma, beta, 1e-5, None, True)
    wanted = naive.batch_norm_backward(gy, x, gamma, want[1], want[2], 1e-5, True, want[0])
    want = (*want[:2], (want[2] + 1e-5) ** -0.5)
    for got, one in zip((y, mean, rstd, *results), (*want, *wanted), strict=True):
        assert_close(np.asarray(got), one, x.size // shape[1], scale=8 * max(1.0, float(np.abs(one).max())))


@pytest.mark.parametrize("variant", ["together", "split", "naive"])
@pytest.mark.parametrize("kind", [np.float32, np.float64], ids=["in the kernel", "of another dtype, after it"])
def test_running_statistics_move_towards_the_batch(variant, kind):
    x, before = host.EmulatedArray.of(normal(4, 60, 5, 6)), normal(60, 2).astype(kind)
    mean, var = (host.EmulatedArray.of(before[:, i]) for i in (0, 1))
    batches = host.EmulatedArray.of(np.array(7, np.int64 if kind is np.float32 else np.int32))
    with use_variant("batch_norm.train_forward", variant):
        _, now, rstd, _ = batch_norm.train_forward(x, None, None, 1e-5, None, False, (mean, var, 0.1, batches))
    assert batches == 8
    steps = ((mean, before[:, 0], now, 0.1), (var, before[:, 1], np.asarray(rstd) ** -2.0 - 1e-5, 0.1 * (120 / 119)))
    for moved, first, toward, step in steps:
        want = first * 0.9 + step * np.asarray(toward, np.float64)
        np.testing.assert_allclose(np.asarray(moved), want, rtol=1e-6, atol=1e-7)  # a multiply-add rounds once
