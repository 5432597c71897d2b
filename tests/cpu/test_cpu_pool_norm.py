"""What only the NumPy pooling and batch norm do: memory orders, masks of special values, large means, many blocks."""

import numpy as np
import pytest

from gpunn.cpu import batch_norm, columns, pool
from gpunn.cpu.elementwise import select
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from gpunn.window import Window


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_select_is_exactly_zero_outside_the_mask(dtype):
    values = np.array([np.inf, np.nan, -1.5, np.inf, np.nan, 2.0], dtype)
    mask = np.array([True, True, True, False, False, False])
    got = select(values, mask, np.empty_like(values))
    np.testing.assert_array_equal(got, np.array([np.inf, np.nan, -1.5, 0, 0, 0], dtype))


def test_max_pool_winner_is_the_first_of_equals_and_inside_the_image():
    win = Window.of(3, 2, 1)
    x = np.full((1, 1, 4, 4), -np.inf, np.float32)
    y, index = pool.max_forward(x, win, False)
    assert (y == -np.inf).all()
    assert index.dtype == np.uint8
    assert index.ravel().tolist() == [4, 3, 1, 0]  # the first element that is not padding
    gx = pool.max_backward(np.ones_like(y), index, x.shape, win)
    assert gx.sum() == 4


def test_a_window_of_more_than_256_positions_needs_two_bytes():
    win = Window.of(17)
    x = np.zeros((1, 1, 17, 17), np.float32)
    x[0, 0, 16, 16] = 1
    y, index = pool.max_forward(x, win, False)
    assert (y.item(), index.item(), index.dtype) == (1, 288, np.uint16)
    assert pool.max_backward(y, index, x.shape, win)[0, 0, 16, 16] == 1


def test_max_pool_sends_an_infinite_gradient_to_the_winner_alone():
    win = Window.of(2, 2)
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    y, index = pool.max_forward(x, win, False)
    gx = pool.max_backward(np.full_like(y, np.inf), index, x.shape, win)
    assert np.isposinf(gx).sum() == 4
    assert (gx == 0).sum() == 12


@pytest.mark.parametrize("shape", [(6, 3), (5, 4, 3, 7), (3, 16, 8, 8), (2, 2, 3, 2, 5), (31, 64, 7, 7), (1, 1300, 3)])
@pytest.mark.parametrize("order", ["C", "channels-last"])
def test_batch_norm_in_any_order_and_rank(shape, order):
    rng = np.random.default_rng(0)
    x, residual, gy = rng.standard_normal((3, *shape))
    gamma, beta = rng.standard_normal((2, shape[1]))
    if order != "C":
        x, gy = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, gy))
    y, mean, rstd, _ = batch_norm.train_forward(x, gamma, beta, 1e-5, residual, True)
    axes = tuple(a for a in range(x.ndim) if a != 1)
    along = (1, -1, *(1 for _ in shape[2:]))
    assert_close(mean, x.mean(axes), x.size, what="mean", scale=1)
    assert_close(rstd, (x.var(axes) + 1e-5) ** -0.5, x.size, what="rstd", scale=1)
    scale = (gamma / np.sqrt(x.var(axes) + 1e-5)).reshape(along)
    want = np.maximum((x - x.mean(axes, keepdims=True)) * scale + beta.reshape(along) + residual, 0)
    assert_close(y, want, x.size, what="y")
    got = batch_norm.train_backward(gy, x, gamma, mean, rstd, y)
    wanted = naive.batch_norm_backward(gy, x, gamma, mean, rstd**-2, 0, True, y) if x.size < 3000 else None
    for name, a, b in zip(("gx", "ggamma", "gbeta", "gresidual"), got, wanted or got, strict=True):
        assert_close(a, b, x.size, what=name)


def test_a_small_spread_on_a_large_mean(monkeypatch):
    """float32 keeps 3 digits of the spread at mean 1000 and deviation 0.1; sums of squares would keep none."""
    monkeypatch.setattr(columns, "_BLOCK", 64)
    rng = np.random.default_rng(0)
    x = (1000 + 0.1 * rng.standard_normal((64, 4, 5, 5))).astype(np.float32)
    y, mean, rstd, _ = batch_norm.train_forward(x, None, None, 0.0)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(rstd, 1 / exact.std((0, 2, 3)), rtol=1e-4)
    want = (exact - exact.mean((0, 2, 3), keepdims=True)) / exact.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(y, want, atol=2e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_value_spoils_its_channel_only(value):
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32)
    x[2, 1, 0, 0] = value
    y, mean, rstd, _ = batch_norm.train_forward(x, None, None, 1e-5, None, True)
    assert np.isnan(y[:, 1]).any()
    assert not np.isfinite(mean[1])
    assert np.isnan(rstd[1])
    assert np.isfinite(y[:, [0, 2]]).all()
    gx = batch_norm.train_backward(np.ones_like(x), x, None, mean, rstd)[0]
    assert np.isnan(gx[:, 1]).all()
    assert np.isfinite(gx[:, [0, 2]]).all()


def test_an_empty_batch():
    x = np.zeros((0, 3, 4, 4), np.float32)
    y, mean, rstd, _ = batch_norm.train_forward(x, None, None, 1e-5)
    assert y.shape == x.shape
    gx, ggamma, gbeta, residual = batch_norm.train_backward(x, x, None, mean, rstd)
    assert gx.shape == residual.shape == x.shape
    assert ggamma.tolist() == gbeta.tolist() == [0, 0, 0]
