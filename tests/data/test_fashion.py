"""Fashion-MNIST: MNIST's reader on other files, with the sums that its authors publish."""

import gzip
import hashlib

import numpy as np
import pytest

from gpunn.data import DownloadError, load, load_fashion_mnist, mnist
from gpunn.data.download import Wanted
from gpunn.errors import DataError
from tests.data.mirror import Mirror
from tests.data.test_mnist import DEAD, put, small_files


def test_load(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    put(tmp_path / "fashion-mnist", small_files())
    data = load("fashion-mnist")
    assert (data.name, data.note) == ("fashion-mnist", "") and data.train.shape == (20, 1, 28, 28)
    assert data.classes[0] == "T-shirt/top" and data.classes[9] == "Ankle boot" and len(data.classes) == 10


def test_downloads_by_the_sum_of_the_packed_file(cache, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    files = {name + ".gz": gzip.compress(data) for name, data in small_files().items()}
    sums = {
        name.removesuffix(".gz"): Wanted(hashlib.md5(data).hexdigest(), len(data), packed=True)
        for name, data in files.items()
    }
    monkeypatch.setattr(mnist, "FASHION_FILES", sums)
    with Mirror({}) as dead, Mirror(files) as good:
        first = load_fashion_mnist(mirrors=(dead.url, good.url))
        again = load_fashion_mnist(mirrors=())
    np.testing.assert_array_equal(first.train_images, again.train_images)
    assert sorted(p.name for p in (cache / "fashion-mnist").iterdir()) == sorted(files)


def test_no_stand_in_for_it():
    with pytest.raises(
        DownloadError, match=r"load_fashion_mnist: no Fashion-MNIST in .*fashion-mnist \(files train-im"
    ):
        load("fashion-mnist", download=False)
    with pytest.raises(DownloadError, match=r"no mirror delivered train-images-idx3-ubyte\.gz"):
        load_fashion_mnist(mirrors=DEAD)


def test_errors_name_this_set(tmp_path):
    put(tmp_path, small_files(n_test=0))
    with pytest.raises(DataError, match=r"load_fashion_mnist: .*t10k-labels-idx1-ubyte\.gz holds no labels"):
        load_fashion_mnist(tmp_path)
