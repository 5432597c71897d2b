"""Data sets of single images: torchvision's layouts and attributes, from files made here."""

import pickle
import sys

import numpy as np
import pytest

from gpunn import Tensor
from gpunn.data import DataLoader, Subset, datasets, pillow
from gpunn.data.catalogue import FASHION
from gpunn.errors import DataError
from tests.data import cifar_sets
from tests.data.test_mnist import put, small_files

SMALL = small_files()
PIXELS = np.frombuffer(SMALL["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(20, 28, 28)


def scaled(image):
    return Tensor(np.asarray(image, np.float32) / 255)


@pytest.mark.parametrize("place", ["MNIST/raw", "mnist"])
@pytest.mark.parametrize("form", [{}, {"pack": bytes, "suffix": ""}], ids=["gzip", "plain"])
def test_mnist_from_either_layout(tmp_path, place, form):
    put(tmp_path / place, SMALL, **form)
    train, test = (datasets.MNIST(tmp_path, train=part) for part in (True, False))
    assert (len(train), len(test)) == (20, 10)
    image, label = train[13]
    assert np.array_equal(np.asarray(image), PIXELS[13]) and label == 3 and type(label) is int
    assert isinstance(train.data, Tensor) and train.data.shape == (20, 28, 28) and train.data.dtype == np.uint8
    assert train.targets.tolist() == [i % 10 for i in range(20)] and train.targets.dtype == np.int64
    assert train.classes[3] == "3 - three" and train.class_to_idx["9 - nine"] == 9
    assert np.array_equal(np.asarray(train[-1][0]), PIXELS[19])
    with pytest.raises(IndexError):
        train[20]
    assert repr(train) == f"MNIST(20 images, root={str(tmp_path)!r})"


def test_mnist_elsewhere(tmp_path, cache, monkeypatch):
    put(tmp_path / "mnist", SMALL)
    assert len(datasets.MNIST(tmp_path / "mnist")) == 20, "the folder itself"
    with pytest.raises(
        DataError, match=r"FashionMNIST: no FashionMNIST in .*FashionMNIST/raw or .*; put them there, or"
    ):
        datasets.FashionMNIST(tmp_path / "mnist")  # its files have the same names
    monkeypatch.setenv("GPUNN_DATA", str(tmp_path))
    assert len(datasets.MNIST(tmp_path / "nowhere")) == 20
    with pytest.raises(DataError, match=r"allow download=True"):
        datasets.FashionMNIST(tmp_path / "nowhere")


def test_fashion_mnist(tmp_path):
    put(tmp_path / "FashionMNIST/raw", SMALL)
    clothes = datasets.FashionMNIST(tmp_path)
    assert clothes.classes == FASHION and clothes.class_to_idx["Bag"] == 8 and len(clothes) == 20


def test_transforms_and_loader(tmp_path):
    put(tmp_path / "mnist", SMALL)
    digits = datasets.MNIST(tmp_path, transform=scaled, target_transform=lambda label: label % 2)
    x, y = next(iter(DataLoader(Subset(digits, range(4, 20)), 8)))
    assert x.dtype == np.float32 and np.array_equal(x.numpy(), (PIXELS[4:12] / 255).astype(np.float32))
    assert y.tolist() == [0, 1] * 4 and y.dtype == np.int64
    digits.data, digits.targets = digits.data[:5], digits.targets[:5]
    assert len(digits) == 5, "data may be cut to what is wanted"
    assert len(pickle.loads(pickle.dumps(datasets.MNIST(tmp_path)))) == 20, "to worker processes"
    with pytest.raises(DataError, match="MNIST: transform is 3; give a function"):
        datasets.MNIST(tmp_path, transform=3)


def test_without_pillow(tmp_path, monkeypatch):
    put(tmp_path / "mnist", SMALL)
    monkeypatch.setitem(sys.modules, "PIL", None)
    pillow._fromarray.cache_clear()
    try:
        image, _ = datasets.MNIST(tmp_path)[0]
        assert isinstance(image, np.ndarray) and np.array_equal(image, PIXELS[0])
        assert datasets.FakeData(2, (3, 4, 5))[0][0].shape == (4, 5, 3)
    finally:
        pillow._fromarray.cache_clear()


def test_pillow_s_images(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    put(tmp_path / "mnist", SMALL)
    image, _ = datasets.MNIST(tmp_path)[0]
    assert (image.mode, image.size) == ("L", (28, 28))
    assert (datasets.FakeData(2)[1][0].mode, datasets.FakeData(2)[1][0].size) == ("RGB", (224, 224))


@pytest.mark.parametrize("form", ["cifar-10-batches-py", "cifar-10-batches-bin"])
def test_cifar10(tmp_path, form):
    cifar_sets.put(tmp_path, form)
    train, test = datasets.CIFAR10(tmp_path), datasets.CIFAR10(tmp_path, train=False)
    assert train.data.shape == (20, 32, 32, 3) and train.data.dtype == np.uint8 and len(test) == 4
    want = np.concatenate([cifar_sets.images_of(i) for i in range(5)])
    assert np.array_equal(train.data.transpose(0, 3, 1, 2), want)
    assert train.targets == [label for i in range(5) for label in cifar_sets.labels_of(i, 10)]
    assert train.classes == cifar_sets.NAMES10 and train.class_to_idx["frog"] == 6
    image, label = test[1]
    assert np.array_equal(np.asarray(image), test.data[1]) and label == test.targets[1]


def test_cifar100(tmp_path):
    cifar_sets.put_archive(tmp_path, "cifar-100-python")
    test = datasets.CIFAR100(tmp_path, train=False)
    assert test.targets == cifar_sets.labels_of(5, 100) and test.classes == cifar_sets.FINE
    with pytest.raises(DataError, match=r"load_cifar10: no CIFAR-10 in .*; put one there, or allow download=True"):
        datasets.CIFAR10(tmp_path)


def files(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"P5 2 2 255 abcd")
    return root


def test_image_folder(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    files(tmp_path, "dog/b.pgm", "dog/deep/a.PGM", "cat/1.pgm", "cat/notes.txt", "stray.pgm")
    pets = datasets.ImageFolder(tmp_path, target_transform=lambda label: -label)
    names = [path.removeprefix(str(tmp_path)).replace("\\", "/") for path, _ in pets.samples]
    assert names == ["/cat/1.pgm", "/dog/b.pgm", "/dog/deep/a.PGM"] and pets.imgs is pets.samples
    assert pets.targets == [0, 1, 1] and pets.classes == ["cat", "dog"] and pets.class_to_idx == {"cat": 0, "dog": 1}
    image, label = pets[2]
    assert (image.mode, image.size, label) == ("RGB", (2, 2), -1)
    (tmp_path / "cat/1.pgm").write_text("no image")
    with pytest.raises(DataError, match=r"ImageFolder: .*1.pgm cannot be read \(.*\); mend or remove it"):
        pets[0]


def test_dataset_folder(tmp_path):
    files(tmp_path, "b/1.npy", "a/2.NPY", "a/3.txt")
    found = datasets.DatasetFolder(tmp_path, loader=str, extensions=".npy", transform=len)
    assert found.targets == [0, 1] and found[0][0] == len(str(tmp_path / "a/2.NPY"))
    odd = datasets.DatasetFolder(
        tmp_path, loader=str, is_valid_file=lambda path: path.endswith("3.txt"), allow_empty=True
    )
    assert odd.targets == [0] and odd.classes == ["a", "b"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda root: datasets.ImageFolder(root / "x"),
            r"ImageFolder: .*x is no folder; give one with a sub",
        ),
        (
            lambda root: datasets.ImageFolder(root / "a"),
            r"ImageFolder: .*a has no sub-folders; put the files",
        ),
        (
            lambda root: datasets.ImageFolder(root),
            r"class folder .*b holds no valid file \(.jpg, .*\); put some",
        ),
        (
            lambda root: datasets.DatasetFolder(root, str),
            "DatasetFolder: got neither of extensions and is_valid_file",
        ),
        (
            lambda root: datasets.DatasetFolder(root, str, ".a", is_valid_file=str),
            "got both of extensions",
        ),
        (
            lambda root: datasets.FakeData(3, (2, 4, 4)),
            r"FakeData: image_size is \(2, 4, 4\); give \(C, H, W\)",
        ),
    ],
)
def test_refused(tmp_path, make, words):
    files(tmp_path, "a/1.pgm", "b/notes.txt")
    with pytest.raises(DataError, match=words):
        make(tmp_path)


def test_a_data_set_of_one_s_own():
    class Boxes(datasets.VisionDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return self.transformed(10 * i, i)

    assert Boxes("x", lambda image, box: (image + 1, box * 2))[1] == (11, 2)
    assert repr(Boxes("x", transform=abs)) == "Boxes(2 images, root='x', transform=<built-in function abs>)"
    with pytest.raises(DataError, match="Boxes: got transforms beside transform or target_transform; give one kind"):
        Boxes("x", max, transform=abs)
    with pytest.raises(NotImplementedError, match="VisionDataset has no __len__"):
        len(datasets.VisionDataset())


def test_fake_images():
    fake, other = datasets.FakeData(5, (1, 4, 6), num_classes=3), datasets.FakeData(5, (1, 4, 6), random_offset=1)
    assert len(fake) == 5 and np.asarray(fake[2][0]).shape == (4, 6) and all(0 <= fake[i][1] < 3 for i in range(5))
    assert np.array_equal(fake[2][0], fake[2][0]) and np.array_equal(fake[-3][0], fake[2][0])
    assert not np.array_equal(fake[2][0], fake[3][0]) and not np.array_equal(fake[2][0], other[2][0])
    with pytest.raises(IndexError):
        fake[5]


def test_a_photo_stays_as_it_was_taken(tmp_path):
    """As torchvision's: a camera's note that it was turned is not heeded; labels may name places in it."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed").new("RGB", (2, 4))
    exif = image.getexif()
    exif[0x0112] = 6
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a/1.jpg", exif=exif)
    assert datasets.ImageFolder(tmp_path)[0][0].size == (2, 4)


def test_real_mnist(real_mnist):
    digits = datasets.MNIST(real_mnist.parent, train=False)
    assert len(digits) == 10_000 and digits[0][1] == 7
