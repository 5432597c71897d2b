"""The generated shapes: what is in them, the same bytes everywhere, and masks that agree with the images."""

import hashlib
import time

import numpy as np
import pytest

from gpunn.data import catalogue, load, load_shapes, make_shapes, shapes
from gpunn.errors import DataError


@pytest.fixture(scope="module")
def some():
    """Images and masks of two blocks, and the seconds of processor time that they took."""
    start = time.process_time()
    return *make_shapes(200), time.process_time() - start


def test_size_classes_and_time(some):
    images, masks, seconds = some
    assert images.shape == (200, 3, 64, 64) and images.dtype == np.uint8
    assert masks.shape == (200, 64, 64) and masks.dtype == np.int64
    shares = np.bincount(masks.reshape(-1)) / masks.size
    assert len(shares) == len(shapes.CLASSES) and shares[0] < 0.95 and (shares[1:] > 0.03).all()
    assert seconds < 4, "0.15 s on the machine where it was written: 2,400 in 1.8 s"


def test_the_same_bytes_on_every_machine(some):
    """No sine, no sum of many numbers, no matrix product: nothing in which machines may differ."""
    images, masks, _ = some
    kept = [hashlib.sha256(a.tobytes()).hexdigest()[:16] for a in (images[:100], masks[:100].astype("<i8"))]
    assert kept == ["2f82c5efd183e121", "a3ca3608a3438b4c"]


def test_the_first_images_are_the_same_however_many_and_seeds_differ(some):
    images, masks, _ = some
    for n in (1, shapes.BLOCK, 150):
        again = make_shapes(n)
        assert np.array_equal(again[0], images[:n]) and np.array_equal(again[1], masks[:n])
    for other in (make_shapes(3, seed=1), make_shapes(3, part="test")):
        assert not np.array_equal(other[0], images[:3])
    assert len({image.tobytes() for image in images}) == 200


def test_a_mask_follows_the_edges_of_its_image():
    """Across the border of a mask colours change far more than elsewhere."""
    images, masks = make_shapes(100)
    step = np.abs(np.diff(images.astype(int), axis=3)).sum(1)
    border = np.diff(masks, axis=2) != 0
    assert step[border].mean() > 2.5 * step[~border].mean()


def test_discs_are_round_and_triangles_are_not():
    """A thing alone, in an image with one: of a disc's bounding box pi/4 is filled, of a triangle's about half."""
    _, masks = make_shapes(400)
    filled = {1: [], 2: []}
    for mask in masks:
        kinds = np.unique(mask[mask > 0])
        rows, columns = np.nonzero(mask)
        inside = len(rows) and min(rows.min(), columns.min()) > 0 and max(rows.max(), columns.max()) < 63
        box = inside and (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        if len(kinds) == 1 and inside and box < 36 * 36:
            filled[int(kinds[0])].append(len(rows) / box)
    assert len(filled[1]) > 10 and len(filled[2]) > 10
    assert np.median(filled[1]) == pytest.approx(np.pi / 4, abs=0.04) and 0.35 < np.median(filled[2]) < 0.65


def test_by_name_and_with_a_limit(monkeypatch):
    monkeypatch.setattr(catalogue, "load_shapes", lambda: load_shapes(20, 10))
    data = load("shapes", limit=10)
    assert (data.name, tuple(data.classes)) == ("shapes", ("background", "disc", "triangle"))
    assert data.train.shape == (10, 3, 64, 64) and data.train_labels.shape == (10, 64, 64)
    assert data.test.shape == (5, 3, 64, 64) and data.test_labels.dtype == np.int64
    assert len(data.mean) == 3 and "the first 10 of 20 training images" in data.note


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_train": 0}, "load_shapes: n_train is 0; give a whole number of at least 1"),
        ({"n_test": True}, "load_shapes: n_test is True; give"),
        ({"seed": -1}, "load_shapes: seed is -1; give a whole number of at least 0"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(DataError, match=words):
        load_shapes(**arguments)
