"""CIFAR-10 and CIFAR-100, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpunn.data.cifar import CIFAR10 as KIND10
from gpunn.data.cifar import CIFAR100 as KIND100
from gpunn.data.cifar import cifar_folders, load_from
from gpunn.data.dataset import Sample
from gpunn.data.datasets.vision import Transform, VisionDataset
from gpunn.data.pillow import picture_of
from gpunn.seals import say


class CIFAR10(VisionDataset):
    """CIFAR-10's 50,000 training or 10,000 test images: (image 32 x 32 of mode "RGB", label 0 to 9).

    Args:
        root: a folder that has `cifar-10-batches-py` (torchvision's layout), `cifar-10-batches-bin` or one of their
            archives. Where none is, they are looked for in `$GPUNN_DATA` and in gpunn's cache folder.
        train: the training images; False: the test images.
        transform, target_transform: functions of an image and of a label.
        download: whether what is nowhere is fetched into `root`.

    Attributes:
        data: all images, an array uint8 (N, 32, 32, 3); `targets` the list of all labels; `classes` their names.

    Raises DataError for damaged files, and DownloadError (a DataError) where the set is in none of these places.

    Examples:
        >>> photos = data.datasets.CIFAR10("data", train=False)  # doctest: +SKIP
        >>> image, label = photos[0]  # doctest: +SKIP
    """

    kind, labels = KIND10, "labels"

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = bool(train)
        found = load_from(self.kind, self.labels, [self.root, *cifar_folders(self.kind), self.root], download)
        if found.note:
            say(found.note)
        images, labels = found[:2] if self.train else found[2:4]
        self.data = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.targets, self.classes = labels.tolist(), list(found.classes)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Sample, Sample]:
        return self.transformed(picture_of(self.data[index]), self.targets[index])


class CIFAR100(CIFAR10):
    """CIFAR-100: as CIFAR10, with 100 classes, under `cifar-100-python` or `cifar-100-binary`."""

    kind, labels = KIND100, "fine_labels"
