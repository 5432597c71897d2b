"""MNIST and Fashion-MNIST: from `$GPUNN_DATA`, from the cache folder, or from a mirror."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpunn.data.digits import ImageSet
from gpunn.data.download import DownloadError, Wanted, fetch
from gpunn.data.idx import read_idx
from gpunn.errors import DataError
from gpunn.files import cache_folder

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
FILES = {  # name -> MD5 and size of the unpacked content
    "train-images-idx3-ubyte": Wanted("6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    "train-labels-idx1-ubyte": Wanted("a25bea736e30d166cdddb491f175f624", 60_008),
    "t10k-images-idx3-ubyte": Wanted("2646ac647ad5339dbf082846283269ea", 7_840_016),
    "t10k-labels-idx1-ubyte": Wanted("27ae3e4e09519cfbb04c329615203637", 10_008),
}
FASHION_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
FASHION_FILES = {  # name -> MD5 and size of the gzip'ed file, as its authors publish it
    "train-images-idx3-ubyte": Wanted("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880, packed=True),
    "train-labels-idx1-ubyte": Wanted("25c81989df183df01b3e8a0aad5dffbe", 29_515, packed=True),
    "t10k-images-idx3-ubyte": Wanted("bef4ecab320f06d8554ea6380940ec79", 4_422_102, packed=True),
    "t10k-labels-idx1-ubyte": Wanted("bb300cfdad3c16e7a12a480ee83cd310", 5_148, packed=True),
}


def load_mnist(root: str | Path | None = None, download: bool = True, mirrors: Sequence[str] = MIRRORS) -> ImageSet:
    """MNIST's 60,000 + 10,000 images uint8 (N, 28, 28) and labels uint8 (N,).

    Looks in `root` alone if it is given, else in `$GPUNN_DATA/mnist` and the cache folder, where it downloads what is
    missing. Raises DataError for damaged files and DownloadError where MNIST is in none of these places.
    """
    places = [Path(root)] if root is not None else mnist_folders()
    return load_from("load_mnist", "MNIST", places, download, mirrors, FILES)


def load_fashion_mnist(
    root: str | Path | None = None, download: bool = True, mirrors: Sequence[str] = FASHION_MIRRORS
) -> ImageSet:
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), in MNIST's format, from `fashion-mnist` where that has `mnist`."""
    places = [Path(root)] if root is not None else mnist_folders("fashion-mnist")
    return load_from("load_fashion_mnist", "Fashion-MNIST", places, download, mirrors, FASHION_FILES)


def mnist_folders(name: str = "mnist") -> list[Path]:
    """The folders in which the set is looked for; the last one is the download's target."""
    data = os.environ.get("GPUNN_DATA")
    return ([Path(data) / name] if data else []) + [cache_folder() / name]


def load_from(
    function: str,
    title: str,
    places: Sequence[Path],
    download: bool,
    mirrors: Sequence[str],
    files: Mapping[str, Wanted],
) -> ImageSet:
    """The set from the first of `places` that has it; else downloaded to the last one. Errors name `function`."""
    for folder in places:
        if paths := _find(folder):
            return _read(function, title, paths)
    if not download:
        raise DownloadError(
            f"{function}: no {title} in {' or '.join(map(str, places))} (files {', '.join(files)}, plain or .gz);"
            " put them there, or allow download=True",
            "downloading was not allowed",
        )
    target = places[-1]
    for name, wanted in files.items():
        if not _variants(target, name):
            fetch([mirror + name + ".gz" for mirror in mirrors], target / f"{name}.gz", wanted)
    return _read(function, title, _find(target))


def _variants(folder: Path, name: str) -> list[Path]:
    """Existing files for `name`: plain or gzip'ed, with the last dash as a dot in some distributions."""
    names = [name, name.replace("-idx", ".idx")]
    return [path for n in names for suffix in ("", ".gz") if (path := folder / (n + suffix)).is_file()]


def _find(folder: Path) -> list[Path]:
    """The four files in FILES' order; an empty list unless all are there."""
    found = [_variants(folder, name) for name in FILES]
    return [paths[0] for paths in found] if all(found) else []


def _read(function: str, title: str, paths: Sequence[Path]) -> ImageSet:
    train_images, train_labels, test_images, test_labels = (
        read_idx(path, rank) for path, rank in zip(paths, (3, 1, 3, 1), strict=True)
    )
    for images, labels, i in ((train_images, train_labels, 0), (test_images, test_labels, 2)):
        if images.shape[1:] != (28, 28) or images.dtype != "uint8":
            raise DataError(
                f"{function}: {paths[i]} holds {images.dtype} images of shape {images.shape[1:]} where {title} has"
                f" uint8 images of 28 x 28; put {title}'s own files there"
            )
        if len(images) != len(labels):
            raise DataError(
                f"{function}: {paths[i]} holds {len(images)} images but {paths[i + 1]} holds {len(labels)} labels;"
                " the two must come from one set: fetch both again"
            )
        if len(labels) == 0 or labels.min() < 0 or labels.max() > 9:
            found = f"labels {labels.min()} to {labels.max()}" if len(labels) else "no labels"
            raise DataError(f"{function}: {paths[i + 1]} holds {found}, expected 0 to 9; fetch the file again")
    return ImageSet(train_images, train_labels, test_images, test_labels)
