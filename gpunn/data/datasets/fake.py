"""Random images, for trying out what takes images."""

from __future__ import annotations

import numpy as np

from gpunn.data.dataset import Sample
from gpunn.data.datasets.vision import Transform, VisionDataset
from gpunn.data.pillow import picture_of
from gpunn.errors import DataError


class FakeData(VisionDataset):
    """`size` images of random pixels with random labels; each is the same whenever it is asked for.

    Args:
        image_size: (C, H, W) with 1 or 3 channels.
        random_offset: another number, other images.

    Examples:
        >>> fake = data.datasets.FakeData(8, (3, 4, 5), num_classes=2, transform=np.asarray)
        >>> len(fake), fake[0][0].shape
        (8, (4, 5, 3))
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform = None,
        target_transform: Transform = None,
        random_offset: int = 0,
    ):
        super().__init__(transform=transform, target_transform=target_transform)
        if len(image_size) != 3 or image_size[0] not in (1, 3):
            raise DataError(f"FakeData: image_size is {image_size}; give (C, H, W) with 1 or 3 channels")
        self.size, self.image_size, self.num_classes = size, tuple(image_size), num_classes
        self.random_offset = random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Sample, Sample]:
        at = range(self.size)[index]  # IndexError where there is none
        rng = np.random.default_rng((self.random_offset, at))
        channels, height, width = self.image_size
        pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        target = int(rng.integers(self.num_classes))
        return self.transformed(picture_of(pixels if channels > 1 else pixels[..., 0]), target)
