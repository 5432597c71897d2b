"""From uint8 images to the batches that a network takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpunn import backend, data, models
from gpunn.data.augment import (
    Compose,
    Cutout,
    Mixup,
    Normalise,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    why_not,
)
from gpunn.errors import UsageError
from gpunn.recipes.config import Config
from gpunn.recipes.tasks import task_of
from gpunn.terminal import say
from gpunn.window import size_text

BAG = 2  # first word of the seed: the loader's own draws have 0 and 1
PADDING = 8  # times its side at most is an image padded to, but for the network's design: MNIST's to 224 pixels
SHARE = 0.5  # of a device's free memory that images may take: the rest is the network's
VALIDATION = 1 / 12  # of the training images: 5,000 of MNIST's 60,000


def image_size(model: str, dataset: data.Loaded, options: Mapping[str, Any] | None = None) -> int:
    """The side that the data set's images are padded to for this network. UsageError where they are too large."""
    sides = dataset.train.shape[2:]
    given = max(sides)
    designed = models.input_shape(model)[1]
    if (size := models.size_for(model, given, options)) is not None:
        return size
    if given > designed:
        others = ", ".join(name for name in models.names() if models.takes_size(name, given))
        raise UsageError(
            f"train: {model} takes {designed}x{designed} images, {dataset.name} has {size_text(sides)}; "
            f"{_scaled(dataset.name, designed)}choose from {others or 'none: no network takes that size'}"
        )
    return designed


def _scaled(name: str, side: int) -> str:
    """How to have a folder's images scaled, in words; empty for other data."""
    if not name.startswith("folder:"):
        return ""
    path, at, size = name.rpartition("@")
    return f"scale them with --data {path if at and size.isdecimal() else name}@{side}, or "


def load_noted(name: str, limit: int | None = None) -> data.Loaded:
    """The data set of that name; what it has to say of itself goes to the user."""
    dataset = data.load(name, limit=limit)
    if dataset.note:
        say(dataset.note)
    return dataset


def check_fits(dataset: data.Loaded, config: Config, command: str, trained: str, remedy: str) -> None:
    """UsageError where the data's channels or classes are not those that `trained`, in words, was trained on."""
    side, designed = max(dataset.test.shape[2:]), models.input_shape(config.model)[1]
    if config.size > max(PADDING * side, designed):
        raise UsageError(
            f"{command}: {dataset.name} has images of {side} pixels, but {trained} was trained on {config.size}x"
            f"{config.size}, more than {PADDING} times as large; give larger ones, or a folder's with "
            f"--data folder:PATH@{config.size}"
        )
    task, found = task_of(config.model), (dataset.test.shape[1], len(dataset.classes))
    task.check_labels(dataset, config.model, command)
    if found[0] != config.channels or (task.of_classes and found[1] != len(config.classes)):
        raise UsageError(
            f"{command}: {dataset.name} has {found[0]} channels and {found[1]} classes, but {trained} was trained on "
            f"{config.channels} and {len(config.classes)}; {remedy}"
        )


def check_enough(dataset: data.Loaded, config: Config) -> None:
    """UsageError where there is nothing to tell apart, or no image would be left to validate with."""
    task = task_of(config.model)
    task.check(dataset, config)
    if task.of_classes and len(dataset.classes) < 2:
        raise UsageError(
            f"train: {dataset.name} has the one class {', '.join(dataset.classes)}; give data of at least 2 classes"
        )
    if len(dataset.train) < 2:
        raise UsageError(f"--limit {len(dataset.train)} leaves no image to validate with; give at least 2")


def augmentation(channels: int) -> dict[str, int | bool]:
    """How training images are varied: colour ones as by He et al. 2015, section 4.2; grey ones, digits, by a pixel."""
    return {"shift": 4, "flip": True} if channels == 3 else {"shift": 1, "flip": False}


def loaders(
    dataset: data.Loaded, config: Config, dtype: np.dtype, device: backend.Device | None = None
) -> tuple[data.DataLoader, data.DataLoader]:
    """The training and the validation loader: a fixed twelfth of the training images is held out.

    Bagging (Breiman 1996) draws as many training images as there are, with replacement, by the run's seed. Batches are
    made on `device`, to the bits of the host's, where `host_reason` has nothing against it; else, or where it is None,
    on the host.
    """
    prepare = _prepare(config, dtype, augment=True)
    images: data.ArrayDataset | data.Resident
    images = data.ArrayDataset(*padded(dataset.train, dataset.train_labels, config.size))
    if device is not None and device.type != "cpu":
        if reason := host_reason(images.arrays[0].nbytes, prepare, device):
            say(f"batches are made on the host: {reason}")
        else:
            images = data.Resident(images, device)
    train, val = data.split(images, max(VALIDATION, 1 / len(images)), seed=0)
    if config.bagging:
        drawn = np.random.default_rng((BAG, config.seed)).integers(0, len(train), len(train))
        train = data.Subset(train, np.sort(drawn))
    # One image alone has no variance where batch norm sees one pixel of it: ResNet-18 at 32x32 would stop there.
    alone = len(train) > config.batch_size and len(train) % config.batch_size == 1
    return (
        data.DataLoader(train, config.batch_size, shuffle=True, drop_last=alone, seed=config.seed, transform=prepare),
        data.DataLoader(val, 250, transform=_prepare(config, dtype)),
    )


def host_reason(nbytes: int, transform: Callable, device: backend.Device) -> str:
    """Why the host makes batches of images of so many bytes for this device, in words; "" where the device does."""
    if reason := why_not(transform):
        return reason
    room = SHARE * backend.free_bytes(device)
    if nbytes > room:
        return f"the images take {nbytes / 1e9:.3g} GB, more than half of what is free on {device}"
    return ""


def test_loader(dataset: data.Loaded, config: Config, dtype: np.dtype, limit: int | None = None) -> data.DataLoader:
    """The first ``limit`` test images, or all, in order."""
    images = data.ArrayDataset(*padded(dataset.test[:limit], dataset.test_labels[:limit], config.size))
    return data.DataLoader(images, 250, transform=_prepare(config, dtype))


def _prepare(config: Config, dtype: np.dtype, augment: bool = False) -> Callable:
    steps: list[Callable] = []
    moving: list[RandomCrop | RandomHorizontalFlip] = []
    task = task_of(config.model)
    if augment and (config.rotate or config.zoom):
        steps.append(RandomAffine(degrees=config.rotate, scale=config.zoom))
    if augment and config.shift:
        moving.append(RandomCrop(padding=config.shift))
    if augment and config.flip:
        moving.append(RandomHorizontalFlip())
    steps += task.moving(moving)
    if augment and config.cutout:
        steps.append(Cutout(config.cutout))
    steps.append(Normalise(config.mean, config.std))
    if dtype != np.float32:
        steps.append(lambda images, labels, rng: (images.astype(dtype), labels))
    if augment and config.mixup:
        steps.append(Mixup(len(config.classes), config.mixup))
    return Compose(*steps, *task.targets())


def normalised(images: np.ndarray, config: Config, dtype: np.dtype) -> np.ndarray:
    """uint8 images (N, C, H, W) as the run's network takes them."""
    return data.normalise(images, config.mean, config.std).astype(dtype, copy=False)


def padded(images: np.ndarray, labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images as `pad_to` makes them; masks with a border that losses and metrics leave out."""
    masks = np.pad(labels, _border(labels.shape[1:], size), constant_values=-100) if labels.ndim == 3 else labels
    return pad_to(images, size), masks


def pad_to(images: np.ndarray, size: int) -> np.ndarray:
    """Images (N, C, H, W) with a black border, so that both sides become ``size``. UsageError for larger ones."""
    if max(images.shape[2:]) > size:
        raise UsageError(
            f"images of {size_text(images.shape[2:])} are larger than the {size}x{size} that the network was trained "
            f"on; give others, or scale a folder's with --data folder:PATH@{size}"
        )
    return images if images.shape[2:] == (size, size) else np.pad(images, [(0, 0), *_border(images.shape[2:], size)])


def _border(sides: Sequence[int], size: int) -> list[tuple[int, int]]:
    """What numpy.pad puts around the last two axes of these sides."""
    return [(0, 0), *(((size - side) // 2, size - side - (size - side) // 2) for side in sides)]
