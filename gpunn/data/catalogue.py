"""Data sets by name, in the form that training wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gpunn.data.cifar import CifarSet, load_cifar10, load_cifar100
from gpunn.data.digits import ImageSet, load_digits
from gpunn.data.download import DownloadError
from gpunn.data.folder import load_image_folder
from gpunn.data.images import mean_std
from gpunn.data.mnist import load_fashion_mnist, load_mnist, mnist_folders
from gpunn.data.shapes import CLASSES as SHAPES
from gpunn.data.shapes import load_shapes
from gpunn.errors import DataError, suggestion
from gpunn.text import brief

DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FOLDER = "folder:"


@dataclass(frozen=True)
class Loaded:
    """Images uint8 (N, C, H, W) and labels int64 (N,), or masks (N, H, W) of each pixel's class, in two parts.

    `mean` and `std` hold one float a channel, of the whole training part scaled to 0..1 (see `normalise`). `note` is
    one line that the user should see, or empty.
    """

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    classes: Sequence[str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str = ""


def names() -> list[str]:
    """The names that `load` knows."""
    return sorted(_LOADERS)


def load(name: str, limit: int | None = None, download: bool = True) -> Loaded:
    """The data set called `name`, one of `names()`, or "folder:PATH" for images in one sub-folder a class.

    "digits" and "shapes" are generated (see `load_digits`, and `load_shapes`, whose labels are masks); "cifar100" has
    the 100 fine classes, "cifar100-coarse" the 20 coarse ones; "folder:PATH@64" scales and crops the images to 64 x 64
    (see `load_image_folder`). The result's own name has the whole path, so that it is found from any working folder.

    `limit` keeps the first `limit` training images and the same share of the test images (at least one), which `note`
    says; all sets are in mixed order. Where MNIST is neither on disk nor to be had from a mirror, the generated digits
    come instead, and `note` says so. Raises DataError for an unknown name, a bad limit and damaged files, and
    DownloadError (a DataError) where another set is not to be had.
    """
    if limit is not None and (not isinstance(limit, (int, np.integer)) or isinstance(limit, bool) or limit < 1):
        raise DataError(f"load: limit is {brief(limit)}; give a whole number of at least 1, or None for all images")
    if isinstance(name, str) and name.startswith(FOLDER):
        return _limited(_folder(full_name(name)), limit)
    if name not in _LOADERS:
        hint = suggestion(name, names())
        raise DataError(f"load: no data set is called {name!r}{hint} (known: {', '.join(names())}, {FOLDER}PATH)")
    return _limited(_LOADERS[name](download), limit)


def _mnist(download: bool) -> Loaded:
    try:
        return _grey("mnist", load_mnist(download=download), DIGITS)
    except DownloadError as error:
        places = " or ".join(map(str, mnist_folders()))
        note = f"no MNIST in {places} ({error.brief}): using the generated digits instead"
        return _grey("digits", load_digits(), DIGITS, note)


def full_name(name: str) -> str:
    """The name of a data set, found from any working folder: a folder's with its whole path.

    Examples:
        >>> from gpunn.data.catalogue import full_name
        >>> full_name("folder:/data/birds/../cats@64"), full_name("mnist")
        ('folder:/data/cats@64', 'mnist')
    """
    if not name.startswith(FOLDER):
        return name
    path, size = _path_and_size(name)
    try:
        whole = Path(path).resolve() if ".." in Path(path).parts else Path(path).absolute()
    except (OSError, ValueError, RuntimeError) as error:  # a working folder that is gone, links in a circle
        raise DataError(f"load: {name!r} cannot be found from here ({error}); give the folder's whole path") from error
    return f"{FOLDER}{whole}{size and '@'}{size}"


def _path_and_size(name: str) -> tuple[str, str]:
    path, _, size = name.removeprefix(FOLDER).rpartition("@")
    if not path or not (size.isascii() and size.isdecimal()):
        path, size = name.removeprefix(FOLDER), ""
    if not path:  # which would be the working folder
        raise DataError(f"load: {name!r} names no folder; give {FOLDER}PATH, its sub-folders the classes")
    return path, size


def _folder(name: str) -> Loaded:
    path, size = _path_and_size(name)
    # Of many digits, which Python may not even turn into a number, the first few say that it is too large.
    images = load_image_folder(path, size=int(size[:9]) if size else None)
    return _dataset(name, images[:4], images.classes, "")


def _cifar(name: str, images: CifarSet) -> Loaded:
    return _dataset(name, images[:4], images.classes, images.note)


def _grey(name: str, images: ImageSet, classes: Sequence[str], note: str = "") -> Loaded:
    train, train_labels, test, test_labels = images
    return _dataset(name, (train[:, None], train_labels, test[:, None], test_labels), classes, note)


def _dataset(name: str, arrays: Sequence[np.ndarray], classes: Sequence[str], note: str) -> Loaded:
    train, train_labels, test, test_labels = arrays
    mean, std = mean_std(train)
    labels = train_labels.astype(np.int64), test_labels.astype(np.int64)
    return Loaded(name, train, labels[0], test, labels[1], classes, mean, std, note)


def _limited(data: Loaded, limit: int | None) -> Loaded:
    if limit is None or limit >= len(data.train):
        return data
    n_test = max(1, len(data.test) * limit // len(data.train))
    train, test = f"{limit:,} of {len(data.train):,} training images", f"{n_test:,} of {len(data.test):,} test images"
    said = f"limit {limit}: the first {train}, and the first {test}"
    parts = {"train": limit, "train_labels": limit, "test": n_test, "test_labels": n_test}
    kept = {part: getattr(data, part)[:n] for part, n in parts.items()}
    return replace(data, **kept, note=f"{data.note}; {said}" if data.note else said)


_LOADERS = {
    "cifar10": lambda download: _cifar("cifar10", load_cifar10(download=download)),
    "cifar100": lambda download: _cifar("cifar100", load_cifar100(download=download)),
    "cifar100-coarse": lambda download: _cifar("cifar100-coarse", load_cifar100(download=download, labels="coarse")),
    "digits": lambda download: _grey("digits", load_digits(), DIGITS),
    "fashion-mnist": lambda download: _grey("fashion-mnist", load_fashion_mnist(download=download), FASHION),
    "mnist": _mnist,
    "shapes": lambda download: _dataset("shapes", load_shapes(), SHAPES, ""),
}
