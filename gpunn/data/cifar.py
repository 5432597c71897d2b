"""CIFAR-10 and CIFAR-100: from `$GPUNN_DATA`, from the cache folder, or downloaded; decoded once, memory-mapped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpunn.data.cifar_files import Form, Kind, Source, parse_classes
from gpunn.data.cifar_jpeg import NOTE, find_jpeg, read_jpeg
from gpunn.data.download import DownloadError, Wanted, fetch
from gpunn.data.store import stamp_of, stored
from gpunn.errors import DataError
from gpunn.files import cache_folder

MIRRORS = ("https://www.cs.toronto.edu/~kriz/", "http://www.cs.toronto.edu/~kriz/")
SIZES = {"train": 50_000, "test": 10_000}
BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
CIFAR10 = Kind(
    name="cifar10",
    title="CIFAR-10",
    labels={"labels": 10},
    keys=("label_names",),
    forms=(
        Form(
            archive="cifar-10-binary.tar.gz",
            md5="c32a1d4ab5d03f1284b67883e8d87530",
            size=170_052_171,
            folder="cifar-10-batches-bin",
            train=tuple(f"{name}.bin" for name in BATCHES),
            test="test_batch.bin",
            names=("batches.meta.txt",),
            pickled=False,
        ),
        Form(
            archive="cifar-10-python.tar.gz",
            md5="c58f30108f718f92721af3b95e74349a",
            size=170_498_071,
            folder="cifar-10-batches-py",
            train=BATCHES,
            test="test_batch",
            names=("batches.meta",),
            pickled=True,
        ),
    ),
)
CIFAR100 = Kind(
    name="cifar100",
    title="CIFAR-100",
    labels={"coarse_labels": 20, "fine_labels": 100},
    keys=("coarse_label_names", "fine_label_names"),
    forms=(
        Form(
            archive="cifar-100-binary.tar.gz",
            md5="03b5dce01913d631647c71ecec9e9cb8",
            size=168_513_733,
            folder="cifar-100-binary",
            train=("train.bin",),
            test="test.bin",
            names=("coarse_label_names.txt", "fine_label_names.txt"),
            pickled=False,
        ),
        Form(
            archive="cifar-100-python.tar.gz",
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            size=169_001_437,
            folder="cifar-100-python",
            train=("train",),
            test="test",
            names=("meta",),
            pickled=True,
        ),
    ),
)


class CifarSet(NamedTuple):
    """Images uint8 (N, 3, 32, 32), memory-mapped, labels uint8 (N,), class names, and a line for the user or ''."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    note: str


def load_cifar10(root: str | Path | None = None, download: bool = True, mirrors: Sequence[str] = MIRRORS) -> CifarSet:
    """CIFAR-10's 50,000 + 10,000 images in 10 classes.

    Looks in `root` alone (an archive, the unpacked folder, or a folder that holds one of them) if it is given, else in
    `$GPUNN_DATA` and the cache folder for the binary or the Python form; then for the JPEG copy
    `cifar10-jpeg/cifar10_jpeg.npz` (see `note`); then downloads. Raises DataError for damaged files and DownloadError
    where the set is in none of these places.
    """
    places = [Path(root)] if root is not None else cifar_folders(CIFAR10)
    return load_from(CIFAR10, "labels", places, download, mirrors)


def load_cifar100(
    root: str | Path | None = None, download: bool = True, mirrors: Sequence[str] = MIRRORS, labels: str = "fine"
) -> CifarSet:
    """CIFAR-100's 50,000 + 10,000 images; `labels` is "fine" (100 classes) or "coarse" (20). See `load_cifar10`."""
    if labels not in ("fine", "coarse"):
        raise DataError(f'load_cifar100: labels is {labels!r}; give "fine" (100 classes) or "coarse" (20)')
    places = [Path(root)] if root is not None else cifar_folders(CIFAR100)
    return load_from(CIFAR100, f"{labels}_labels", places, download, mirrors)


def cifar_folders(kind: Kind) -> list[Path]:
    """The folders in which CIFAR is looked for; the last one is the download's target."""
    data = os.environ.get("GPUNN_DATA")
    return ([Path(data), Path(data) / kind.name] if data else []) + [cache_folder() / kind.name]


def load_from(
    kind: Kind, labels: str, places: Sequence[Path], download: bool = True, mirrors: Sequence[str] = MIRRORS
) -> CifarSet:
    """The set from the first of `places` that has it; else downloaded to the last one."""
    if source := next(filter(None, (_find(kind, place) for place in places)), None):
        return _opened(kind, labels, source.paths(), source.read)
    if kind is CIFAR10 and (jpeg := next(filter(None, map(find_jpeg, places)), None)):
        return _opened(kind, labels, [jpeg], lambda: read_jpeg(jpeg, kind), NOTE)
    form = kind.forms[0]
    if not download or places[-1].is_file():
        raise DownloadError(
            f"load_{kind.name}: no {kind.title} in {' or '.join(map(str, places))}"
            f" (folders {' or '.join(f.folder for f in kind.forms)}, or their .tar.gz archives);"
            " put one there, or allow download=True",
            "downloading was not allowed",
        )
    path = places[-1] / form.archive
    fetch([mirror + form.archive for mirror in mirrors], path, Wanted(form.md5, form.size, packed=True))
    source = Source(kind, form, path)
    return _opened(kind, labels, source.paths(), source.read)


def _find(kind: Kind, place: Path) -> Source | None:
    if place.is_file():
        return next((Source(kind, form, place) for form in kind.forms if form.archive == place.name), None)
    for form in kind.forms:
        if (folder := place / form.folder).is_dir():
            return Source(kind, form, folder)
        if place.name == form.folder or all((place / name).is_file() for name in form.files):
            return Source(kind, form, place)
    return next((Source(kind, f, path) for f in kind.forms if (path := place / f.archive).is_file()), None)


def _opened(
    kind: Kind, labels: str, paths: Sequence[Path], read: Callable[[], dict[str, np.ndarray]], note: str = ""
) -> CifarSet:
    """The set from the store, or read, stored and mapped."""
    read = cache(read)
    stamp = stamp_of(paths)

    def open_field(field: str, fits: Callable[[np.ndarray], bool]) -> np.ndarray:
        return stored(f"{kind.name}-{field}", stamp, lambda: (read()[field].shape, [read()[field]]), fits)

    column, parts = list(kind.labels).index(labels), []
    for part in SIZES:
        images = open_field(f"{part}_images", lambda a: a.ndim == 4 and a.shape[1:] == (3, 32, 32))
        parts += [images, open_field(f"{part}_labels", partial(_labels_of, images, kind))]
    classes = parse_classes(open_field("classes", lambda a: len(parse_classes(a)) == len(kind.labels)))[column]
    found = {"train": len(parts[0]), "test": len(parts[2])}
    if not note and found != SIZES:
        note = f"{paths[0].parent} has {found['train']} + {found['test']} images of {kind.title}'s 50000 + 10000"
    return CifarSet(parts[0], parts[1][:, column], parts[2], parts[3][:, column], tuple(classes), note)


def _labels_of(images: np.ndarray, kind: Kind, labels: np.ndarray) -> bool:
    """Whether these are labels of so many images, each below its class count."""
    counts = np.array(list(kind.labels.values()))
    return labels.shape == (len(images), len(counts)) and bool((labels < counts).all())
