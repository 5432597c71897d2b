"""From uint8 images to the batches that a network takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn import data, models
from gpunn.cli.config import Config
from gpunn.errors import UsageError

VALIDATION = 1 / 12  # of the training images: 5,000 of MNIST's 60,000


def image_size(model: str, given: int) -> int:
    """The side that images of side ``given`` are padded to for this network."""
    designed = models.input_shape(model)[1]
    # Networks with a global last pooling take every size; 224 is only what ResNet-18 was designed for.
    return designed if given < designed <= 32 else given


def loaders(dataset: data.Dataset, config: Config, dtype: np.dtype) -> tuple[data.DataLoader, data.DataLoader]:
    """The training and the validation loader: a fixed twelfth of the training images is held out."""
    images = data.ArrayDataset(pad_to(dataset.train, config.size), dataset.train_labels)
    if len(images) < 2:
        raise UsageError(f"--limit {len(images)} leaves no image to validate with; give at least 2")
    train, val = data.split(images, max(VALIDATION, 1 / len(images)), seed=0)
    return (
        data.DataLoader(
            train, config.batch_size, shuffle=True, seed=config.seed, transform=_prepare(config, dtype, config.shift)
        ),
        data.DataLoader(val, 250, transform=_prepare(config, dtype)),
    )


def test_loader(dataset: data.Dataset, config: Config, dtype: np.dtype, limit: int | None = None) -> data.DataLoader:
    """The first ``limit`` test images, or all, in order."""
    images = data.ArrayDataset(pad_to(dataset.test[:limit], config.size), dataset.test_labels[:limit])
    return data.DataLoader(images, 250, transform=_prepare(config, dtype))


def _prepare(config: Config, dtype: np.dtype, shift: int = 0) -> Callable:
    def prepare(images, labels, rng):
        if shift:
            images = random_shift(images, shift, rng)
        return normalised(images, config, dtype), labels

    return prepare


def normalised(images: np.ndarray, config: Config, dtype: np.dtype) -> np.ndarray:
    """uint8 images (N, C, H, W) as the run's network takes them."""
    return data.normalise(images, config.mean, config.std).astype(dtype, copy=False)


def pad_to(images: np.ndarray, size: int) -> np.ndarray:
    """Images (N, C, H, W) with a black border, so that both sides become ``size``."""
    missing = [size - side for side in images.shape[2:]]
    if missing == [0, 0]:
        return images
    return np.pad(images, [(0, 0), (0, 0), *((m // 2, m - m // 2) for m in missing)])


def random_shift(images: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Each image (N, C, H, W) moved by up to ``pixels`` in both directions; what comes in is black."""
    n, _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    rows, columns = rng.integers(0, 2 * pixels + 1, size=(2, n))
    return windows[np.arange(n), :, rows, columns]
