"""The JPEG copy of CIFAR-10: decoded like Pillow, second to the real files, and what is said where it is damaged."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from gpunn import npz
from gpunn.data import cifar, load, load_cifar10
from gpunn.data.cifar_jpeg import NOTE, read_jpeg
from gpunn.errors import DataError
from tests.data.cifar_sets import NAMES10, put
from tests.data.conftest import REAL

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: no JPEG can be decoded")


def jpegs(n=6, size=(32, 32)):
    """Files with one header, as the copy needs them, and what they decode to."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(n):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(buffer, "JPEG", quality=75)
        files.append(buffer.getvalue())
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in files])
    return files, pixels.transpose(0, 3, 1, 2)


FILES, PIXELS = jpegs()


def pack(path, files=FILES, **changes):
    """The .npz of `files`: 4 to train, the rest to test."""
    start = files[0].index(b"\xff\xda")  # the scan differs, what stands before it is the header
    assert all(data[:start] == files[0][:start] for data in files)
    bodies = [data[start:-2] for data in files]
    fields = {"header": np.frombuffer(files[0][:start], np.uint8), "class_names": np.array(NAMES10)}
    for part, rows in (("train", slice(0, 4)), ("test", slice(4, None))):
        fields[f"{part}_bodies"] = np.frombuffer(b"".join(bodies[rows]), np.uint8)
        fields[f"{part}_lengths"] = np.array([len(body) for body in bodies[rows]], np.uint16)
        fields[f"{part}_labels"] = np.arange(len(bodies[rows]), dtype=np.uint8) + 6
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: value for name, value in {**fields, **changes}.items() if value is not None})
    return path


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Where $GPUNN_DATA has the copy."""
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    return tmp_path / "cifar10-jpeg" / "cifar10_jpeg.npz"


def test_reads_the_copy_and_says_so(copy):
    pack(copy)
    data = load("cifar10", download=False)
    assert (data.name, data.note) == ("cifar10", NOTE) and "JPEG" in NOTE
    np.testing.assert_array_equal(data.train, PIXELS[:4])
    np.testing.assert_array_equal(data.test, PIXELS[4:])
    assert data.train_labels.tolist() == [6, 7, 8, 9] and data.test_labels.tolist() == [6, 7]
    assert list(data.classes) == NAMES10


def test_is_decoded_once(copy, monkeypatch):
    pack(copy)
    load_cifar10()
    monkeypatch.setattr(cifar, "read_jpeg", lambda *_: pytest.fail("decoded a second time"))
    np.testing.assert_array_equal(load_cifar10().train_images, PIXELS[:4])


def test_real_files_come_first_even_from_the_cache_folder(copy, cache):
    pack(copy)
    put(cache / "cifar10", "cifar-10-batches-py")
    assert load_cifar10().note.startswith(str(cache))


def test_root_may_be_the_folder_itself(tmp_path):
    pack(tmp_path / "cifar10_jpeg.npz")
    assert load_cifar10(tmp_path, download=False).note == NOTE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_bodies": None}, r"is damaged \(.*train_bodies.*\); copy it there again"),
        (
            {"train_lengths": np.array([9, 9, 9, 9])},
            r"is damaged: 4 lengths and 4 labels for \d+ bytes of train images",
        ),
        ({"test_labels": np.array([1], np.uint8)}, r"is damaged: 2 lengths and 1 labels for \d+ bytes of test images"),
        ({"test_labels": np.array([1, 10], np.uint8)}, r"holds label 10 where CIFAR-10 has 10 classes \(0 to 9\)"),
        ({"class_names": np.array(NAMES10[:9])}, r"lists 9 class names where CIFAR-10 has 10"),
        ({"header": np.zeros(9, np.uint8)}, r"train image 0 cannot be decoded \(.+\); copy it there again"),
        ({"class_names": np.array([None])}, r"is damaged \(Object arrays cannot be loaded"),
    ],
)
def test_damaged(copy, changes, words):
    pack(copy, **changes)
    with pytest.raises(DataError, match=f"load_cifar10: {copy}:? {words}"):
        load_cifar10()


def test_images_of_another_size(copy):
    pack(copy, jpegs(size=(16, 32))[0])
    with pytest.raises(DataError, match=r"train image 0 is \(16, 32\), expected \(32, 32\); copy it there again"):
        load_cifar10()


@pytest.mark.parametrize("data", [b"", b"rubbish" * 99, 2000, -3000])
def test_file_that_is_no_npz(copy, data):
    whole = pack(copy).read_bytes()
    copy.write_bytes(whole[:data] if isinstance(data, int) else data)
    with pytest.raises(DataError, match=rf"load_cifar10: {copy} is damaged \(.+\); copy it there again"):
        load_cifar10()


def test_without_pillow(copy, monkeypatch):
    pack(copy)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r'load_cifar10: decoding images needs Pillow.*; pip install "gpunn\[image\]"'):
        load_cifar10()


def test_real_copy(monkeypatch):
    """The first images of each part of the real copy (all of it takes 5 s)."""
    path = Path(REAL) / "cifar10-jpeg" / "cifar10_jpeg.npz"
    if not path.is_file():
        pytest.skip(f"no JPEG copy of CIFAR-10 at {path}: set GPUNN_DATA to the folder that holds cifar10-jpeg/")
    whole = npz.read

    def first(archive, name):
        """Of each part 200 images."""
        array = whole(archive, name)
        part, _, what = name.partition("_")
        if what in ("lengths", "labels"):
            assert len(array) == {"train": 50_000, "test": 10_000}[part]
            return array[:200]
        return array[: whole(archive, f"{part}_lengths")[:200].sum(dtype=int)] if what == "bodies" else array

    monkeypatch.setattr(npz, "read", first)
    arrays = read_jpeg(path, cifar.CIFAR10)
    assert arrays["train_images"].shape == arrays["test_images"].shape == (200, 3, 32, 32)
    assert arrays["classes"].tobytes().decode().split("\n") == NAMES10
    assert 0.4 < arrays["train_images"].mean() / 255 < 0.55 and 0.2 < arrays["train_images"].std() / 255 < 0.3
