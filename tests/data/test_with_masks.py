"""Masks move with their images."""

import numpy as np
import pytest

from gpunn import data
from gpunn.errors import DataError

FLIP = data.RandomHorizontalFlip()


def numbered(n=40, side=6, channels=2):
    """Images of which each pixel tells where it was, and masks that say the same."""
    where = np.arange(1, side * side + 1).reshape(side, side)
    images = np.broadcast_to(where.astype(np.uint8), (n, channels, side, side))
    return images, np.broadcast_to(where, (n, side, side)).astype(np.int64)


@pytest.mark.parametrize("steps", [(FLIP,), (data.RandomCrop(2),), (data.RandomCrop(1, size=(4, 3)), FLIP)])
def test_every_pixel_keeps_its_label(steps):
    images, masks = numbered()
    moved, labels = data.WithMasks(*steps)(images, masks, np.random.default_rng(3))
    np.testing.assert_array_equal(moved[:, 1], np.where(labels == -100, 0, labels))
    assert labels.dtype == np.int64 and not np.array_equal(labels, masks)
    (alone,) = data.Compose(*steps)(images, np.random.default_rng(3))
    np.testing.assert_array_equal(moved, alone)  # the draws are those of the steps alone
    np.testing.assert_array_equal(masks, numbered()[1])


def test_a_loader_takes_it():
    images, masks = numbered(10)
    steps = data.Compose(data.WithMasks(data.RandomCrop(1)), data.Normalise(0.0, 1 / 255))
    loader = data.DataLoader(data.ArrayDataset(images, masks), 5, shuffle=True, transform=steps, seed=1)
    for x, y in loader:
        np.testing.assert_allclose(x[:, 0], np.where(y == -100, 0, y), rtol=1e-6)


def test_none_and_refusals():
    images, masks = numbered(0)
    assert data.WithMasks(FLIP)(images, masks, np.random.default_rng(0))[1].shape == (0, 6, 6)
    with pytest.raises(DataError, match=r"RandomAffine.* moves no masks; give RandomCrop and RandomHorizontalFlip"):
        data.WithMasks(data.RandomAffine(degrees=10))
    images, masks = numbered(2)
    for wrong in (masks[:1], masks.astype(np.uint8), masks[:, 0], masks.tolist()):
        with pytest.raises(DataError, match=r"WithMasks: masks are .*, expected signed whole numbers \(2, 6, 6\)"):
            data.WithMasks(FLIP)(images, wrong, np.random.default_rng(0))
    for wrong in (1.5, None, True):
        with pytest.raises(DataError, match=r"WithMasks: ignore_index is .*; give a whole number, such as -100"):
            data.WithMasks(data.RandomCrop(1), ignore_index=wrong)
    with pytest.raises(DataError, match=r"ignore_index is 255, which masks of int8 cannot hold; convert them with"):
        data.WithMasks(FLIP, ignore_index=255)(images, masks.astype(np.int8), np.random.default_rng(0))
