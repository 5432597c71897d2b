"""The generated digits: size, balance, reproducibility, difficulty, and the cache file."""

import time
import zipfile

import numpy as np
import pytest

from gpunn.data import digits, load_digits, make_digits, normalise
from gpunn.data.strokes import GLYPHS, SEGMENTS, glyph_table
from gpunn.errors import DataError
from gpunn.seals import say


@pytest.fixture(scope="module")
def whole():
    """The default set, its folder and the seconds of processor time that making it took."""
    start = time.process_time()
    images = digits.ImageSet(*make_digits(20000), *make_digits(4000, part="test"))
    return images, time.process_time() - start


def test_size_balance_and_time(whole):
    images, seconds = whole
    assert images.train_images.shape == (20000, 28, 28) and images.test_images.shape == (4000, 28, 28)
    assert all(a.dtype == np.uint8 for a in images)
    assert np.bincount(images.train_labels).tolist() == [2000] * 10
    assert np.bincount(images.test_labels).tolist() == [400] * 10
    assert seconds < 20, "1.7 s on the machine where it was written"


def test_images_are_digits_not_blanks(whole):
    images = whole[0].train_images[:2000] / 255
    assert images.max(axis=(1, 2)).min() > 0.4, "every image has ink"
    assert 0.05 < images.mean() < 0.2
    border = np.concatenate(
        [images[:, [0, -1]].reshape(len(images), -1), images[:, :, [0, -1]].reshape(len(images), -1)], 1
    )
    assert border.mean() < 0.35 * images.mean(), "the digit is inside, not cut"


def test_no_image_twice(whole):
    images = np.concatenate([whole[0].train_images, whole[0].test_images])
    assert len({image.tobytes() for image in images}) == 24000


def test_a_linear_model_stays_below_92_percent(whole):
    images, labels, test_images, test_labels = whole[0]
    mean, std = images.mean() / 255, images.std() / 255
    x, test = (normalise(a, mean, std).reshape(len(a), -1) for a in (images, test_images))
    weights, bias = softmax_regression(x, labels, epochs=12)
    train_accuracy = np.mean(np.argmax(x @ weights + bias, axis=1) == labels)
    accuracy = np.mean(np.argmax(test @ weights + bias, axis=1) == test_labels)
    assert train_accuracy > 0.8, "the model learnt what it can"
    assert 0.75 < accuracy < 0.92, f"softmax regression reaches {accuracy:.3f}; 0.82 was measured"


def softmax_regression(x, labels, epochs, batch=100):
    """Weights and bias after stochastic gradient descent with momentum and a falling learning rate."""
    rng = np.random.default_rng(0)
    weights, bias = np.zeros((x.shape[1], 10), np.float32), np.zeros(10, np.float32)
    step_w, step_b = np.zeros_like(weights), np.zeros_like(bias)
    target = np.eye(10, dtype=np.float32)[labels]
    for epoch in range(epochs):
        rate = 0.01 * (1 - epoch / epochs)
        for chosen in rng.permutation(len(x)).reshape(-1, batch):
            scores = x[chosen] @ weights + bias
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            error = (p / p.sum(axis=1, keepdims=True) - target[chosen]) / batch
            step_w = 0.9 * step_w - rate * (x[chosen].T @ error)
            step_b = 0.9 * step_b - rate * error.sum(axis=0)
            weights += step_w
            bias += step_b
    return weights, bias


def test_bitwise_reproducible_and_seeded(whole):
    images, labels = make_digits(1500)
    np.testing.assert_array_equal(images, whole[0].train_images[:1500])
    np.testing.assert_array_equal(labels, whole[0].train_labels[:1500])
    assert not np.array_equal(make_digits(1000, seed=1)[0], images[:1000])
    assert not np.array_equal(make_digits(1000, part="test")[0], images[:1000])


def test_makes_any_number():
    assert len(make_digits(1)[0]) == 1 and len(make_digits(digits.BLOCK + 1)[1]) == digits.BLOCK + 1


def test_glyphs():
    table, digit = glyph_table()
    assert sorted(GLYPHS) == list(range(10)) and digit.tolist() == [d for d in range(10) for _ in GLYPHS[d]]
    assert table.shape == (len(digit), SEGMENTS, 2, 2) and np.abs(table).max() < 1.1
    assert all(len(GLYPHS[d]) == len(digit) // 10 for d in GLYPHS), "every digit has as many styles"


def test_distance_of_a_segment_against_the_formula():
    start, end = np.array([5.0, 20.0]), np.array([17.0, 9.0])
    got = digits._distance(np.array([[[start, end]]], dtype=np.float32))[0]
    for y, x in [(0, 0), (27, 0), (14, 11), (9, 17), (3, 27), (20, 5)]:
        t = np.clip((np.array([x, y]) - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        assert got[y, x] == pytest.approx(np.hypot(*(start + t * (end - start) - (x, y))), abs=1e-4)


def test_cached_and_read_back(cache, monkeypatch):
    first = load_digits(30, 10, seed=3)
    assert [p.name for p in cache.iterdir()] == [f"digits-v{digits.VERSION}-seed3-30-10.npz"]
    monkeypatch.setattr(digits, "make_digits", None)
    again = load_digits(30, 10, seed=3)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", ["truncated", "rubbish", "empty", "other arrays", "other shapes", "header"])
def test_damaged_cache_is_made_anew_and_a_line_says_so(cache, capsys, damage):
    say.cache_clear()
    first = load_digits(30, 10)
    (path,) = cache.iterdir()
    good = path.read_bytes()
    if damage == "other arrays":
        np.savez(path, a=first.train_images)
    elif damage == "other shapes":
        np.savez(path, **{**first._asdict(), "train_labels": first.train_labels[:7]})
    elif damage == "header":
        with zipfile.ZipFile(path) as whole:
            members = {name: whole.read(name) for name in whole.namelist()}
        members["train_labels.npy"] = members["train_labels.npy"].replace(b"}", b"(", 1)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        path.write_bytes({"truncated": good[:2000], "rubbish": b"what?" * 99, "empty": b""}[damage])
    np.testing.assert_array_equal(load_digits(30, 10).train_images, first.train_images)
    assert path.stat().st_size == len(good), "and kept again"
    assert capsys.readouterr().err == f"gpunn: {path} is damaged; the digits are made anew\n"


def test_flipped_bytes_in_the_cache_are_noticed(cache):
    first = load_digits(30, 10)
    (path,) = cache.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 0xFF
    path.write_bytes(data)
    np.testing.assert_array_equal(load_digits(30, 10).train_images, first.train_images)


def test_unwritable_cache_is_tolerated(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load_digits(20, 10).train_images.shape == (20, 28, 28)


def test_interrupted_write_leaves_nothing(cache, monkeypatch):
    def stop(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        load_digits(20, 10)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_train": 0}, "load_digits: n_train is 0; give a whole number of at least 1"),
        ({"n_test": 2.5}, "load_digits: n_test is 2.5; give"),
        ({"seed": -1}, "load_digits: seed is -1; give a whole number of at least 0"),
        ({"seed": True}, "load_digits: seed is True"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(DataError, match=words):
        load_digits(**arguments)
