"""CIFAR-10 and CIFAR-100: every form of files, where they are looked for, the download, the store."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from gpunn.data import DownloadError, cifar, load, load_cifar10, load_cifar100
from gpunn.errors import DataError
from tests.data import cifar_sets
from tests.data.cifar_sets import N, images_of, labels_of, put, put_archive
from tests.data.mirror import Mirror

DEAD = ("http://127.0.0.1:9/",)
FORMS10, FORMS100 = (tuple(f for f in cifar_sets.FORMS if f.startswith(p)) for p in ("cifar-10-", "cifar-100-"))
both_makers = pytest.mark.parametrize("make", [put, put_archive], ids=["folder", "archive"])


def assert_cifar10(images):
    np.testing.assert_array_equal(images.train_images, np.concatenate([images_of(i) for i in range(5)]))
    assert images.train_labels.tolist() == [label for i in range(5) for label in labels_of(i, 10)]
    np.testing.assert_array_equal(images.test_images, images_of(5))
    assert images.test_labels.tolist() == labels_of(5, 10)
    assert images.train_images.dtype == images.train_labels.dtype == np.uint8
    assert list(images.classes) == cifar_sets.NAMES10


@both_makers
@pytest.mark.parametrize("form", FORMS10)
@pytest.mark.parametrize("direct", [False, True])
def test_cifar10(tmp_path, form, make, direct):
    made = make(tmp_path / "here", form)
    images = load_cifar10(made if direct else tmp_path / "here", download=False)
    assert_cifar10(images)
    assert (
        images.note == f"{made if made.is_dir() else made.parent} has {5 * N} + {N} images of CIFAR-10's 50000 + 10000"
    )


@both_makers
@pytest.mark.parametrize("form", FORMS100)
@pytest.mark.parametrize(("labels", "count"), [("fine", 100), ("coarse", 20)])
def test_cifar100(tmp_path, form, make, labels, count):
    make(tmp_path / "here", form)
    images = load_cifar100(tmp_path / "here", download=False, labels=labels)
    np.testing.assert_array_equal(images.train_images, images_of(0))
    np.testing.assert_array_equal(images.test_images, images_of(5))
    assert images.train_labels.tolist() == labels_of(0, count) and images.test_labels.tolist() == labels_of(5, count)
    assert images.classes == tuple(f"{labels}_{i}" for i in range(count))


def test_wrong_kind_of_labels(tmp_path):
    with pytest.raises(DataError, match=r'load_cifar100: labels is \'super\'; give "fine" \(100 classes\) or "coarse"'):
        load_cifar100(tmp_path, labels="super")


def test_files_without_their_folder(tmp_path):
    assert_cifar10(load_cifar10(put(tmp_path, FORMS10[0]).rename(tmp_path / "flat"), download=False))


def test_places_in_order(tmp_path, cache, monkeypatch):
    """The binary folder of $GPUNN_DATA, the Python one, archives, the cache folder."""
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))

    def place():
        return load_cifar10(download=False).note.split(" has ")[0]

    put_archive(cache / "cifar10", FORMS10[1])
    assert place() == str(cache / "cifar10")
    put_archive(tmp_path / "cifar10", FORMS10[0])
    assert place() == str(tmp_path / "cifar10")
    put_archive(tmp_path, FORMS10[0])
    assert place() == str(tmp_path)
    put(tmp_path, FORMS10[1])
    assert place() == str(tmp_path / FORMS10[1])
    put(tmp_path, FORMS10[0])
    assert place() == str(tmp_path / FORMS10[0])


def test_is_decoded_once_and_mapped(tmp_path, cache, monkeypatch):
    put(tmp_path, FORMS10[0])
    first = load_cifar10(tmp_path, download=False)
    stored = sorted((cache / "decoded").iterdir())
    assert [p.name.rsplit("-", 1)[0] for p in stored] == [
        f"cifar10-{field}" for field in ("classes", "test_images", "test_labels", "train_images", "train_labels")
    ]
    with monkeypatch.context() as patch:
        patch.setattr(cifar.Source, "read", lambda self: pytest.fail("decoded a second time"))
        again = load_cifar10(tmp_path, download=False)
    assert_cifar10(again)
    again.train_images[:] = 0  # in memory alone: the stored file and other readers keep their values
    assert_cifar10(load_cifar10(tmp_path, download=False))
    assert_cifar10(first)


def test_changed_files_are_decoded_anew(tmp_path, cache):
    put(tmp_path, FORMS10[0])
    load_cifar10(tmp_path, download=False)
    put(tmp_path, FORMS10[0], test_batch__bin=cifar_sets.records(images_of(9)[:1], [3]))
    images = load_cifar10(tmp_path, download=False)
    assert images.test_labels.tolist() == [3]
    np.testing.assert_array_equal(images.test_images, images_of(9)[:1])
    assert len(list((cache / "decoded").iterdir())) == 5, "the old ones are gone"


@pytest.mark.parametrize(("read", "kind", "form"), [(load_cifar10, "10", 0), (load_cifar100, "100", 0)])
def test_downloads_into_the_cache_once(cache, monkeypatch, read, kind, form):
    monkeypatch.setenv("no_proxy", "*")
    folder = (FORMS10, FORMS100)[kind == "100"][form]
    archive, data = cifar_sets.FORMS[folder][0], cifar_sets.packed(folder)
    known = getattr(cifar, f"CIFAR{kind}")
    binary = replace(known.forms[0], md5=hashlib.md5(data).hexdigest(), size=len(data))
    monkeypatch.setattr(cifar, f"CIFAR{kind}", replace(known, forms=(binary, known.forms[1])))
    with Mirror({archive: b"not this"}) as bad, Mirror({archive: data}) as good:
        first = read(mirrors=(bad.url, good.url))
        again = read(mirrors=())
    assert [path for path, _ in good.requests] == [f"/{archive}"]
    np.testing.assert_array_equal(first.train_images, again.train_images)
    assert [p.name for p in (cache / f"cifar{kind}").iterdir()] == [archive]


def test_download_judges_the_archive_by_its_own_sum(cache, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    data = cifar_sets.packed(FORMS10[0])
    with Mirror({"cifar-10-binary.tar.gz": data}) as mirror, pytest.raises(DownloadError) as caught:
        load_cifar10(mirrors=(mirror.url,))
    assert f"checksum {hashlib.md5(data).hexdigest()} differs from c32a1d4ab5d03f1284b67883e8d87530" in str(
        caught.value
    )


def test_nothing_to_be_had(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    words = (
        rf"load_cifar10: no CIFAR-10 in {tmp_path} or {tmp_path}/cifar10 or {cache}/cifar10 \(folders"
        r" cifar-10-batches-bin or cifar-10-batches-py, or their \.tar\.gz archives\); put one there, or allow"
    )
    with pytest.raises(DownloadError, match=words):
        load("cifar10", download=False)
    with pytest.raises(DownloadError, match=r"download: no mirror delivered cifar-100-binary\.tar\.gz"):
        load_cifar100(mirrors=DEAD)


def test_sums_and_names_are_the_published_ones():
    sums = {form.archive: form.md5 for kind in (cifar.CIFAR10, cifar.CIFAR100) for form in kind.forms}
    assert sums == {
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    }


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("cifar100", 100), ("cifar100-coarse", 20)])
def test_load(tmp_path, monkeypatch, name, classes):
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    for form in cifar_sets.FORMS:
        put(tmp_path, form)
    data = load(name)
    assert data.name == name and len(data.classes) == classes and data.note
    assert data.train.shape[1:] == data.test.shape[1:] == (3, 32, 32) and data.train.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    np.testing.assert_allclose(data.mean, (data.train / 255).mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(data.std, (data.train / 255).std(axis=(0, 2, 3)))
    assert len(load(name, limit=2).train) == 2
