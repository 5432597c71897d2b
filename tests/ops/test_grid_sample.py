"""grid_sample and affine_grid: every mode and padding of PyTorch's, on every device, with places far outside."""

import os
from itertools import product

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, gradcheck, ops
from gpunn.cpu import grid_sample as twin
from gpunn.grids import MODES, PADDINGS
from tests.parity import compare, normal, torch

X, GRID = normal(2, 3, 5, 6), 1.3 * normal(2, 4, 7, 2, seed=1)
VOLUME, PLACES = normal(2, 2, 3, 4, 5), normal(2, 3, 2, 4, 3, seed=1)


def theirs(x, grid, *how):
    return torch().nn.functional.grid_sample(x, grid, *how)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_parity(mode, padding, align_corners, monkeypatch):
    how = mode, padding, align_corners
    compare(lambda x, g: ops.grid_sample(x, g, *how), lambda x, g: theirs(x, g, *how), X, GRID, terms=200)
    if mode != "bicubic":
        monkeypatch.setattr(twin, "BLOCK", 5)
        compare(lambda x, g: ops.grid_sample(x, g, *how), lambda x, g: theirs(x, g, *how), VOLUME, PLACES, terms=200)


def test_one_pixel_and_far_places():
    far = np.array([[[[0.0, 0.0], [1.0, -1.0], [30.0, -41.0], [1e30, 2.0], [-0.999, 1.001]]]])
    for x in (X[:1, :, :1, :1], X[:1]):
        for padding in PADDINGS:
            for align in (False, True):
                how = "bilinear", padding, align
                places = far[:, :, :3] if padding == "reflection" else far
                want = theirs(torch().tensor(x), torch().tensor(places), *how).numpy()
                np.testing.assert_allclose(ops.grid_sample(x, places, *how), want, rtol=1e-9, atol=1e-12)


def test_places_that_are_no_numbers_read_what_lies_outside():
    places = np.array([[[[np.nan, 0.0], [0.0, np.inf]]]])
    y = ops.grid_sample(X[:1], places, align_corners=True)
    assert np.isnan(y[..., 0]).all() and (y[..., 1] == 0).all()
    assert (ops.grid_sample(X[:1], places, "nearest", align_corners=True) == 0).all()
    held = ops.grid_sample(X[:1], places, "nearest", "border", True)
    assert np.isfinite(held).all()


def test_what_is_not_finite_stays_where_it_is():
    x = X.copy()
    x[0, 0, 2, 2] = np.nan
    y = ops.grid_sample(x, GRID)
    want = theirs(torch().tensor(x), torch().tensor(GRID), "bilinear", "zeros", False).numpy()
    np.testing.assert_array_equal(np.isnan(y), np.isnan(want))


def test_gradients_from_the_definition():
    inside = np.tanh(normal(1, 2, 3, 2)) * 0.9
    for mode in ("bilinear", "bicubic"):
        assert gradcheck(lambda x, g, m=mode: ops.grid_sample(x, g, m, align_corners=False), [X[:1, :2], inside])


FAR = 1.0 * GRID
FAR[0, 0, :, 0] = np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -1.0


@pytest.mark.parametrize("mode", MODES if os.environ.get("CI") else MODES[:1])
def test_on_kernels_it_is_cpus(mode, place):
    """Samples and slopes to the last bit, far outside and where places are no numbers, too; sums over places nearly."""
    for padding, align_corners, volume in product(PADDINGS, (False, True), (False, True)):
        found = []
        given = (VOLUME, PLACES) if volume else (X, FAR)
        for where in ("cpu", place) if not volume or (os.environ.get("CI") and mode != "bicubic") else ():
            x, grid = (Tensor(gpunn.to_device(a.astype(np.float32), where), requires_grad=True) for a in given)
            y = ops.grid_sample(x, grid, mode, padding, align_corners)
            y.backward(gpunn.to_device(normal(*y.shape).astype(np.float32), where))
            found.append([gpunn.to_numpy(a) for a in (y, grid.grad, x.grad)])
        for i, (got, want) in enumerate(zip(*found, strict=True)):
            np.testing.assert_allclose(got, want, rtol=1e-5 * (i == 2), atol=1e-5 * (i == 2))


def test_16_bits_are_computed_in_float32():
    x, grid = X.astype(np.float16), (0.5 * GRID).astype(np.float16)
    y = ops.grid_sample(x, grid)
    want = ops.grid_sample(x.astype(np.float32), grid.astype(np.float32))
    np.testing.assert_array_equal(y, want.astype(np.float16))


def test_none():
    assert ops.grid_sample(X[:0], GRID[:0]).shape == (0, 3, 4, 7)
    x = Tensor(X, requires_grad=True)
    y = ops.grid_sample(x, GRID[:, :0])
    assert y.shape == (2, 3, 0, 7)
    y.sum().backward()
    assert not np.asarray(x.grad).any()


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 1, 3), (2, 3, 2, 4, 3)])
def test_affine_grid(size, align_corners):
    theta = normal(2, len(size) - 2, len(size) - 1)
    compare(
        lambda t: ops.affine_grid(t, size, align_corners),
        lambda t: torch().nn.functional.affine_grid(t, size, align_corners),
        theta,
        terms=60,
    )


WRONG = {
    "mode": (lambda: ops.grid_sample(X, GRID, "cubic"), ["mode is 'cubic'", "'bilinear', 'nearest', 'bicubic'"]),
    "padding": (lambda: ops.grid_sample(X, GRID, padding_mode="edge"), ["padding_mode is 'edge'", "'border'"]),
    "rank": (lambda: ops.grid_sample(X[0], GRID), ["x is (3, 5, 6)", "(N, P, Q, 2)", "reshape"]),
    "batch": (lambda: ops.grid_sample(X, GRID[:1]), ["grid (1, 4, 7, 2)", "(N, C, H, W)", "reshape"]),
    "axes": (lambda: ops.grid_sample(VOLUME, PLACES[..., :2]), ["(2, 3, 2, 4, 2)", "(N, O, P, Q, 3)", "reshape"]),
    "size": (lambda: ops.grid_sample(X[..., :0], GRID), ["(2, 3, 5, 0) has a zero size"]),
    "bicubic": (lambda: ops.grid_sample(VOLUME, PLACES, "bicubic"), ["mode is 'bicubic'", "use 'bilinear'"]),
    "theta": (lambda: ops.affine_grid(normal(2, 2, 2), (2, 1, 4, 4)), ["theta is (2, 2, 2)", "(2, 2, 3)", "reshape"]),
    "theta's size": (lambda: ops.affine_grid(normal(2, 2, 3), (2, 4, 4)), ["size is (2, 4, 4)", "(N, C, H, W)"]),
    "no size": (lambda: ops.affine_grid(normal(2, 2, 3), (2, 1, 0, 4)), ["size is (2, 1, 0, 4)", "at least 1"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name):
    call, words = WRONG[name]
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


def test_dtypes():
    with pytest.raises(TypeError, match="grid_sample: x is float64 but grid is float32"):
        ops.grid_sample(X, GRID.astype(np.float32))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_many_channels_are_read_as_few_are(mode):
    rng = np.random.default_rng(0)
    x, grid = rng.standard_normal((2, 9, 5, 6)), rng.uniform(-1.3, 1.3, (2, 4, 3, 2))
    x[0, 4, 2, 2] = np.nan
    gy = rng.standard_normal((2, 9, 4, 3))
    whole, far = (Tensor(a, requires_grad=True) for a in (x, grid))
    y = ops.grid_sample(whole, far, mode)
    y.backward(gy)
    slopes = np.zeros_like(grid)
    for c in range(0, 9, 3):
        part, places = (Tensor(a, requires_grad=True) for a in (x[:, c : c + 3], grid))
        few = ops.grid_sample(part, places, mode)
        few.backward(gy[:, c : c + 3])
        np.testing.assert_array_equal(y.array[:, c : c + 3], few.array)
        np.testing.assert_array_equal(whole.gradient[:, c : c + 3], part.gradient)
        slopes += places.gradient
    np.testing.assert_allclose(far.gradient, slopes, rtol=1e-12, atol=1e-12)
