"""RandomCrop, RandomHorizontalFlip and Cutout, pixel by pixel."""

import numpy as np
import pytest

from gpunn.data import Cutout, RandomCrop, RandomHorizontalFlip
from gpunn.errors import DataError
from tests.data.augment.batches import images, run


def where(window, padded):
    """The places (top, left) at which `window` occurs in `padded`."""
    (h, w), (rows, columns) = window.shape[1:], padded.shape[1:]
    return [
        (i, j)
        for i in range(rows - h + 1)
        for j in range(columns - w + 1)
        if np.array_equal(padded[:, i : i + h, j : j + w], window)
    ]


@pytest.mark.parametrize("size", [None, (7, 12), (16, 5)])
@pytest.mark.parametrize(("mode", "fill"), [("constant", 0), ("constant", 9), ("reflect", 0), ("edge", 0)])
def test_windows_of_the_padded_image(size, mode, fill):
    x = images(40)
    y = run(RandomCrop(3, size, fill, mode), x)
    options = {"constant_values": fill} if mode == "constant" else {}
    padded = np.pad(x, ((0, 0), (0, 0), (3, 3), (3, 3)), mode, **options)
    height, width = size or (10, 12)
    assert y.shape == (40, 3, height, width)
    places = [where(*pair) for pair in zip(y, padded, strict=True)]
    assert all(len(found) == 1 for found in places)
    tops, lefts = (set(axis) for axis in zip(*(found[0] for found in places), strict=True))
    assert len(tops) > 1 or (height == 16 and tops == {0})
    assert len(lefts) > 1


def test_every_place_is_as_likely():
    x = np.repeat(np.arange(1, 26, dtype=np.uint8).reshape(1, 1, 5, 5), 9000, axis=0)
    middle = run(RandomCrop(1), x)[:, 0, 2, 2]  # names the offset, for offsets of -1 to 1
    counts = np.bincount(middle, minlength=26)[[7, 8, 9, 12, 13, 14, 17, 18, 19]]
    assert counts.sum() == 9000 and np.abs(counts - 1000).max() < 150


def test_no_padding_and_whole_size_change_nothing():
    x = images()
    np.testing.assert_array_equal(run(RandomCrop(0), x), x)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding": -1}, "padding is -1; give a whole number of at least 0"),
        ({"padding": 2.5}, "padding is 2.5; give a whole number"),
        ({"mode": "wrap"}, "mode is 'wrap'; give one of constant, reflect, edge"),
        ({"size": 5}, r"size is 5; give \(height, width\)"),
        ({"size": (0, 4)}, "size is 0; give a whole number of at least 1"),
    ],
)
def test_crop_refuses_options(options, words):
    with pytest.raises(DataError, match=f"RandomCrop: {words}"):
        RandomCrop(**options)


def test_crop_refuses_images_of_another_size():
    with pytest.raises(
        DataError, match=r"a window of 32 x 32 does not fit into images of 10 x 12 padded by 4; use a smal"
    ):
        run(RandomCrop(4, size=(32, 32)), images())
    with pytest.raises(DataError, match="padding 10 cannot be reflected in images of 10 x 12; use less padding"):
        run(RandomCrop(10, mode="reflect"), images())


def test_flip():
    x = images(1000, c=1, h=2, w=3)
    y = run(RandomHorizontalFlip(0.3), x)
    flipped = (y == x[:, :, :, ::-1]).all(axis=(1, 2, 3))
    assert 240 < flipped.sum() < 360
    np.testing.assert_array_equal(y[~flipped], x[~flipped])
    np.testing.assert_array_equal(run(RandomHorizontalFlip(0), x), x)
    np.testing.assert_array_equal(run(RandomHorizontalFlip(1), x), x[:, :, :, ::-1])


@pytest.mark.parametrize("p", [-0.1, 1.5, "a", None, float("nan")])
def test_flip_refuses(p):
    with pytest.raises(DataError, match=f"RandomHorizontalFlip: p is {p!r}; give a probability, 0 to 1"):
        RandomHorizontalFlip(p)


@pytest.mark.parametrize("size", [1, 4, 5, 40])
def test_cutout_is_one_square_around_a_pixel(size):
    x = images(60) // 2 + 1  # no zeros
    holes = run(Cutout(size), x) == 0
    assert (holes == holes[:, :1]).all(), "the same in every channel"
    for hole in holes[:, 0]:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole.sum() == len(rows) * len(columns), "a rectangle"
        for found, length in ((rows, 10), (columns, 12)):
            assert np.all(np.diff(found) == 1) and 1 <= len(found) <= size
            assert len(found) == size or found[0] == 0 or found[-1] == length - 1, "smaller only where a border cuts it"
    np.testing.assert_array_equal(run(Cutout(size), x)[~holes], x[~holes])


def test_cutout_centres_reach_every_pixel():
    hole = run(Cutout(1), np.ones((2000, 1, 5, 6), np.uint8)) == 0
    counts = hole.sum(axis=(0, 1))
    assert counts.sum() == 2000 and counts.min() > 30


def test_cutout_share_and_fill():
    y = run(Cutout(2, fill=0.5, p=0.25), np.zeros((400, 1, 6, 6), np.float32))
    assert 60 < (y == 0.5).any(axis=(1, 2, 3)).sum() < 140 and set(np.unique(y)) == {0, 0.5}
    for options, words in (
        ({"size": 0}, "size is 0; give a whole number of at least 1"),
        ({"size": 2, "p": 2}, "p is 2;"),
    ):
        with pytest.raises(DataError, match=f"Cutout: {words}"):
            Cutout(**options)
