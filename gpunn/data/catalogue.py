"""Data sets by name, in the form that training wants."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpunn.data.digits import ImageSet, load_digits
from gpunn.data.download import DownloadError
from gpunn.data.mnist import load_mnist, mnist_folders
from gpunn.errors import DataError

DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (N, C, H, W) and labels int64 (N,) in two parts.

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


def load(name: str, limit: int | None = None, download: bool = True) -> Dataset:
    """The data set called `name`: "mnist", or "digits" (generated, see `load_digits`).

    `limit` keeps the first `limit` training images and the same share of the test images (at least one); both sets are
    in mixed order. Where MNIST is neither on disk nor to be had from a mirror, the generated digits come instead and
    `note` says so. Raises DataError for an unknown name, a bad limit and damaged files.
    """
    if name not in _LOADERS:
        near = difflib.get_close_matches(str(name), names(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(f"load: no data set is called {name!r}{hint} (known: {', '.join(names())})")
    if limit is not None and (not isinstance(limit, (int, np.integer)) or isinstance(limit, bool) or limit < 1):
        raise DataError(f"load: limit is {limit!r}; give a whole number of at least 1, or None for all images")
    return _limited(_LOADERS[name](download), limit)


def normalise(images: np.ndarray, mean, std) -> np.ndarray:
    """uint8 images (N, C, H, W) as float32: scaled to 0..1, minus `mean`, over `std` (numbers, or one a channel)."""
    if images.dtype != np.uint8:
        raise DataError(f"normalise: images are {images.dtype}, expected uint8 (0 to 255); normalise them only once")
    mean, std = (np.asarray(value, dtype=np.float32) for value in (mean, std))
    for label, value in (("mean", mean), ("std", std)):
        if value.ndim > 1 or (value.size > 1 and (images.ndim != 4 or images.shape[1] != value.size)):
            raise DataError(
                f"normalise: {label} has shape {value.shape} but images have shape {images.shape};"
                " give one number, or one a channel of (N, C, H, W) images"
            )
    if not np.all(std > 0):
        raise DataError(f"normalise: std is {std.tolist()}; every value must be above 0")
    scale, shift = (value.reshape(-1, 1, 1) if value.ndim else value for value in (1 / (255 * std), mean / std))
    return images * scale - shift


def _mnist(download: bool) -> Dataset:
    try:
        return _dataset("mnist", load_mnist(download=download))
    except DownloadError as error:
        places = " or ".join(map(str, mnist_folders()))
        note = f"no MNIST in {places} ({error.brief}): using the generated digits instead"
        return _dataset("digits", load_digits(), note)


def _dataset(name: str, images: ImageSet, note: str = "") -> Dataset:
    train, train_labels, test, test_labels = images
    mean, std = _mean_std(train)
    return Dataset(
        name,
        train[:, None],
        train_labels.astype(np.int64),
        test[:, None],
        test_labels.astype(np.int64),
        DIGITS,
        (mean,),
        (std,),
        note,
    )


def _mean_std(images: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of uint8 pixels scaled to 0..1, exact from their histogram."""
    counts = np.bincount(images.reshape(-1), minlength=256)
    levels = np.arange(256) / 255
    mean = float(counts @ levels / counts.sum())
    return mean, float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))


def _limited(data: Dataset, limit: int | None) -> Dataset:
    if limit is None or limit >= len(data.train):
        return data
    n_test = max(1, len(data.test) * limit // len(data.train))
    parts = {"train": limit, "train_labels": limit, "test": n_test, "test_labels": n_test}
    return Dataset(**{**vars(data), **{part: getattr(data, part)[:n] for part, n in parts.items()}})


_LOADERS = {"mnist": _mnist, "digits": lambda download: _dataset("digits", load_digits())}
