"""nan, infinity, arrays without dimensions, and numbers beside arrays, on every device."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops
from tests.ops.places import host, leaf, on
from tests.parity import torch

inf, nan = np.inf, np.nan


# ---------------------------------------------------------------- nan and infinity
AT_NAN = {
    **{name: 1 for name in ("abs", "relu", "leaky_relu", "silu", "softplus", "sigmoid", "tanh", "exp", "neg")},
    **{name: 2 for name in ("maximum", "minimum", "add", "mul", "div")},
}
POINTS = np.array([[nan, 1, 0, -0.0, inf, -inf, 2, 2, -3], [1, nan, nan, 0, inf, 0, 2, 1, nan]])


@pytest.mark.parametrize("name", AT_NAN)
def test_gradients_at_nan_are_pytorchs(name, place):
    t = torch()
    theirs = getattr(t, name, None) or getattr(t.nn.functional, name)
    _same_as_torch(place, getattr(ops, name), theirs, *POINTS[: AT_NAN[name]])


@pytest.mark.parametrize("low, high", [(-1, 1), (0, None), (None, 0.5), (nan, 1)])
def test_clip_at_nan(low, high, place):
    _same_as_torch(place, lambda x: ops.clip(x, low, high), lambda x: x.clamp(low, high), POINTS[0])


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_at_nan(name, place):
    t, x = torch(), np.array([[nan, 1, nan], [1, 2, 2], [-inf, -inf, 0]])
    _same_as_torch(place, lambda x: getattr(ops, name)(x, 1), lambda x: getattr(t, f"a{name}")(x, 1), x)
    _same_as_torch(place, getattr(ops, name), getattr(t, name), x)


def test_pooling_at_nan(place):
    x = np.resize([nan, 1, 2, -inf, 0, 0, inf, 3, nan, -1, 5], (1, 2, 6, 6))
    f = torch().nn.functional
    _same_as_torch(place, lambda x: ops.max_pool2d(x, 3, 2, 1), lambda x: f.max_pool2d(x, 3, 2, 1), x)
    _same_as_torch(place, lambda x: ops.adaptive_max_pool2d(x, 4), lambda x: f.adaptive_max_pool2d(x, 4), x)


def _same_as_torch(place, ours, theirs, *arrays):
    t = torch()
    mine = [leaf(place, a) for a in arrays]
    other = [t.tensor(np.asarray(a, np.float32), requires_grad=True) for a in arrays]
    with np.errstate(all="ignore"):
        y, want = ours(*mine), theirs(*other)
    gy = np.linspace(0.5, 2, want.numel(), dtype=np.float32).reshape(want.shape)
    y.backward(on(place, gy))
    want.backward(t.tensor(gy))
    np.testing.assert_allclose(host(y.array), want.detach().numpy(), rtol=2e-6)
    for own, their in zip(mine, other, strict=True):
        np.testing.assert_allclose(host(own.gradient), their.grad.numpy(), rtol=2e-6)


def test_infinite_scores_give_the_limit(place):
    scores = [[0, inf, 1], [inf, -inf, inf], [0, -inf, 0], [-inf, -inf, 0]]
    shares = np.array([[0, 1, 0], [0.5, 0, 0.5], [0.5, 0, 0.5], [0, 0, 1]])
    gy, total = np.arange(12.0).reshape(4, 3), np.array([inf, inf, np.log(2), 0])
    x = leaf(place, scores)
    y = ops.softmax(x, 1)
    y.backward(on(place, gy))
    np.testing.assert_allclose(host(y.array), shares)
    np.testing.assert_allclose(host(x.gradient), shares * (gy - (shares * gy).sum(1, keepdims=True)), atol=1e-6)
    x = leaf(place, scores)
    y = ops.log_softmax(x, 1)
    y.backward(on(place, gy))
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(host(y.array), np.log(shares), rtol=1e-6)
    np.testing.assert_allclose(host(x.gradient), gy - shares * gy.sum(1, keepdims=True), rtol=1e-6)
    x = leaf(place, scores)
    y = ops.logsumexp(x, 1)
    y.sum().backward()
    np.testing.assert_allclose(host(y.array), total, rtol=1e-6)
    np.testing.assert_allclose(host(x.gradient), shares)


def test_scores_that_are_all_minus_infinity_or_nan(place):
    x = leaf(place, [[-inf, -inf], [nan, inf]])
    assert np.isnan(host(ops.softmax(x, 1).array)).all() and np.isnan(host(ops.log_softmax(x, 1).array)).all()
    y = ops.logsumexp(x, 1)
    y.sum().backward()
    np.testing.assert_array_equal(host(y.array), [-inf, nan])
    np.testing.assert_array_equal(host(x.gradient), [[0, 0], [nan, nan]])  # nothing has no share


# ---------------------------------------------------------------- arrays without dimensions, numbers, small integers
REDUCED = ("sum", "mean", "max", "min", "logsumexp", "squeeze", "softmax", "log_softmax")


@pytest.mark.parametrize("axis", [0, -1])
def test_0d_arrays_count_as_one_axis(axis, place):
    for name in REDUCED:
        x = leaf(place, 0.7)
        y = getattr(ops, name)(x, axis)
        y.backward()
        assert y.shape == () and x.gradient.shape == () and str(y.device) == place
        want = {"softmax": (1, 0), "log_softmax": (0, 0)}.get(name, (0.7, 1))
        assert (host(y.array), host(x.gradient)) == pytest.approx(want, abs=1e-6), name
    x = on(place, 0.7)
    assert host(ops.argmax(x, axis)) == 0 and host(ops.var(x, axis, correction=0)) == 0
    assert host(ops.transpose(x, axis, 0)) == pytest.approx(0.7) and ops.flatten(x, axis, axis).shape == (1,)
    assert ops.sum(x, axis, keepdims=True).shape == ops.max(x, (axis,)).shape == ()
    for wrong in (1, -2, (0, -1)):
        with pytest.raises(ValueError, match=r"sum: axis .* not fit shape \(\); expected different axes from -1 to 0"):
            ops.sum(x, wrong)


@pytest.mark.parametrize("make", [bool, np.bool_, np.array, "there", "Tensor"])
@pytest.mark.parametrize("chosen", [True, False])
def test_a_bool_mask_without_dimensions(chosen, make, place):
    there = gpunn.to_device(np.array(chosen), place)
    mask = there if make == "there" else Tensor(there) if make == "Tensor" else make(chosen)
    for shape in ((), (3,)):
        x = leaf(place, np.ones(shape))
        y = x[mask]
        assert y.shape == (int(chosen), *shape)
        y.sum().backward()
        assert (host(x.gradient) == chosen).all()
    if chosen:
        x = leaf(place, [1, 2, 3])
        y = x[mask, [0, 2, 2]]
        y.sum().backward()
        assert host(y.array).tolist() == [1, 3, 3] and host(x.gradient).tolist() == [1, 0, 2]


def test_gelu_of_a_number(place):
    assert float(host(ops.gelu(on(place, 1.0, np.float64)))) == pytest.approx(0.8413447, abs=1e-7)
    assert nn.GELU()(Tensor(0.5)).item() == pytest.approx(0.3457312, abs=1e-7)
    x = leaf(place, 0.5)
    nn.GELU()(x).backward()
    assert float(host(x.gradient)) == pytest.approx(0.867495, abs=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prelu_of_one_slope(dtype, place):
    x = on(place, [[-2.0, 4.0]], dtype)
    for slope in (0.25, np.float32(0.25), on(place, 0.25, dtype), on(place, [0.25], dtype)):
        assert ops.prelu(x, slope).dtype == dtype and host(ops.prelu(x, slope)).tolist() == [[-0.5, 4]]
    slope = leaf(place, 0.25, dtype)
    ops.prelu(x, slope).sum().backward()
    assert slope.gradient.shape == () and float(host(slope.gradient)) == -2
    assert host(ops.prelu(on(place, -2.0, dtype), slope).array) == -0.5


@pytest.mark.parametrize(
    "a, b, dtype",
    [
        (1, 0, "int64"), (True, False, "bool"), (1.0, 0, "float32"), (True, 2, "int64"), (True, 0.5, "float32"),
        (np.float32([1, 2]), 0, "float32"), (np.float16([1, 2]), 0.5, "float16"), (np.int32([1, 2]), 0, "int32"),
        (np.int32([1, 2]), 0.5, "float32"), (np.uint8([1, 2]), True, "uint8"), (np.array([True, False]), 3, "int64"),
        (np.array([True, False]), 0.5, "float32"), (np.float64([1, 2]), 0.1, "float64"), (np.float64(1), 0, "float32"),
    ],
)  # fmt: skip
def test_where_takes_numbers_as_pytorch_does(a, b, dtype, place):
    move = [gpunn.to_device(x, place) if isinstance(x, np.ndarray) else x for x in (a, b)]
    y = ops.where(gpunn.to_device(np.array([True, False]), place), *move)
    assert y.dtype == dtype and str(gpunn.backend.device_of(y)) == place
    np.testing.assert_array_equal(host(y), np.where([True, False], a, b).astype(dtype))


def test_clip_of_integers(place):
    x = gpunn.to_device(np.array([0, 1, 200], np.uint8), place)
    assert ops.clip(x, 0.5, 1.5).dtype == np.float32 and host(ops.clip(x, 0.5, 1.5)).tolist() == [0.5, 1, 1.5]
    assert ops.clip(x, 1, 2).dtype == np.uint8 and host(ops.clip(x, 1, None)).tolist() == [1, 1, 200]
    assert host(ops.clip(x, -1, 100)).tolist() == [0, 1, 100] and host(ops.clip(x, None, 900)).tolist() == [0, 1, 200]
    assert host(ops.clip(x > 0, 1, 5)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"clip: min is 300, which uint8 cannot hold; expected 0 to 255, .*convert x"):
        ops.clip(x, 300)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64"])
def test_sums_of_integers_are_int64(dtype, place):
    x = gpunn.to_device(np.ones((300, 2), dtype), place)
    for y in (ops.sum(x), ops.sum(x, 0), Tensor(x).sum(1).array):
        assert y.dtype == np.int64
    assert host(ops.sum(x, 0)).tolist() == [300, 300]
    with pytest.raises(TypeError, match="mean: got dtype"):
        ops.mean(x)
