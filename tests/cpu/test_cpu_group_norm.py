"""Group and layer norm on NumPy: several blocks a sample, several samples a task, means near and far, any threads."""

import numpy as np
import pytest

from gpunn.cpu import group_norm, threads

SHAPES = {"pieces of a sample": (2, 8, 150, 150), "samples of a task": (40, 6, 9, 7), "wide channels": (2, 640, 3, 5),
          "a prime of positions": (2, 4, 1, 1031)}  # fmt: skip


def moments(x, axes):
    mean = x.mean(axes, keepdims=True)
    return mean, ((x - mean) ** 2).mean(axes, keepdims=True)


def oracle(x, gy, gamma, beta, axes, eps):
    """y and gx in float64 of x and gy seen with groups apart; gamma and beta spread over them."""
    mean, var = moments(x, axes)
    scale = 1 / np.sqrt(var + eps)
    unit, g = (x - mean) * scale, gy * gamma
    gx = scale * (g - g.mean(axes, keepdims=True) - unit * (g * unit).mean(axes, keepdims=True))
    return unit * gamma + beta, gx, gy * unit


def relative(got, want):
    return np.abs(got - want).max() / np.abs(want).max()


def arrays(shape, mean):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) + mean).astype("f")
    return x, *(rng.standard_normal(s).astype("f") for s in (shape, shape[1], shape[1]))


@pytest.mark.parametrize("mean", [0, 300])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("last", [True, False], ids=["channels-last", "C order"])
def test_groups(name, mean, last):
    shape = SHAPES[name]
    x, gy, gamma, beta = arrays(shape, mean)
    if last:
        x, gy = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, gy))
    apart, spread = (shape[0], 2, shape[1] // 2, *shape[2:]), (2, shape[1] // 2, 1, 1)
    want = oracle(*(a.astype(float).reshape(apart) for a in (x, gy)), gamma.reshape(spread), beta.reshape(spread),
                  (2, 3, 4), 1e-5)  # fmt: skip
    y, *kept = group_norm.group_forward(x, 2, gamma, beta, 1e-5)
    gx, ggamma, gbeta = group_norm.group_backward(gy, x, 2, gamma, *kept)
    assert relative(y.reshape(apart), want[0]) < 3e-6
    assert relative(gx.reshape(apart), want[1]) < 3e-6
    assert relative(ggamma, want[2].sum((0, 3, 4)).reshape(-1)) < 1e-5
    assert relative(gbeta, gy.sum((0, 2, 3), dtype=float)) < 1e-5


@pytest.mark.parametrize("mean", [0, 300])
def test_layers(mean):
    rng = np.random.default_rng(0)
    x, gy = (rng.standard_normal((2, 400, 700)) + np.reshape([mean, 0], (2, 1, 1))).astype("f")
    gamma, beta = rng.standard_normal((2, 700)).astype("f")
    want = oracle(x.astype(float), gy.astype(float), gamma, beta, (1,), 1e-5)
    y, *kept = group_norm.layer_forward(x, gamma, beta, 1e-5)
    gx, ggamma, gbeta = group_norm.layer_backward(gy, x, gamma, *kept)
    tolerance = 3e-6 + mean * 2.0**-23  # the mean is kept in float32
    for got, right in ((y, want[0]), (gx, want[1]), (ggamma, want[2].sum(0)), (gbeta, gy.sum(0, dtype=float))):
        assert relative(got, right) < tolerance


def test_any_number_of_threads_gives_the_same_bits():
    x, gy, gamma, beta = arrays((5, 8, 90, 90), 1)
    before, results = threads.thread_count(), []
    try:
        for count in (1, 2, 3):
            threads.set_thread_count(count)
            y, *kept = group_norm.group_forward(x, 4, gamma, beta, 1e-5)
            rows = x.reshape(-1, 90)
            z, *own = group_norm.layer_forward(rows, None, None, 1e-5)
            results.append((y, *kept, *group_norm.group_backward(gy, x, 4, gamma, *kept), z, *own,
                            *group_norm.layer_backward(gy.reshape(-1, 90), rows, None, *own)))  # fmt: skip
    finally:
        threads.set_thread_count(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_bad_value_spoils_its_own_group_alone(bad):
    x, gy, gamma, beta = arrays((2, 4, 5, 5), 0)
    x[0, 1, 2, 2] = bad
    y, *kept = group_norm.group_forward(x, 2, gamma, beta, 1e-5)
    gx, _, _ = group_norm.group_backward(gy, x, 2, gamma, *kept)
    for result in (y, gx):
        assert not np.isfinite(result[0, :2]).any() and np.isfinite(result[0, 2:]).all()
        assert np.isfinite(result[1]).all()
