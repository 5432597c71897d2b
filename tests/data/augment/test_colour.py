"""ColorJitter against its definition, step by step."""

import numpy as np
import pytest

from gpunn.data import ColorJitter
from gpunn.errors import DataError
from tests.data.augment.batches import images, run

LUMA = np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)


def grey(x):
    return (x * LUMA).sum(axis=1, keepdims=True) if x.shape[1] == 3 else x


def by_definition(x, brightness, contrast, saturation):
    x = x * brightness
    x = contrast * x + (1 - contrast) * grey(x).mean(axis=(1, 2, 3), keepdims=True)
    return saturation * x + (1 - saturation) * grey(x) if x.shape[1] == 3 else x


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize(
    "factors", [(1, 1, 1), (1.4, 1, 1), (0.5, 1, 1), (1, 1.5, 1), (1, 0.2, 1), (1, 1, 1.6), (0.8, 1.3, 0)]
)
def test_definition(c, factors):
    step = ColorJitter(*((f, f) for f in factors))
    x = images(c=c, dtype=np.float64)
    np.testing.assert_allclose(run(step, x), np.clip(by_definition(x, *factors), 0, 1), atol=1e-6)
    x8 = images(c=c)
    got, want = run(step, x8), np.clip(by_definition(x8.astype(float), *factors), 0, 255)
    assert got.dtype == np.uint8 and np.abs(got - want).max() <= 0.501


def test_no_jitter_changes_nothing():
    np.testing.assert_array_equal(run(ColorJitter(), images()), images())


def test_factors_fill_their_ranges():
    y = run(ColorJitter(brightness=0.25), np.full((800, 1, 2, 2), 0.5, np.float32))[:, 0, 0, 0] / 0.5
    assert 0.75 <= y.min() < 0.76 and 1.24 < y.max() <= 1.2501 and abs(y.mean() - 1) < 0.02
    y = run(ColorJitter(brightness=3), np.full((800, 1, 2, 2), 0.2, np.float32))[:, 0, 0, 0] / 0.2
    assert 0 <= y.min() < 0.05 and 3.9 < y.max() <= 4.001, "factors below 0 are left out"


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("value", [-0.1, (-1, 1), (2, 1), (1, 2, 3), "x", float("inf")])
def test_refuses_options(name, value):
    with pytest.raises(
        DataError, match=rf"ColorJitter: {name} is .*; give one number of at least 0, or \(low, high\) of"
    ):
        ColorJitter(**{name: value})


def test_refuses_other_channels():
    with pytest.raises(
        DataError, match=r"ColorJitter: images have 4 channels \(shape \(6, 4, 10, 12\)\), expected 3 \(RGB\)"
    ):
        run(ColorJitter(0.1), images(c=4))
