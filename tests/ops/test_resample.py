"""interpolate: both modes, sizes and factors up and down, against PyTorch."""

import numpy as np
import pytest

from gpunn import gradcheck, ops
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
            lambda: ops.interpolate(X, 2, mode="area"),
            "interpolate: mode is 'area', expected one of 'nearest', 'bilinear'",
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
