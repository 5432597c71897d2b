"""Data sets by name, limits, and normalisation."""

import numpy as np
import pytest

from gpunn.data import catalogue, load, make_digits, names, normalise
from gpunn.errors import DataError


@pytest.fixture
def small(monkeypatch):
    """The generated digits, 50 + 20 of them."""
    images = catalogue.ImageSet(*make_digits(50), *make_digits(20, part="test"))
    monkeypatch.setattr(catalogue, "load_digits", lambda: images)
    return images


def test_names():
    assert names() == ["cifar10", "cifar100", "cifar100-coarse", "digits", "fashion-mnist", "mnist", "shapes"]


def test_digits(small):
    data = load("digits")
    assert (data.name, data.note, list(data.classes)) == ("digits", "", list("0123456789"))
    assert data.train.shape == (50, 1, 28, 28) and data.train.dtype == np.uint8
    assert data.train_labels.shape == (50,) and data.train_labels.dtype == np.int64
    assert data.test.shape == (20, 1, 28, 28) and data.test_labels.dtype == np.int64
    np.testing.assert_allclose(data.mean, [np.mean(data.train / 255)])
    np.testing.assert_allclose(data.std, [np.std(data.train / 255)])


def test_limit_keeps_the_first_images_and_the_same_share_of_the_test(small):
    whole, part = load("digits"), load("digits", limit=10)
    np.testing.assert_array_equal(part.train, whole.train[:10])
    np.testing.assert_array_equal(part.train_labels, whole.train_labels[:10])
    np.testing.assert_array_equal(part.test, whole.test[:4])
    assert len(part.test_labels) == 4
    assert (part.mean, part.std) == (whole.mean, whole.std)
    assert part.note == "limit 10: the first 10 of 50 training images, and the first 4 of 20 test images"
    assert whole.note == load("digits", limit=50).note == ""
    assert len(load("digits", limit=1).test) == 1 and len(load("digits", limit=99).train) == 50


@pytest.mark.parametrize("limit", [0, -5, 2.5, True, "10"])
def test_wrong_limit(limit):
    with pytest.raises(
        DataError, match=f"load: limit is {limit!r}; give a whole number of at least 1, or None for all"
    ):
        load("digits", limit=limit)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("minst", r"load: no data set is called 'minst'; did you mean 'mnist'\? \(known: cifar10, .*, folder:PATH\)"),
        ("Digit", r"no data set is called 'Digit'; did you mean 'digits'\?"),
        ("CIFAR10", r"did you mean 'cifar10'\?"),
        ("cifar-10", r"did you mean 'cifar10'\?"),
        ("fashion", r"did you mean 'fashion-mnist'\?"),
        ("imagenet", r"no data set is called 'imagenet' \(known: cifar10, cifar100, cifar100-coarse, digits"),
        ("folder:", r"load: 'folder:' names no folder; give folder:PATH, its sub-folders the classes"),
        (None, r"no data set is called None \(known"),
    ],
)
def test_unknown_name(name, words):
    with pytest.raises(DataError, match=words):
        load(name)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("folder:pics", "folder:{}/pics"),
        ("folder:pics@64", "folder:{}/pics@64"),
        ("folder:./sub/../pics", "folder:{}/pics"),
        ("folder:a@b", "folder:{}/a@b"),
        ("folder:a@²", "folder:{}/a@²"),
        ("folder:/pics@8", "folder:/pics@8"),
        ("mnist", "mnist"),
    ],
)
def test_a_folder_s_name_is_found_from_anywhere(tmp_path, monkeypatch, name, whole):
    monkeypatch.chdir(tmp_path)
    assert catalogue.full_name(name) == whole.format(tmp_path.resolve())


def test_a_working_folder_that_is_gone(monkeypatch):
    def gone(path):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(catalogue.Path, "absolute", gone)
    with pytest.raises(DataError, match=r"load: 'folder:pics' cannot be found from here \(.*\); give the f"):
        load("folder:pics")


def test_normalise():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    got = normalise(images, mean, std)
    want = (images / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=2e-6)
    np.testing.assert_allclose(normalise(images[0, 0], 0.5, 0.25), (images[0, 0] / 255 - 0.5) / 0.25, atol=2e-6)
    np.testing.assert_allclose(normalise(images[:, :1], (0.5,), (0.25,)), (images[:, :1] / 255 - 0.5) / 0.25, atol=2e-6)
    assert normalise(images[:0], mean, std).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    ("images", "mean", "std", "words"),
    [
        (np.zeros((2, 1, 4, 4), np.float32), 0, 1, "images are float32, expected uint8 .*; normalise them only once"),
        (np.zeros((2, 3, 4, 4), np.uint8), (0, 0), 1, r"mean has shape \(2,\) but images have shape \(2, 3, 4, 4\)"),
        (np.zeros((2, 4, 4), np.uint8), 0, (1, 1, 1), r"std has shape \(3,\) but images have shape \(2, 4, 4\)"),
        (np.zeros((2, 1, 4, 4), np.uint8), 0, 0, "std is 0.0; every value must be above 0"),
        (
            np.zeros((2, 3, 4, 4), np.uint8),
            0,
            (1, float("nan"), 1),
            r"std is \[1.0, nan, 1.0\]; every value must be above 0",
        ),
    ],
)
def test_normalise_refuses(images, mean, std, words):
    with pytest.raises(DataError, match=f"normalise: {words}"):
        normalise(images, mean, std)
