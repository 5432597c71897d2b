"""The NumPy convolutions against the plain loops: blocks, slabs, memory orders, non-finite values."""

import numpy as np
import pytest

from gpunn.cpu import blocks, conv
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from gpunn.window import Window

GEOMETRIES = {
    "3x3": ((3, 4, 7, 6), (5, 4, 3, 3), 1, 1, 1, 1),
    "1x1": ((3, 4, 5, 6), (5, 4, 1, 1), 1, 0, 1, 1),
    "1x1 stride 2": ((2, 3, 5, 6), (4, 3, 1, 1), 2, 0, 1, 1),
    "one channel": ((3, 1, 9, 8), (4, 1, 5, 5), 1, 2, 1, 1),
    "stride past the window": ((2, 3, 11, 9), (4, 3, 2, 2), 5, 0, 1, 1),
    "dilated": ((2, 3, 9, 10), (4, 3, 3, 2), (2, 1), (2, 1), (2, 3), 1),
    "groups": ((2, 6, 6, 5), (4, 3, 3, 3), 1, 1, 1, 2),
    "depthwise": ((2, 3, 6, 5), (6, 1, 3, 3), 2, 1, 1, 3),
    "depthwise, more padding than window": ((2, 3, 4, 5), (3, 1, 3, 2), (2, 1), 4, 1, 3),
    "depthwise, stride past the window": ((2, 3, 11, 9), (3, 1, 2, 2), 5, 1, 1, 3),
    "depthwise, dilated, strided, two a channel": ((2, 2, 9, 10), (4, 1, 3, 3), (2, 3), (1, 2), (2, 3), 2),
    "depthwise, rows too long to repeat the weights along": ((1, 1024, 3, 8), (1024, 1, 3, 3), 1, 1, 1, 1024),
    "more padding than window": ((2, 3, 4, 5), (4, 3, 3, 3), 1, 3, 1, 1),
    "empty batch": ((0, 3, 6, 5), (4, 3, 3, 3), 1, 1, 1, 1),
    "one image, one filter": ((1, 2, 4, 4), (1, 2, 3, 3), 1, 0, 1, 1),
}
ORDERS = {
    "C order": np.ascontiguousarray,
    "channels-last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1, :, ::-1])[::-1, :, ::-1],
}


def arrays(x_shape, w_shape, win, dtype):
    rng = np.random.default_rng(0)
    y_shape = (x_shape[0], w_shape[0], *win.out(x_shape[2:]))
    return [rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape, (w_shape[0],), y_shape)]


def check(module, x, w, b, gy, win, groups):
    plain = (win.stride, win.padding, win.dilation, groups)
    wide = [a.astype(np.float64) for a in (x, w, b, gy)]
    taps, places = w[0].size, gy[:, 0].size
    gx_terms = w[:, 0].size
    assert_close(module.forward(x, w, b, win, groups), naive.conv(*wide[:3], *plain), taps + 1, what="y")
    assert_close(
        module.grad_input(gy, w, x.shape, win, groups),
        naive.conv_grad_input(wide[3], wide[1], x.shape, *plain), gx_terms, what="gx",
    )  # fmt: skip
    assert_close(
        module.grad_weight(gy, x, w.shape, win, groups)[0],
        naive.conv_grad_weight(wide[3], wide[0], w.shape, *plain), max(places, 1), what="gw",
    )  # fmt: skip
    assert_close(module.grad_bias(gy), naive.conv_grad_bias(wide[3]), max(places, 1), what="gb")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_equals_the_loops(name, dtype, order):
    x_shape, w_shape, stride, padding, dilation, groups = GEOMETRIES[name]
    win = Window.of(w_shape[2:], stride, padding, dilation)
    x, w, b, gy = arrays(x_shape, w_shape, win, dtype)
    check(conv, ORDERS[order](x), ORDERS[order](w), b, ORDERS[order](gy), win, groups)


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_slabs_of_an_image_and_odd_tasks(images, monkeypatch):
    monkeypatch.setattr(blocks, "BYTES", 1)
    monkeypatch.setattr(blocks, "ROWS", 10)  # under one image of 7 x 6: slabs of two rows, the last of one
    win = Window.of(3, 1, 1)
    check(conv, *arrays((images, 4, 7, 6), (5, 4, 3, 3), win, np.float64), win, 1)


@pytest.mark.parametrize("padding", [0, 1])
def test_three_dimensions(padding):
    win = Window.of((2, 3, 1), (1, 2, 1), padding, (1, 1, 2), rank=3)
    check(conv, *arrays((2, 4, 3, 5, 4), (6, 2, 2, 3, 1), win, np.float64), win, 2)


def test_results_are_channels_last_and_own_their_memory():
    win = Window.of(3, 1, 1)
    x, w, b, gy = arrays((2, 4, 6, 5), (5, 4, 3, 3), win, np.float32)
    gw, _ = conv.grad_weight(gy, x, w.shape, win, 1)
    for result in (conv.forward(x, w, b, win, 1), conv.grad_input(gy, w, x.shape, win, 1), gw):
        assert np.moveaxis(result, 1, -1).flags.c_contiguous
        assert result.base is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("k", [1, 4])
def test_non_finite_values_reach_what_depends_on_them(value, k):
    """Without a warning on the way: warnings are errors in these tests."""
    win = Window.of(3, 1, 1)
    x, w, b, gy = arrays((2, 4, 6, 5), (k, 4, 3, 3), win, np.float32)
    x[1, 2, 3, 3] = value
    y = conv.forward(x, w, b, win, 1)
    expected = np.zeros(y.shape, bool)
    expected[1, :, 2:5, 2:5] = True
    np.testing.assert_array_equal(~np.isfinite(y), expected)
    assert not np.isfinite(conv.grad_weight(gy, x, w.shape, win, 1)[0][:, 2]).any()
    gy[0, 0, 2, 2] = value
    expected = np.zeros(x.shape, bool)
    expected[0, :, 1:4, 1:4] = True
    np.testing.assert_array_equal(~np.isfinite(conv.grad_input(gy, w, x.shape, win, 1)), expected)


def test_inputs_are_left_alone():
    win = Window.of(3, 2, 1)
    given = arrays((3, 4, 7, 7), (5, 4, 3, 3), win, np.float32)
    for a in given:
        a.flags.writeable = False
    x, w, b, gy = given
    conv.forward(x, w, b, win, 1)
    conv.grad_input(gy, w, x.shape, win, 1)
    conv.grad_weight(gy, x, w.shape, win, 1)
    conv.grad_bias(gy)
