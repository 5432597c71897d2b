"""Transforms of single images: values, against torchvision's stored ones and by hand; pictures, Tensors and arrays."""

import doctest
import importlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import gpunn
from gpunn import Tensor
from gpunn.data import DataLoader, Dataset, datasets, transforms
from gpunn.data.transforms import InterpolationMode, functional
from tests.data.test_mnist import put, small_files

pillow = pytest.importorskip("PIL.Image")
X = (np.arange(60) * 37 % 256).astype(np.uint8).reshape(3, 4, 5)
SCALED = (X / np.float32(255)).astype(np.float32)
PICTURE = pillow.fromarray(X.transpose(1, 2, 0).copy())
# What torchvision 0.28 makes of X, a Tensor.
ROWS = json.loads((Path(__file__).parent / "transform_rows.json").read_text())
# Where its Tensors and Pillow's pictures agree to the bit.
MOVED = ("pad", "center_crop", "equalize", "posterize", "solarize", "invert")
EVERY = [
    transforms.PILToTensor(), transforms.Resize(7), transforms.CenterCrop(6), transforms.Pad(1),
    transforms.RandomCrop(4, padding=1), transforms.RandomResizedCrop(5), transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(), transforms.RandomRotation(30),
    transforms.RandomAffine(9, (0.2, 0.2), (0.8, 1.2), 5),
    transforms.ColorJitter(0.4, 0.4, 0.4, 0.2), transforms.Grayscale(3), transforms.RandomGrayscale(0.5),
    transforms.RandAugment(), transforms.RandomErasing(1.0), transforms.ConvertImageDtype("float32"),
    transforms.RandomApply([transforms.Pad(1)]), transforms.RandomChoice([transforms.Pad(1), transforms.Pad(2)]),
]  # fmt: skip


def called(call, x):
    return eval(f"functional.{call}", {"functional": functional, "x": x, "mode": InterpolationMode})


@pytest.mark.parametrize(("call", "shape", "values"), ROWS, ids=[row[0] for row in ROWS])
def test_values(call, shape, values):
    want = np.frombuffer(bytes.fromhex(values), np.uint8).reshape(shape)
    before = X.copy()
    tensor, array = called(call, Tensor(X)), called(call, X)
    assert isinstance(tensor, Tensor) and isinstance(array, np.ndarray)
    assert tensor.dtype == array.dtype == np.uint8 and np.array_equal(tensor.numpy(), want)
    assert np.array_equal(array, want) and np.array_equal(X, before)
    if call.startswith(MOVED):
        assert np.array_equal(np.asarray(called(call, PICTURE)).transpose(2, 0, 1), want)
    if not call.startswith(("equalize", "posterize", "solarize", "pad", "rotate")):  # of bytes, or with one's fill
        close = called(call, SCALED)
        assert close.dtype == np.float32 and np.abs(np.clip(close * 255, 0, 255) - want).max() < 1.01


def test_to_tensor():
    y = functional.to_tensor(PICTURE)
    assert isinstance(y, Tensor) and y.dtype == np.float32 and y.array.flags.c_contiguous
    assert np.array_equal(y.numpy(), SCALED)
    assert np.array_equal(functional.to_tensor(X.transpose(1, 2, 0)).numpy(), SCALED)
    assert functional.to_tensor(X[0]).shape == (1, 4, 5)
    assert functional.to_tensor(X[0].astype(np.int64)).dtype == np.int64, "no bytes: not scaled"
    assert np.array_equal(functional.to_tensor(PICTURE.convert("1")).numpy() % 1, np.zeros((1, 4, 5)))
    wide = pillow.fromarray(np.array([[70000]], np.int32))
    assert functional.to_tensor(wide).tolist() == [[[70000]]]


def test_pictures_and_back():
    for mode in ("L", "RGB", "RGBA", "F", "I"):
        picture = PICTURE.convert(mode)
        back = functional.to_pil_image(functional.pil_to_tensor(picture), "F" if mode == "F" else None)
        assert back.mode == mode and back.tobytes() == picture.tobytes()
    assert functional.to_pil_image(Tensor(SCALED)).size == (5, 4)
    assert functional.to_pil_image(X[:, :, :3]).size == (4, 3), "an array is (H, W, C)"
    assert functional.to_pil_image(Tensor(X), "HSV").mode == "HSV"
    assert functional.pil_to_tensor(PICTURE.convert("1")).dtype == np.bool_


def test_convert_image_dtype():
    convert = functional.convert_image_dtype
    assert np.array_equal(convert(Tensor(X), "float32").numpy(), SCALED)
    assert convert(np.array([[0.0, 0.5, 1.0]], np.float32), "uint8").tolist() == [[0, 127, 255]]
    assert convert(X, "int16").max() == int(X.max()) * 128
    assert np.array_equal(convert(convert(X, "int16"), "uint8"), X)
    assert convert(X, "uint8") is X


def test_normalize():
    x = Tensor(SCALED.copy())
    y = transforms.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))(x)
    want = (SCALED - np.reshape([0.1, 0.2, 0.3], (3, 1, 1))) / np.reshape([0.4, 0.5, 0.6], (3, 1, 1))
    assert y.dtype == np.float32 and np.allclose(y.numpy(), want, atol=1e-6) and np.array_equal(x.numpy(), SCALED)
    assert transforms.Normalize(0.5, np.float32(0.5), inplace=True)(x) is x
    assert np.allclose(x.numpy(), SCALED * 2 - 1, atol=1e-6)


def test_crops_beyond_the_image():
    y = functional.crop(Tensor(X), -1, 3, 3, 4)
    assert np.array_equal(y.numpy(), np.pad(X, [(0, 0), (1, 0), (0, 2)])[:, :3, 3:])
    assert np.array_equal(np.asarray(functional.crop(PICTURE, -1, 3, 3, 4)).transpose(2, 0, 1), y.numpy())
    assert not functional.crop(X, 9, 9, 2, 2).any() and functional.crop(X, -9, 2, 5, 5).shape == (3, 5, 5)
    assert functional.crop(X[0], 1, 1, 2, 2).shape == (2, 2), "a grey array without channels"


def test_resize_sizes():
    assert functional.resize(PICTURE, 8).size == (10, 8) and functional.resize(X, (2, 9)).shape == (3, 2, 9)
    assert functional.resize(X, 8, max_size=9).shape == (3, 7, 9) and functional.resize(X, [4, 5]) is X


@pytest.mark.parametrize("step", EVERY, ids=lambda step: type(step).__name__)
def test_every_transform(step):
    """Drawn anew, but decided by the seed, for pictures and Tensors; prints and travels to worker processes."""
    copy = pickle.loads(pickle.dumps(step))
    kinds = [x for x, no in ((PICTURE, transforms.RandomErasing | transforms.ConvertImageDtype),
                             (Tensor(X), transforms.PILToTensor)) if not isinstance(step, no)]  # fmt: skip
    for image in kinds:
        gpunn.manual_seed(3)
        first = [np.asarray(step(image)) for _ in range(8)]
        gpunn.manual_seed(3)
        assert all(np.array_equal(a, copy(image)) for a in first)
        assert ("Random" in repr(step) or "Jitter" in repr(step) or "RandAugment" in repr(step)) == any(
            a.shape != first[0].shape or not np.array_equal(a, first[0]) for a in first
        )
    assert np.array_equal(X, (np.arange(60) * 37 % 256).astype(np.uint8).reshape(3, 4, 5))
    assert repr(step).startswith(type(step).__name__ + "(")


def test_randomness_is_one_stream():
    gpunn.manual_seed(0)
    a, b = transforms.RandomCrop(2), transforms.RandomCrop(2)
    x = np.arange(10000.0).reshape(1, 100, 100)
    places = {float(crop(x)[0, 0, 0]) for _ in range(300) for crop in (a, b)}
    assert len(places) > 550, "a new place each time, for each transform"
    assert abs(np.mean([p // 100 for p in places]) - 49) < 6 and max(places) // 100 <= 98
    gpunn.manual_seed(7)
    first, noise = a(x)[0, 0, 0], gpunn.rand(3)
    gpunn.manual_seed(7)
    assert a(x)[0, 0, 0] == first and np.array_equal(gpunn.rand(3), noise), "others' draws lie where they lay"
    flips = [transforms.RandomHorizontalFlip(0.25)(x) is not x for _ in range(2000)]
    assert 0.2 < np.mean(flips) < 0.3


def test_erasing():
    gpunn.manual_seed(1)
    x = Tensor(np.ones((3, 32, 32), np.float32))
    shares = [1 - float(transforms.RandomErasing(1.0, value=0)(x).mean()) for _ in range(50)]
    assert min(shares) > 0.015 and 0.1 < max(shares) < 0.34 and x.array.all()
    y = transforms.RandomErasing(1.0, value=(5, 6, 7))(x).numpy()
    assert [set(np.unique(plane)) for plane in y] == [{1, 5}, {1, 6}, {1, 7}]
    assert len(np.unique(transforms.RandomErasing(1.0, value="random")(x))) > 20
    assert transforms.RandomErasing(1.0, inplace=True)(x) is x and not x.array.all()


def test_composed():
    add, double = (lambda x: x + 1), (lambda x: x * 2)
    assert transforms.Compose([add, double])(3) == 8 and list(transforms.Compose([add])) == [add]
    assert transforms.Lambda(add)(1) == 2 and transforms.RandomApply([add, double], 1.0)(3) == 8
    assert transforms.RandomApply([add], 0.0)(3) == 3
    assert {transforms.RandomChoice([add, double], [0, 1])(5) for _ in range(20)} == {10}
    assert {transforms.RandomChoice([add, double])(5) for _ in range(40)} == {6, 10}
    assert repr(transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])) == (
        "Compose(\n    ToTensor()\n    Normalize(mean=0.5, std=0.5)\n)"
    )


MODULES = "automatic colour composed conversion crop geometry image place tone turn values"


@pytest.mark.parametrize("name", MODULES.split())
def test_examples(name):
    module = importlib.import_module(f"gpunn.data.transforms.{name}")
    given = {"np": np, "Tensor": Tensor, "data": gpunn.data}
    said, runner = [], doctest.DocTestRunner(verbose=False)
    for found in doctest.DocTestFinder().find(module, globs=given):
        runner.run(found, out=said.append)
    assert runner.tries and not runner.failures, "".join(said)


class Photos(Dataset):
    """Eight pictures, cut at random."""

    cut = transforms.Compose([transforms.RandomCrop(3, padding=1), transforms.ToTensor()])

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return self.cut(PICTURE)


def test_in_data_sets_and_loaders(tmp_path):
    put(tmp_path / "mnist", small_files())
    norm = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    digits = datasets.MNIST(tmp_path, transform=norm)
    x, y = next(iter(DataLoader(digits, 8)))
    raw = digits.data.numpy()[:8, None] / np.float32(255)
    assert x.shape == (8, 1, 28, 28) and np.allclose(x.numpy(), (raw - 0.1307) / 0.3081, atol=1e-5) and len(y) == 8


def test_workers_draw_by_batch():
    one, two = ([b.numpy() for b in DataLoader(Photos(), 4, num_workers=n, seed=5)] for n in (1, 2))
    assert all(map(np.array_equal, one, two)) and not np.array_equal(one[0], one[1])
