"""MNIST and Fashion-MNIST, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gpunn.data.catalogue import FASHION
from gpunn.data.dataset import Sample
from gpunn.data.datasets.vision import Transform, VisionDataset
from gpunn.data.download import Wanted
from gpunn.data.mnist import FASHION_FILES, FASHION_MIRRORS, FILES, MIRRORS, load_from, mnist_folders
from gpunn.data.pillow import picture_of
from gpunn.engine.tensor import Tensor, data_of


class MNIST(VisionDataset):
    """MNIST's 60,000 training or 10,000 test images: (image 28 x 28 of mode "L", label 0 to 9).

    Args:
        root: a folder that has `MNIST/raw` (torchvision's layout) or `mnist` with the four files, gzip'ed or plain.
            Where neither is, they are looked for in `$GPUNN_DATA/mnist` and in gpunn's cache folder.
        train: the training images; False: the test images.
        transform, target_transform: functions of an image and of a label.
        download: whether what is nowhere is fetched into `root/MNIST/raw`.

    Attributes:
        data: all images, a Tensor uint8 (N, 28, 28); `targets` all labels, int64 (N,); `classes` their names.

    Raises DataError for damaged files, and DownloadError (a DataError) where MNIST is in none of these places.

    Examples:
        >>> digits = data.datasets.MNIST("data", train=False)  # doctest: +SKIP
        >>> image, label = digits[0]  # doctest: +SKIP
    """

    classes: Sequence[str] = (
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    )  # fmt: skip
    theirs, ours = "MNIST", "mnist"  # the folders in torchvision's layout and in gpunn's
    files: Mapping[str, Wanted] = FILES
    mirrors: Sequence[str] = MIRRORS

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train, raw = bool(train), self.root / self.theirs / "raw"
        itself = [self.root] if self.root.name in (self.theirs, self.ours) else []  # the sets' files have one name
        places = [raw, self.root / self.ours, *itself, *mnist_folders(self.ours), raw]
        found = load_from(self.theirs, self.theirs, places, download, self.mirrors, self.files)
        images, labels = found[:2] if self.train else found[2:]
        self.data, self.targets = Tensor(images), Tensor(labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Sample, Sample]:
        return self.transformed(picture_of(data_of(self.data)[index]), int(data_of(self.targets)[index]))


class FashionMNIST(MNIST):
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), in MNIST's format: under `FashionMNIST/raw` or `fashion-mnist`."""

    classes: Sequence[str] = FASHION
    theirs, ours = "FashionMNIST", "fashion-mnist"
    files: Mapping[str, Wanted] = FASHION_FILES
    mirrors: Sequence[str] = FASHION_MIRRORS
