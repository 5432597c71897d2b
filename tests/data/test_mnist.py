"""Where MNIST is looked for, how it is downloaded, and what happens where it is damaged or not to be had."""

import gzip
import hashlib

import numpy as np
import pytest

from gpunn.data import DownloadError, catalogue, load, load_mnist, mnist
from gpunn.data.download import Wanted
from gpunn.data.idx import read_plain
from gpunn.errors import DataError
from tests.data.mirror import Mirror
from tests.data.test_idx import idx

DEAD = ("http://127.0.0.1:9/",)


def small_files(n_train=20, n_test=10) -> dict[str, bytes]:
    """Four IDX files of MNIST's form with few images."""
    rng = np.random.default_rng(0)
    files = {}
    for name, n in (("train", n_train), ("t10k", n_test)):
        files[f"{name}-images-idx3-ubyte"] = idx((n, 28, 28), values=rng.bytes(n * 784))
        files[f"{name}-labels-idx1-ubyte"] = idx((n,), values=bytes(i % 10 for i in range(n)))
    return files


def put(folder, files, pack=gzip.compress, suffix=".gz", rename=str):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / (rename(name) + suffix)).write_bytes(pack(data))
    return folder


@pytest.fixture
def sums(monkeypatch):
    """Make the small files' checksums the expected ones."""
    monkeypatch.setenv("no_proxy", "*")
    files = {name: Wanted(hashlib.md5(data).hexdigest(), len(data)) for name, data in small_files().items()}
    monkeypatch.setattr(mnist, "FILES", files)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"pack": bytes, "suffix": ""},
        {"pack": bytes, "suffix": "", "rename": lambda name: name.replace("-idx", ".idx")},
    ],
    ids=["gzip", "plain", "dotted"],
)
def test_reads_a_folder(tmp_path, form):
    images = load_mnist(put(tmp_path / "m", small_files(), **form), download=False)
    assert images.train_images.shape == (20, 28, 28) and images.test_images.shape == (10, 28, 28)
    assert images.train_labels.tolist() == [i % 10 for i in range(20)] and images.test_labels.dtype == np.uint8


def test_gpunn_data_comes_before_the_cache(tmp_path, cache, monkeypatch):
    put(cache / "mnist", small_files(n_train=7))
    assert len(load_mnist(download=False).train_images) == 7
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    assert len(load_mnist(download=False).train_images) == 7, "an empty $GPUNN_DATA falls through to the cache"
    put(tmp_path / "mnist", small_files(n_train=9))
    assert len(load_mnist(download=False).train_images) == 9


def test_downloads_into_the_cache_once(cache, sums):
    files = {name + ".gz": gzip.compress(data) for name, data in small_files().items()}
    with Mirror({}) as dead, Mirror(files) as good:
        first = load_mnist(mirrors=(dead.url, good.url))
        again = load_mnist(mirrors=())
    assert len(good.requests) == 4
    np.testing.assert_array_equal(first.train_images, again.train_images)
    assert sorted(p.name for p in (cache / "mnist").iterdir()) == sorted(files)


def test_downloads_only_what_is_missing(cache, sums):
    files = {name + ".gz": gzip.compress(data) for name, data in small_files().items()}
    missing = "t10k-labels-idx1-ubyte.gz"
    put(cache / "mnist", {name: gzip.decompress(data) for name, data in files.items() if name != missing}, suffix="")
    with Mirror(files) as mirror:
        load_mnist(mirrors=(mirror.url,))
    assert [path for path, _ in mirror.requests] == ["/" + missing]


def test_downloads_into_root(tmp_path, cache, sums):
    with Mirror({name + ".gz": gzip.compress(data) for name, data in small_files().items()}) as mirror:
        load_mnist(tmp_path / "here", mirrors=(mirror.url,))
    assert len(list((tmp_path / "here").iterdir())) == 4 and not cache.exists()


def test_nothing_to_be_had():
    with pytest.raises(DownloadError, match=r"load_mnist: no MNIST in .*cache/gpunn/mnist \(files train-images-idx3"):
        load_mnist(download=False)
    with pytest.raises(DownloadError, match=r"download: no mirror delivered train-images-idx3-ubyte\.gz"):
        load_mnist(mirrors=DEAD)


@pytest.mark.parametrize("download", [True, False])
def test_load_falls_back_to_digits_in_one_line(tmp_path, cache, monkeypatch, download):
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    monkeypatch.setattr(catalogue, "load_mnist", lambda download: load_mnist(download=download, mirrors=DEAD))
    monkeypatch.setattr(catalogue, "load_digits", lambda: catalogue.ImageSet(*small_arrays()))
    data = load("mnist", download=download)
    why = "no mirror delivered it: Connection refused" if download else "downloading was not allowed"
    assert data.note == (
        f"no MNIST in {tmp_path / 'mnist'} or {cache / 'mnist'} ({why}): using the generated digits instead"
    )
    assert data.name == "digits" and data.train.shape == (20, 1, 28, 28)


def small_arrays():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 30).astype(np.uint8)
    return images[:20], labels[:20], images[20:], labels[20:]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("train-labels-idx1-ubyte", idx((19,), values=bytes(19)), r"holds 20 images but .*labels.* holds 19 labels"),
        ("t10k-images-idx3-ubyte", idx((9, 28, 28), values=bytes(9 * 784)), "holds 9 images but .* holds 10 labels"),
        ("t10k-images-idx3-ubyte", idx((10, 2, 2), values=bytes(40)), r"uint8 images of shape \(2, 2\) where MNIST"),
        ("t10k-labels-idx1-ubyte", idx((10,), values=bytes(range(3, 13))), "holds labels 3 to 12, expected 0 to 9"),
        ("train-labels-idx1-ubyte", idx((20, 1, 1), values=bytes(20)), "has 3 dimensions but 1 were expected"),
        ("train-images-idx3-ubyte", b"what?", "is not an IDX file"),
    ],
)
def test_wrong_files_are_errors_not_fallbacks(tmp_path, monkeypatch, name, data, words):
    folder = put(tmp_path / "mnist", {**small_files(), name: data})
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    with pytest.raises(DataError, match=words) as caught:
        load("mnist")
    assert not isinstance(caught.value, DownloadError) and str(folder / name) in str(caught.value)


def test_no_labels_at_all(tmp_path):
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz holds no labels, expected 0 to 9"):
        load_mnist(put(tmp_path, small_files(n_test=0)))


def test_truncated_gzip(tmp_path):
    put(tmp_path, small_files())
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz ends in the middle of its gzip data"):
        load_mnist(tmp_path)


def test_real_mnist(real_mnist, monkeypatch):
    monkeypatch.setenv("GPUNN_DATA", str(real_mnist.parent))
    data = load("mnist")
    assert (data.name, data.note) == ("mnist", "")
    assert data.train.shape == (60000, 1, 28, 28) and data.test.shape == (10000, 1, 28, 28)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9] and data.test_labels[:3].tolist() == [7, 2, 1]
    np.testing.assert_allclose([data.mean[0], data.std[0]], [0.1307, 0.3081], atol=1e-4)


def test_checksums_are_those_of_the_real_files(real_mnist):
    for name, wanted in mnist.FILES.items():
        content = read_plain(mnist._variants(real_mnist, name)[0])
        assert (hashlib.md5(content).hexdigest(), len(content)) == (wanted.md5, wanted.size)
