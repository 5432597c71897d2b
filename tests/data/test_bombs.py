"""Small files of data sets have small effects: in time, memory and words."""

from __future__ import annotations

import gzip
import pickle
import struct
import tarfile
import time
import tracemalloc

import numpy as np
import pytest

from gpunn import data
from gpunn.data import load_cifar10, read_idx
from gpunn.data.pickles import read_pickle
from gpunn.errors import DataError


def header(name, size, kind=tarfile.REGTYPE, real=None):
    """A member's header that says what it likes of its size, as GNU's large ones do."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    block[156:157] = kind
    block[124:136] = b"\x80" + size.to_bytes(11, "big") if size >= 1 << 33 else b"%011o\0" % size
    if real:
        block[386:482] = bytes(96)
        block[483:495] = b"\x80" + real.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def refused(read, words, most=30e6, within=2.0):
    """`read()` ends in one line with these words, in little memory and time."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert words in text and "\n" not in text and len(text) < 500
    assert peak < most and time.monotonic() - started < within


ARCHIVES = {
    "a member of 2**62 bytes": (header("x", 1 << 62), "no whole .tar.gz archive (a member's header has"),
    "a sparse member": (header("test_batch.bin", 0, tarfile.GNUTYPE_SPARSE, 1 << 40) + bytes(1024), "misses data"),
    "past the end": (header("data_batch_1.bin", 1 << 30) + bytes(1024), "a member of 1,073,741,824 bytes goes past"),
    "a wrong checksum": (b"\1" + header("x", 0)[1:] + bytes(1024), "its checksum differs"),
    "members without end": (header("x", 0) * 1001, "it has more than 1,000 members"),
    "letters for a size": (header("x", 0)[:124] + b"zz" + header("x", 0)[126:], "a member's header is damaged"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), ARCHIVES.values(), ids=ARCHIVES)
def test_archives(tmp_path, content, words):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(gzip.compress(content, 1))
    refused(lambda: load_cifar10(path), words, most=80e6)


def test_an_archive_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    monkeypatch.setattr("gpunn.data.archive.members.__defaults__", (1 << 22,))
    refused(lambda: load_cifar10(path), "it unpacks to more than 4,194,304 bytes")


PICKLES = {
    "marks and tuples": (b"\x80\x02" + b"N" * 60_000 + b"(t" * 60_000 + b".", "holds a tuple, expected a dict"),
    "nested marks": (b"\x80\x02" + b"(" * 60_000 + b"t" * 60_000 + b".", "holds a tuple, expected a dict"),
    "doubled": (b"\x80\x02N" + b"q\x00h\x00\x86" * 50_000 + b".", "holds a tuple, expected a dict"),
    "a key of a million": (pickle.dumps({"a" * 10**6: object}, 2), "names the global"),
}


@pytest.mark.parametrize(("content", "words"), PICKLES.values(), ids=PICKLES)
def test_pickles(content, words):
    refused(lambda: read_pickle(content, "data_batch_1"), words, most=100e6, within=8.0)


def test_a_pickle_of_many_operations(monkeypatch):
    monkeypatch.setattr("gpunn.data.pickles.MOST", 1000)
    refused(lambda: read_pickle(b"\x80\x02" + b"}" * 1100 + b".", "f"), "it has run 1,000 operations")


def idx(*shape, values=b"", code=8):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + values


IDX = {
    "0 x 2**32 x 2**32": (idx(0, 2**32 - 1, 2**32 - 1), "announces the shape (0, 4294967295, 4294967295), which is"),
    "70 dimensions": (idx(*[1] * 70, values=b"1"), "announces the shape a tuple of 70, which is none of images"),
    "2**96": (idx(*[2**32 - 1] * 3), "but holds 0; fetch the file again"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), IDX.values(), ids=IDX)
def test_idx(tmp_path, content, words):
    (tmp_path / "images").write_bytes(content)
    refused(lambda: read_idx(tmp_path / "images"), words)


def test_an_idx_file_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr("gpunn.data.archive.unpacked.__defaults__", (1 << 22,))
    (tmp_path / "images").write_bytes(gzip.compress(bytes(10**8), 1))
    refused(lambda: read_idx(tmp_path / "images"), "is refused: it unpacks to more than 4,194,304 bytes; fetch")


@pytest.mark.parametrize("size", ["60000", "9" * 5000, "0", "1025"], ids=len)
def test_a_folders_size_is_believed_up_to_a_limit(tmp_path, size):
    refused(lambda: data.load(f"folder:{tmp_path}@{size}"), "give a number of pixels, or (height, width), of 1 to 1")


def test_a_size_of_other_digits_is_part_of_the_name(tmp_path):
    refused(lambda: data.load(f"folder:{tmp_path}@²"), "is no folder; give one that has a sub-folder")


@pytest.mark.parametrize("limit", [True, "3", -1, 0])
def test_a_limit_is_a_whole_number(limit):
    refused(lambda: data.load("digits", limit=limit), "load: limit is ")


@pytest.mark.parametrize("asked", [{"n_train": 10**9}, {"n_test": 10**12}, {"seed": 10**4000}, {"seed": -1}])
def test_digits_are_made_up_to_a_limit(asked):
    refused(lambda: data.load_digits(**asked), f"load_digits: {next(iter(asked))} is ")


def test_class_names_are_lines(tmp_path):
    from tests.data.cifar_sets import NAMES10, put
    from tests.data.python2 import dumps

    for odd in ("", "a\nb", "x" * 5000):
        meta = {"label_names": [*NAMES10[:9], odd]}
        put(tmp_path, "cifar-10-batches-py", batches__meta=dumps(meta))
        refused(lambda: load_cifar10(tmp_path), "has the class name '", most=30e6)


def test_good_archives_are_read_as_before(tmp_path):
    from tests.data.cifar_sets import images_of, put_archive

    put_archive(tmp_path, "cifar-10-batches-bin")
    np.testing.assert_array_equal(load_cifar10(tmp_path).train_images[:4], images_of(0))
