"""Mixup: pairs of images and of their labels, blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunn.data.augment.step import as_dtype, checked_images, unpacked, whole
from gpunn.errors import DataError


@dataclass(frozen=True)
class Mixup:
    """Blends every sample with another of its batch (Zhang et al. 2018); one share lambda ~ Beta(alpha, alpha) a batch.

    Called as step(images, labels, rng) with class labels (N,) below `num_classes`; returns the images and probability
    targets float32 (N, num_classes): lambda * one_hot(label) + (1 - lambda) * one_hot(the other's), which cross_entropy
    takes. uint8 images stay uint8, rounded. Put it last: other steps pass labels on unchanged.

    Examples:
        >>> images, rng = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), np.random.default_rng(0)
        >>> images, targets = data.Mixup(num_classes=3)(images, np.array([0, 2]), rng)
        >>> targets.shape, targets.sum(1).tolist()
        ((2, 3), [1.0, 1.0])
    """

    num_classes: int
    alpha: float = 0.2

    def __post_init__(self):
        whole("Mixup", "num_classes", self.num_classes, 2)
        if not isinstance(self.alpha, (int, float)) or not 0 < self.alpha < np.inf:
            raise DataError(f"Mixup: alpha is {self.alpha!r}; give a number above 0 (0.1 to 0.4 are usual)")

    def __call__(self, *batch: Any) -> tuple[np.ndarray, np.ndarray]:
        arrays, rng = unpacked("Mixup", batch)
        if len(arrays) != 2:
            raise DataError(f"Mixup: got a batch of {len(arrays)} arrays, expected 2: images and labels")
        images, labels = checked_images("Mixup", arrays[0]), np.asarray(arrays[1])
        share, other = self.draw(len(images), rng)
        targets = self._one_hot(labels, len(images))
        mixed = images.astype(np.float32 if images.dtype == np.uint8 else images.dtype)  # a copy, blended in place
        for values in (mixed, targets):
            partner = values[other]
            partner -= values
            partner *= values.dtype.type(share)
            values += partner
        return as_dtype(mixed, images.dtype), targets

    def draw(self, n: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
        """The partners' share, 1 - lambda, and each sample's partner, for a batch of n."""
        return 1 - float(rng.beta(self.alpha, self.alpha)), rng.permutation(n)

    def check(self, labels: np.ndarray, n: int) -> None:
        """DataError unless these are the class labels of n samples."""
        if labels.shape != (n,) or labels.dtype.kind not in "iu":
            raise DataError(
                f"Mixup: labels are {labels.dtype} of shape {labels.shape}, expected whole numbers of shape ({n},)"
            )
        if n and not 0 <= labels.min() <= labels.max() < self.num_classes:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise DataError(f"Mixup: label {wrong} is outside 0 to {self.num_classes - 1}; set num_classes")

    def _one_hot(self, labels: np.ndarray, n: int) -> np.ndarray:
        self.check(labels, n)
        targets = np.zeros((n, self.num_classes), dtype=np.float32)
        targets[np.arange(n), labels] = 1
        return targets
