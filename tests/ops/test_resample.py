"""interpolate: all modes, sizes and factors up and down, against PyTorch."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, gradcheck, ops
from tests.parity import compare, normal, torch

X = normal(2, 3, 5, 7)
BILINEAR = {"mode": "bilinear", "align_corners": False}
CORNERS = {"mode": "bilinear", "align_corners": True}
SIZES = [{"size": 4}, {"size": (11, 3)}, {"size": (5, 7)}, {"size": (1, 1)}, {"scale_factor": 2}]
FACTORS = [{"scale_factor": (2.5, 0.3)}, {"scale_factor": (1.7, 3)}, {"scale_factor": 0.99}]


@pytest.mark.parametrize("size", SIZES + FACTORS, ids=str)
@pytest.mark.parametrize("mode", [{}, BILINEAR, CORNERS], ids=["nearest", "bilinear", "corners"])
def test_parity(mode, size):
    theirs = torch().nn.functional.interpolate
    compare(lambda a: ops.interpolate(a, **size, **mode), lambda a: theirs(a, **size, **mode), X, terms=40)


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 2, 3, 4, 5)])
def test_nearest_in_one_and_three_dimensions(shape):
    theirs = torch().nn.functional.interpolate
    compare(lambda a: ops.interpolate(a, scale_factor=2), lambda a: theirs(a, scale_factor=2), normal(*shape), terms=8)


def test_nearest_reads_what_pytorch_reads_at_awkward_factors():
    theirs = torch().nn.functional.interpolate
    x = np.arange(37.0)[None, None]
    for n in range(1, 120):
        np.testing.assert_array_equal(ops.interpolate(x, n), theirs(torch().tensor(x), size=n).numpy())
        want = theirs(torch().tensor(x), scale_factor=n / 10 + 0.03).numpy()
        np.testing.assert_array_equal(ops.interpolate(x, scale_factor=n / 10 + 0.03), want)


OTHERS = {
    "linear": (2, 3, 5),
    "bicubic": (2, 3, 5, 7),
    "trilinear": (1, 2, 3, 4, 5),
    "area": (2, 3, 5, 7),
    "nearest-exact": (2, 3, 5, 7),
}


@pytest.mark.parametrize("options", [{"size": 3}, {"scale_factor": 1.7}, {"size": 9}], ids=str)
@pytest.mark.parametrize("mode", OTHERS)
def test_the_other_modes(mode, options):
    theirs, x = torch().nn.functional.interpolate, normal(*OTHERS[mode])
    for corners in (None, True) if mode in ("linear", "bicubic", "trilinear") else (None,):
        options = {**options, "mode": mode, "align_corners": corners}
        compare(lambda a, o=options: ops.interpolate(a, **o), lambda a, o=options: theirs(a, **o), x, terms=60)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_shrinking_with_every_elements_share(mode, corners):
    theirs = torch().nn.functional.interpolate
    for size in ((2, 11), (3, 3)):
        options = {"size": size, "mode": mode, "align_corners": corners, "antialias": True}
        compare(lambda a, o=options: ops.interpolate(a, **o), lambda a, o=options: theirs(a, **o), X, terms=60)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
def test_images_of_bytes_are_pytorchs_to_the_last_bit(mode):
    theirs = torch().nn.functional.interpolate
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 23, 31), np.uint8)
    for size in ((11, 40), (50, 7)):
        for antialias in (False, True) if mode in BYTES else (False,):
            options = {"size": size, "mode": mode, "antialias": antialias}
            y = ops.interpolate(x, **options)
            assert y.dtype == np.uint8
            np.testing.assert_array_equal(y, theirs(torch().tensor(x), **options).numpy())


BYTES = ("bilinear", "bicubic")


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_reaches_what_reads_it_alone(bad):
    """Bands are multiplied as dense matrices, in which 0 times infinity would be NaN."""
    x = normal(1, 1, 20, 20)
    x[0, 0, 3, 4] = bad
    for mode in ("bilinear", "bicubic", "area"):
        y = ops.interpolate(x, 33, mode=mode)
        want = torch().nn.functional.interpolate(torch().tensor(x), 33, mode=mode).numpy()
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(want))
        np.testing.assert_allclose(y[np.isfinite(y)], want[np.isfinite(want)], rtol=1e-9, atol=1e-12)


def test_memory_order_stays():
    x = normal(2, 8, 9, 11).astype(np.float32)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for mode in ("bilinear", "area", "nearest"):
        y, z = ops.interpolate(x, 17, mode=mode), ops.interpolate(last, 17, mode=mode)
        assert z.transpose(0, 2, 3, 1).flags.c_contiguous and y.flags.c_contiguous
        np.testing.assert_allclose(y, z, rtol=1e-5, atol=1e-6)
        view = ops.interpolate(x[::-1, ::2], 17, mode=mode)
        assert view.flags.c_contiguous
        np.testing.assert_allclose(view, y[::-1, ::2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["bicubic", "nearest", "area"])
def test_on_kernels_it_is_cpus(mode, place):
    found = []
    for where in ("cpu", place):
        x = Tensor(gpunn.to_device(X[:1, :2].astype(np.float32), where), requires_grad=True)
        y = ops.interpolate(x, (8, 4), mode=mode)
        y.backward(gpunn.to_device(np.arange(64, dtype=np.float32).reshape(1, 2, 8, 4), where))
        found.append((gpunn.to_numpy(y), gpunn.to_numpy(x.grad)))
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


def test_gradients_from_the_definition():
    for options in ({"size": (8, 3)}, {"size": (8, 3), **BILINEAR}, {"scale_factor": 1.6, **CORNERS}):
        assert gradcheck(lambda a, o=options: ops.interpolate(a, **o), [X])


def test_float32_and_an_empty_batch():
    y = ops.interpolate(X.astype(np.float32), scale_factor=1.5, **BILINEAR)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, ops.interpolate(X, scale_factor=1.5, **BILINEAR), atol=1e-6)
    np.testing.assert_array_equal(ops.interpolate(X, scale_factor=np.float32(2)), ops.interpolate(X, scale_factor=2))
    assert ops.interpolate(X[:0], (2, 2)).shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.interpolate(X), "interpolate: size is None and scale_factor is None, expected one of them"),
        (lambda: ops.interpolate(X, 2, 2), "interpolate: size is 2 and scale_factor is 2, expected one of them"),
        (lambda: ops.interpolate(X, (2, 2, 2)), r"interpolate: size has 3 entries \(2, 2, 2\), expected an int or 2"),
        (
            lambda: ops.interpolate(X, scale_factor=-1),
            "interpolate: scale_factor is -1, expected a positive number or 2",
        ),
        (
            lambda: ops.interpolate(X, scale_factor=0.1),
            r"scale_factor 0.1 turns \(5, 7\) into \(0, 0\), expected sizes of",
        ),
        (
            lambda: ops.interpolate(X, 2, mode="cubic"),
            "interpolate: mode is 'cubic', expected one of 'nearest', 'linear', 'bilinear', 'bicubic', 'trilinear'",
        ),
        (
            lambda: ops.interpolate(X, 2, recompute_scale_factor=True),
            "recompute_scale_factor is True with size=2, expected it beside scale_factor; leave it out",
        ),
        (
            lambda: ops.interpolate(X, 2, antialias=True),
            "antialias is True with mode 'nearest', expected 'bilinear' or 'bicubic'; leave it out",
        ),
        (
            lambda: ops.interpolate(X, 2, mode="linear"),
            r"x is \(2, 3, 5, 7\), expected \(N, C, L\) with no size 0 but N for mode 'linear'; reshape it",
        ),
        (lambda: ops.interpolate(X, 2, align_corners=True), "align_corners is True, expected None for mode 'nearest'"),
        (
            lambda: ops.interpolate(X[0], 2, mode="bilinear"),
            r"interpolate: x is \(3, 5, 7\), expected \(N, C, H, W\) with no size 0 but N for mode 'bilinear'",
        ),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
