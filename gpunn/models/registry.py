"""The table of networks that the command line knows by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gpunn import nn
from gpunn.models.alexnet import alexnet_lite
from gpunn.models.lenet import lenet5, lenet_20_50_500
from gpunn.models.mlp import mlp
from gpunn.models.resnet import resnet18, resnet20
from gpunn.names import unknown_name


@dataclass(frozen=True)
class Entry:
    """A network's builder, the image (C, H, W) that it was designed for, and whether it takes other sizes as well."""

    build: Callable[..., nn.Module]
    image: tuple[int, int, int]
    any_size: bool = False


_MODELS = {
    "mlp": Entry(mlp, (1, 28, 28)),
    "lenet5": Entry(lenet5, (1, 28, 28)),
    "lenet_20_50_500": Entry(lenet_20_50_500, (1, 28, 28)),
    "alexnet_lite": Entry(alexnet_lite, (3, 32, 32)),
    "resnet20": Entry(resnet20, (3, 32, 32), any_size=True),
    "resnet18": Entry(resnet18, (3, 224, 224), any_size=True),
}


def names() -> list[str]:
    """The names that ``create`` takes."""
    return list(_MODELS)


def _entry(name: str) -> Entry:
    if name not in _MODELS:
        raise unknown_name("model", name, _MODELS)
    return _MODELS[name]


def create(name: str, num_classes: int = 10, in_channels: int | None = None, **options) -> nn.Module:
    """The network called ``name`` with new weights; ``options`` go to its function.

    in_channels: the design's own (1 or 3) where None. Raises UsageError for an unknown name, with the nearest one.
    """
    entry = _entry(name)
    return entry.build(num_classes, entry.image[0] if in_channels is None else in_channels, **options)


def input_shape(name: str) -> tuple[int, int, int]:
    """The image (C, H, W) that the network called ``name`` was designed for."""
    return _entry(name).image


def takes_size(name: str, size: int) -> bool:
    """Whether the network called ``name`` takes images of this side: only those with a global last pooling take all."""
    entry = _entry(name)
    return entry.any_size or size == entry.image[1]
