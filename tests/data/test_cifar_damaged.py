"""What is said about CIFAR files that are missing, damaged, or of another set."""

import tarfile

import numpy as np
import pytest

from gpunn.data import load_cifar10, load_cifar100
from gpunn.errors import DataError
from tests.data import cifar_sets, python2
from tests.data.cifar_sets import NAMES10, images_of, labels_of, put, put_archive

BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
RECORD = cifar_sets.records(images_of(0)[:1], [3])


def batch(images=None, **entries) -> bytes:
    images = images_of(0) if images is None else images
    return python2.dumps({"data": images.reshape(len(images), -1), "labels": labels_of(0, 10), **entries})


@pytest.mark.parametrize(
    ("form", "name", "data", "words"),
    [
        (
            BINARY,
            "data_batch_3.bin",
            None,
            "misses data_batch_3.bin; fetch cifar-10-binary.tar.gz again, or unpack all of",
        ),
        (BINARY, "batches.meta.txt", None, "misses batches.meta.txt; fetch"),
        (PYTHON, "test_batch", None, "misses test_batch; fetch cifar-10-python.tar.gz again"),
        (
            BINARY,
            "data_batch_1.bin",
            RECORD * 2 + b"x",
            "holds 6147 bytes, expected a multiple of 3073 (1 for labels and",
        ),
        (BINARY, "data_batch_1.bin", b"", "holds 0 bytes, expected a multiple of 3073"),
        (
            BINARY,
            "data_batch_1.bin",
            b"\x0a" + RECORD[1:],
            "holds label 10 where CIFAR-10 has 10 classes (0 to 9); fetch",
        ),
        (BINARY, "batches.meta.txt", b"cat\ndog\n", "lists 2 class names where CIFAR-10 has 10; fetch it again"),
        (
            PYTHON,
            "batches.meta",
            python2.dumps({"label_names": NAMES10[:9]}),
            "lists 9 class names where CIFAR-10 has 10",
        ),
        (PYTHON, "batches.meta", python2.dumps({"label_names": 10}), "lists no class names where CIFAR-10 has 10"),
        (
            PYTHON,
            "batches.meta",
            python2.dumps({"names": NAMES10}),
            "has no 'label_names' (it has: names); use CIFAR-10's",
        ),
        (PYTHON, "data_batch_2", b"\x80\x02cos\nsystem\n.", "names the global os.system; only plain values and uint8"),
        (PYTHON, "data_batch_2", batch()[:-9000], "is damaged: expected 12288 bytes in a string4, but only"),
        (PYTHON, "data_batch_2", python2.dumps({"x": 1}), "has no 'data' (it has: x)"),
        (
            PYTHON,
            "data_batch_2",
            batch(images_of(0)[..., :16]),
            "have shape (4, 1536), expected (N, 3072): 3 x 32 x 32",
        ),
        (PYTHON, "data_batch_2", batch(data=[1, 2]), "have a list, expected (N, 3072)"),
        (PYTHON, "data_batch_2", batch(labels=[1, 2, 3]), "holds 4 images but 3 in 'labels'; fetch it again"),
        (PYTHON, "data_batch_2", batch(labels=["a"] * 4), "'labels' in "),
        (PYTHON, "data_batch_2", batch(labels=[0, 1, 2, 10]), "holds label 10 where CIFAR-10 has 10 classes"),
        (PYTHON, "data_batch_2", batch(labels=[0, 1, -2, 3]), "holds label -2 where CIFAR-10 has 10 classes"),
    ],
)
def test_damaged_file(tmp_path, cache, form, name, data, words):
    folder = put(tmp_path, form)
    if data is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        load_cifar10(tmp_path)
    text = str(caught.value)
    assert words in text and str(folder) in text and "\n" not in text
    assert (name in text) and text.startswith(("load_cifar10: ", "read_pickle: "))
    assert not list(cache.glob("decoded/*")), "nothing half-read is stored"


def test_cifar100_labels(tmp_path):
    put(tmp_path, "cifar-100-binary", test__bin=cifar_sets.records(images_of(0)[:1], [20], [99]))
    with pytest.raises(DataError, match=r"test\.bin holds label 20 where CIFAR-100 has 20 classes \(0 to 19\)"):
        load_cifar100(tmp_path)


def test_empty_folder(tmp_path):
    (tmp_path / BINARY).mkdir()
    with pytest.raises(
        DataError, match=r"cifar-10-batches-bin misses data_batch_1\.bin, .*, test_batch\.bin, batches\.meta"
    ):
        load_cifar10(tmp_path)


def test_missing_root(tmp_path):
    with pytest.raises(DataError, match=r"load_cifar10: .*/cifar-10-batches-py misses data_batch_1, "):
        load_cifar10(tmp_path / PYTHON)


@pytest.mark.parametrize("where", [5, 200, 20_000, -2000, -9, -4])
def test_truncated_archive(tmp_path, cache, where):
    path = put_archive(tmp_path, BINARY)
    path.write_bytes(path.read_bytes()[:where])
    with pytest.raises(
        DataError, match=r"load_cifar10: .*binary\.tar\.gz is no whole \.tar\.gz archive \(.+\); fetch it"
    ):
        load_cifar10(tmp_path)
    assert not list(cache.glob("decoded/*"))


def test_archive_with_one_wrong_byte(tmp_path):
    path = put_archive(tmp_path, BINARY)
    whole = path.read_bytes()
    for where in np.linspace(20, len(whole) - 5, 25).astype(int):
        path.write_bytes(whole[:where] + bytes([whole[where] ^ 0x10]) + whole[where + 1 :])
        with pytest.raises(DataError, match=r"is no whole \.tar\.gz archive|misses"):
            load_cifar10(tmp_path)


@pytest.mark.parametrize("data", [b"", b"<html>404</html>" * 100])
def test_archive_that_is_none(tmp_path, data):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"python\.tar\.gz is no whole \.tar\.gz archive"):
        load_cifar10(tmp_path)


def test_archive_of_another_set(tmp_path):
    put_archive(tmp_path, "cifar-100-binary").rename(tmp_path / "cifar-10-binary.tar.gz")
    with pytest.raises(
        DataError, match=r"binary\.tar\.gz misses data_batch_1\.bin, .*; fetch cifar-10-binary\.tar\.gz"
    ):
        load_cifar10(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_an_archive_are_no_files(tmp_path, kind):
    """Neither followed nor made; and nothing is written where a member's name points."""
    path = tmp_path / "a" / "b" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("../../data_batch_1.bin")
        member.type, member.linkname = kind, "/etc/hostname"
        archive.addfile(member)
    with pytest.raises(DataError, match=r"binary\.tar\.gz misses data_batch_1\.bin, data_batch_2"):
        load_cifar10(path)
    assert [found for found in tmp_path.rglob("*") if not found.is_dir()] == [path]


def test_file_that_cannot_be_read(tmp_path, monkeypatch):
    put(tmp_path, BINARY)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gpunn.files.reading", refuse)
    with pytest.raises(DataError, match=r"load_cifar10: cannot read .*data_batch_1\.bin: Permission denied"):
        load_cifar10(tmp_path)
