"""Decoded arrays in the cache: made once, mapped, made anew when their files change."""

import os
import shutil

import numpy as np
import pytest

from gpunn.data import store
from gpunn.data.store import stamp_of, stored
from gpunn.errors import DataError
from gpunn.seals import say

VALUES = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)


@pytest.fixture(autouse=True)
def _says_again():
    say.cache_clear()


def make(values=VALUES, calls=None):
    def rows():
        if calls is not None:
            calls.append(1)
        return values.shape, (values[i : i + 2] for i in range(0, len(values), 2))

    return rows


def test_made_once_and_mapped(cache):
    calls = []
    for _ in range(3):
        array = stored("set", "0123", make(calls=calls))
        assert type(array) is np.ndarray and isinstance(array.base, np.memmap)
        np.testing.assert_array_equal(array, VALUES)
    assert len(calls) == 1
    np.testing.assert_array_equal(np.load(cache / "decoded" / "set-0123.npy"), VALUES)


def test_writing_to_the_array_does_not_reach_the_file():
    stored("set", "0123", make())[:] = 9
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)


def test_another_stamp_replaces_the_file_of_this_name_alone(cache):
    for name, stamp in (("set", "0123"), ("set-test", "0123"), ("other", "0123"), ("set", "4567")):
        stored(name, stamp, make())
    assert sorted(p.name for p in (cache / "decoded").iterdir()) == [
        "other-0123.npy",
        "set-4567.npy",
        "set-test-0123.npy",
    ]


DAMAGE = {
    "empty": lambda data: b"",
    "rubbish": lambda data: b"rubbish",
    "cut": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "header": lambda data: data.replace(b"}", b"(", 1),
    "another shape": lambda data: data.replace(b"(5, 3, 4)", b"(3, 5, 4)"),
    "longer": lambda data: data + b"x",
    "nested": lambda data: data[:10] + b"(" * 118 + data[128:],
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_damaged_file_is_made_anew_and_a_line_says_so(cache, harm, capsys):
    stored("set", "0123", make())
    path = cache / "decoded" / "set-0123.npy"
    path.write_bytes(harm(path.read_bytes()))
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)
    assert capsys.readouterr().err == f"gpunn: {path} is damaged; it is decoded anew\n"
    np.testing.assert_array_equal(np.load(path), VALUES)
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)
    assert capsys.readouterr().err == ""


def test_another_sets_file_is_not_taken_for_ones_own(cache, capsys):
    stored("set", "0123", make())
    stored("other", "0123", make(VALUES[::-1]))
    shutil.copy(cache / "decoded" / "other-0123.npy", cache / "decoded" / "set-0123.npy")
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)
    assert "set-0123.npy is damaged; it is decoded anew" in capsys.readouterr().err


def test_what_the_caller_does_not_take_is_made_anew(capsys):
    stored("set", "0123", make(VALUES + 100))
    got = stored("set", "0123", make(), lambda array: array.max() < 100)
    np.testing.assert_array_equal(got, VALUES)
    assert "set-0123.npy is damaged" in capsys.readouterr().err


def test_file_of_another_type_is_made_anew(cache):
    (cache / "decoded").mkdir(parents=True)
    np.save(cache / "decoded" / "set-0123.npy", np.zeros(3))
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)


def test_cache_that_cannot_be_written(cache):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(b"a file where the folder should be")
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)


def test_full_disk(cache, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    np.testing.assert_array_equal(stored("set", "0123", make()), VALUES)
    assert list((cache / "decoded").iterdir()) == []


def test_errors_of_the_maker_pass_and_leave_nothing(cache):
    def broken():
        def rows():
            yield VALUES[:2]
            raise DataError("image 3 is spoiled")

        return VALUES.shape, rows()

    with pytest.raises(DataError, match="image 3 is spoiled"):
        stored("set", "0123", broken)
    assert list((cache / "decoded").iterdir()) == []


def test_empty_array():
    assert stored("set", "0123", make(VALUES[:0])).shape == (0, 3, 4)


def test_stamp(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    stamps = {stamp_of([path]), stamp_of([path], 1), stamp_of([path], 1, 2), stamp_of([])}
    path.write_bytes(b"12")
    stamps.add(stamp_of([path]))
    os.utime(path, ns=(1, 1))
    stamps.add(stamp_of([path]))
    assert stamp_of([path]) in stamps
    stamps.add(stamp_of([path.rename(tmp_path / "b")]))
    monkeypatch.setattr(store, "VERSION", 99)
    stamps.add(stamp_of([]))
    assert len(stamps) == 8 and {len(stamp) for stamp in stamps} == {16}
