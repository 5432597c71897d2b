"""Seeded random configurations on the emulator against plain loops, odd sizes favoured: 2,000 convolutions, 2,000
poolings, 1,000 batch normalisations; where CI is not set a twentieth of them. A failure names its number, and the
number makes it again."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.cuda import batch_norm, conv, pool
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from gpunn.window import Window
from tests.thinned import one_in

pytestmark = pytest.mark.usefixtures("emulator")
CHUNKS = 20
MADE = one_in(CHUNKS, range(CHUNKS))
ODD = (1, 1, 2, 3, 3, 5, 7)
EPS = 1e-5


def give(array):
    return None if array is None else host.EmulatedArray.of(array)


def channels_last(array):
    """The array on the emulator, in channels-last memory."""
    return None if array is None else np.moveaxis(give(np.moveaxis(array, 1, -1).copy()), -1, 1)


def pick(rng, *choices):
    return [int(rng.choice(some)) for some in choices]


def random_window(rng, sizes, dilated=True):
    """(size, stride, padding, dilation), each a pair, with at least one output for this input."""
    while True:
        size, stride = pick(rng, ODD[:6], ODD[:6]), pick(rng, (1, 1, 2, 3, 5), (1, 1, 2, 3, 5))
        padding = pick(rng, (0, 0, 1, 2), (0, 0, 1, 2))
        dilation = pick(rng, (1, 1, 1, 2, 3), (1, 1, 1, 2, 3)) if dilated else [1, 1]
        win = Window(*(tuple(v) for v in (size, stride, padding, dilation)))
        out = win.out(sizes)
        if min(out) > 0 and out[0] * out[1] * win.positions <= 320:
            return win, out


def close(got, want, terms, what):
    """assert_close for sums of standard normal products, which may cancel to next to nothing."""
    assert_close(got, want, terms, what=what, scale=max(1.0, float(np.max(np.abs(want), initial=0.0))))


def any_variant(rng, operation, function, *args):
    """(result, variant): variants are tried in random order until one takes the call."""
    names = [v.name for v in OPERATIONS[operation].variants]
    for index in rng.permutation(len(names)):
        try:
            with use_variant(operation, names[index]):
                return function(*args), names[index]
        except ValueError as error:
            if "does not take this call" not in str(error):
                raise
    raise AssertionError(f"{operation}: no variant took the call")


def convolution(rng):
    n, h, v = pick(rng, (1, 2, 3), (1, 3, 5, 7, 8), (1, 3, 5, 6, 9))
    groups, cg, kg = pick(rng, (1, 1, 1, 2, 3), (1, 2, 3, 4, 5, 8), (1, 2, 3, 4, 5, 8))
    win, out = random_window(rng, (h, v))
    return (n, groups * cg, h, v), (groups * kg, cg, *win.size), (n, groups * kg, *out), win, groups


@pytest.mark.parametrize("chunk", MADE)
def test_convolutions(chunk):
    for number in one_in(50, range(chunk * 100, chunk * 100 + 100)):
        rng = np.random.default_rng([1, number])
        x_shape, w_shape, y_shape, win, groups = convolution(rng)
        x, w, gy = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, w_shape, y_shape))
        b = rng.standard_normal(w_shape[0]).astype(np.float32) if rng.integers(2) else None
        how = {"stride": win.stride, "padding": win.padding, "dilation": win.dilation, "groups": groups}
        dx, dw, db, dgy = map(give, (x, w, b, gy))
        got, name = any_variant(rng, "conv2d.forward", conv.forward, dx, dw, db, win, groups)
        what = f"convolution {number} {x_shape} {w_shape} {win} groups {groups}"
        close(got, naive.conv(x, w, b, **how), int(np.prod(w_shape[1:])), f"{what} forward {name}")
        got, name = any_variant(rng, "conv2d.grad_input", conv.grad_input, dgy, dw, x_shape, win, groups)
        want = naive.conv_grad_input(gy, w, x_shape, **how)
        close(got, want, w_shape[0] // groups * win.positions, f"{what} grad_input {name}")
        got, name = any_variant(rng, "conv2d.grad_weight", conv.grad_weight, dgy, dx, w_shape, win, groups, True)
        want = naive.conv_grad_weight(gy, x, w_shape, **how)
        close(got[0], want, gy.size // w_shape[0], f"{what} grad_weight {name}")
        for gb in (got[1], conv.grad_bias(dgy)):
            close(gb, naive.conv_grad_bias(gy), gy.size // w_shape[0], f"{what} grad_bias {name}")


def pool_window(rng, sizes, dilated):
    while True:
        win, _ = random_window(rng, sizes, dilated)
        if all(2 * p <= k for p, k in zip(win.padding, win.size, strict=True)):
            return win


@pytest.mark.parametrize("chunk", MADE)
def test_poolings(chunk):
    for number in range(chunk * 100, chunk * 100 + 100):
        rng = np.random.default_rng([2, number])
        n, c, h, v = pick(rng, (1, 2), (1, 3, 4, 5, 8), (1, 3, 5, 7, 8), (1, 3, 5, 6, 9))
        average, ceil, counted, last = (bool(rng.integers(2)) for _ in range(4))
        win = pool_window(rng, (h, v), not average)
        x = (np.round(rng.standard_normal((n, c, h, v)) * 4) / 4).astype(np.float32)
        dx = channels_last(x) if last else give(x)
        what = f"pooling {number} {x.shape} {win} ceil {ceil} average {average} counted {counted} channels-last {last}"
        out = win.out((h, v), ceil)
        gy = rng.standard_normal((n, c, *out)).astype(np.float32)
        dgy = channels_last(gy) if last else give(gy)
        if average:
            geometry = (win.size, win.stride, win.padding, ceil, counted)
            got, name = any_variant(rng, "pool.avg_forward", pool.avg_forward, dx, win, ceil, counted)
            close(got, naive.avg_pool(x, *geometry), win.positions, f"{what} {name}")
            how = (dgy, x.shape, win, ceil, counted)
            got, name = any_variant(rng, "pool.avg_backward", pool.avg_backward, *how)
            close(got, naive.avg_pool_backward(gy, x.shape, *geometry), win.positions, f"{what} {name}")
            continue
        (y, index), name = any_variant(rng, "pool.max_forward", pool.max_forward, dx, win, ceil)
        want, position, plane = naive.max_pool(x, win.size, win.stride, win.padding, win.dilation, ceil)
        assert np.array_equal(np.asarray(y), want) and np.array_equal(np.asarray(index), position), f"{what} {name}"
        if np.isinf(want).any():
            continue  # a dilated window that lies outside the input has no element to give its gradient to
        got, name = any_variant(rng, "pool.max_backward", pool.max_backward, dgy, index, x.shape, win)
        close(got, naive.max_pool_backward(gy, plane, x.shape), win.positions, f"{what} backward {name}")


@pytest.mark.parametrize("chunk", MADE)
def test_batch_normalisations(chunk):
    for number in range(chunk * 50, chunk * 50 + 50):
        rng = np.random.default_rng([3, number])
        rank = int(rng.integers(0, 4))
        shape = tuple(pick(rng, (1, 2, 3, 5), (1, 3, 4, 7, 8, 13), *[(1, 2, 3, 4, 5, 7)] * rank))
        if shape[0] * int(np.prod(shape[2:])) < 3:
            shape = (5, *shape[1:])
        affine, add, relu, last = (bool(rng.integers(2)) for _ in range(4))
        x, gy, extra = (rng.standard_normal(shape).astype(np.float32) for _ in range(3))
        x, extra = x * 2 + np.float32(rng.integers(-3, 4)), extra if add else None
        gamma, beta = rng.standard_normal((2, shape[1])).astype(np.float32) if affine else (None, None)
        order = channels_last if last and rank else give
        dx, dgy, dextra, dgamma, dbeta = order(x), order(gy), order(extra), give(gamma), give(beta)
        how = (dx, dgamma, dbeta, EPS, dextra, relu)
        (y, mean, rstd, told), name = any_variant(rng, "batch_norm.train_forward", batch_norm.train_forward, *how)
        what = f"batch norm {number} {shape} affine {affine} residual {add} relu {relu} channels-last {last} {name}"
        terms = x.size // shape[1]
        want = naive.batch_norm_train(x, gamma, beta, EPS, extra, relu)
        scale = 8.0 * max(1.0, float(np.max(np.abs(want[0]))))  # few values of one sign: their mean shows in each
        found = (y, mean, (np.asarray(rstd, np.float64) ** -2 - EPS).astype(np.float32))
        for got, wanted in zip(found, want, strict=True):
            assert_close(got, wanted, terms, what=what, scale=scale)
        passed = y if relu else None
        told = told if rng.integers(2) else passed
        for training, run in ((True, batch_norm.train_backward), (False, batch_norm.eval_backward)):
            given = dgy, dx, dgamma, mean, rstd, told, True, relu, dbeta
            results, name = any_variant(rng, "batch_norm.backward", run, *given)
            arguments = (np.asarray(mean), np.asarray(rstd) ** -2.0, 0.0, training)
            wanted = naive.batch_norm_backward(gy, x, gamma, *arguments, None if passed is None else np.asarray(passed))
            for got, one in zip(results, wanted, strict=True):
                scale = 8.0 * max(1.0, float(np.max(np.abs(one), initial=0.0)))
                assert_close(got, one, terms, what=f"{what} backward {name}", scale=scale)
