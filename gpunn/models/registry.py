"""The table of networks that the command line knows by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from gpunn import limits, nn
from gpunn.errors import UsageError, unknown_name
from gpunn.models.alexnet import alexnet, alexnet_lite
from gpunn.models.autoencoder import autoencoder, conv_autoencoder, denoising_autoencoder, linear_autoencoder
from gpunn.models.autoencoder import size_for as size_for_halving
from gpunn.models.inception import inception_v4
from gpunn.models.lenet import lenet5, lenet_20_50_500
from gpunn.models.lenet_1998 import lenet5_1998
from gpunn.models.mlp import mlp
from gpunn.models.resnet import (
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)
from gpunn.models.sparse import sparse_autoencoder
from gpunn.models.unet import size_for as size_for_unet
from gpunn.models.unet import unet
from gpunn.models.variational import vae
from gpunn.models.vgg import vgg11, vgg11_bn, vgg16, vgg16_bn
from gpunn.nn.parameter import at_most
from gpunn.text import brief


@dataclass(frozen=True)
class Entry:
    """A network's builder, the image (C, H, W) it was designed for, which others it takes, and what it is trained for.

    smallest: the smallest side where it takes others too. sizes: from a side, and the builder's options, to the
    smallest from there on that it takes, where that depends on the options. task: "classification" of whole
    images, "segmentation", whose scores are of each pixel, or "reconstruction" of the image itself, which takes no
    num_classes and says its own loss.
    """

    build: Callable[..., nn.Module]
    image: tuple[int, int, int]
    smallest: int | None = None
    sizes: Callable[..., int] | None = None
    task: str = "classification"
    own_loss: bool = False  # whether the network has a method `loss(output, target)` that it is to be trained by


# What an option's value must be, after its default.
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list"}
_GREY, _TINY, _LARGE = (1, 28, 28), (3, 32, 32), (3, 224, 224)
_MODELS = {
    "mlp": Entry(mlp, _GREY),
    "lenet5": Entry(lenet5, _GREY),
    "lenet_20_50_500": Entry(lenet_20_50_500, _GREY),
    "lenet5_1998": Entry(lenet5_1998, _GREY, own_loss=True),
    "alexnet_lite": Entry(alexnet_lite, _TINY),
    "resnet20": Entry(resnet20, _TINY, 1),
    "resnet32": Entry(resnet32, _TINY, 1),
    "resnet44": Entry(resnet44, _TINY, 1),
    "resnet56": Entry(resnet56, _TINY, 1),
    "resnet110": Entry(resnet110, _TINY, 1),
    "resnet18": Entry(resnet18, _LARGE, 1),
    "resnet34": Entry(resnet34, _LARGE, 1),
    "resnet50": Entry(resnet50, _LARGE, 1),
    "resnet101": Entry(resnet101, _LARGE, 1),
    "resnet152": Entry(resnet152, _LARGE, 1),
    "alexnet": Entry(alexnet, _LARGE, 63),
    "vgg11": Entry(vgg11, _LARGE, 32),
    "vgg16": Entry(vgg16, _LARGE, 32),
    "vgg11_bn": Entry(vgg11_bn, _LARGE, 32),
    "vgg16_bn": Entry(vgg16_bn, _LARGE, 32),
    "inception_v4": Entry(inception_v4, (3, 299, 299), 75),
    "unet": Entry(unet, (1, 512, 512), sizes=size_for_unet, task="segmentation"),
    "autoencoder": Entry(autoencoder, _GREY, 1, task="reconstruction"),
    "conv_autoencoder": Entry(conv_autoencoder, _GREY, sizes=size_for_halving, task="reconstruction"),
    "linear_autoencoder": Entry(linear_autoencoder, _GREY, 1, task="reconstruction"),
    "denoising_autoencoder": Entry(denoising_autoencoder, _GREY, 1, task="reconstruction"),
    "sparse_autoencoder": Entry(sparse_autoencoder, _GREY, 1, task="reconstruction"),
    "vae": Entry(vae, _GREY, 1, task="reconstruction"),
}


def names(task: str | None = None) -> list[str]:
    """The names that ``create`` takes: all, or those for a task.

    >>> gpunn.models.names("reconstruction")[:2]
    ['autoencoder', 'conv_autoencoder']
    """
    return [name for name, entry in _MODELS.items() if task in (None, entry.task)]


def _entry(name: str) -> Entry:
    if name not in _MODELS:
        raise unknown_name("model", name, _MODELS)
    return _MODELS[name]


def create(name: str, num_classes: int | None = None, in_channels: int | None = None, **options: Any) -> nn.Module:
    """The network called ``name`` with new weights; ``options`` go to its function.

    num_classes, in_channels: the design's own (10 or 1,000; 1 or 3) where None; a network that reconstructs its images
    has no classes, and leaves their number alone. Raises UsageError for an unknown name or option, with the nearest
    one, and for an option of another kind than its default; ValueError where they make a network of more than 500
    million parameters.
    """
    entry = _entry(name)
    _check_options(name, options)
    given = {"num_classes": num_classes, "in_channels": in_channels}
    taken = inspect.signature(entry.build).parameters
    with at_most(limits.PARAMETERS):
        return entry.build(**{k: v for k, v in given.items() if v is not None and k in taken}, **options)


def options_of(name: str) -> dict[str, Any]:
    """What ``create`` takes for this network beside classes and channels, each with its default."""
    parameters = inspect.signature(_entry(name).build).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("num_classes", "in_channels")}


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    """UsageError for an option that the network has not, or of another kind."""
    known = options_of(name)
    for option, value in options.items():
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
        _check_option(name, option, value, known[option])


def _check_option(name: str, option: str, value: Any, default: Any) -> None:
    """UsageError for a value of another kind than the default: "false" in quotes would count as true."""
    kind = type(default)
    accepted = {int: Integral, float: Real, tuple: (tuple, list)}.get(kind, kind)
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    if not fits or (isinstance(value, (tuple, list)) and len(value) > limits.LAYERS):
        most = f", of at most {limits.LAYERS}" if kind is tuple else ""
        such = f"; {str(default).lower()} is the default" if kind is bool else f", such as {default!r}"
        raise UsageError(f"{name}: {option} is {brief(value)}, expected {_KINDS[kind]}{such}{most}")


def input_shape(name: str) -> tuple[int, int, int]:
    """The image (C, H, W) that the network called ``name`` was designed for."""
    return _entry(name).image


def takes_size(name: str, size: int, options: Mapping[str, Any] | None = None) -> bool:
    """Whether the network called ``name`` takes images of this side: only those with a global last pooling take all."""
    return size_for(name, size, options) == size


def size_for(name: str, size: int, options: Mapping[str, Any] | None = None) -> int | None:
    """The smallest side, from this one on, that the network called ``name`` takes; None where there is none.

    ``options``: those that `create` is given.
    """
    entry = _entry(name)
    if entry.sizes is not None:
        _check_options(name, options or {})
        return entry.sizes(size, **(options or {}))
    takes = size == entry.image[1] or (entry.smallest is not None and size >= entry.smallest)
    return size if takes else None


def task(name: str) -> str:
    """What the network called ``name`` is trained for: "classification", "segmentation" or "reconstruction"."""
    return _entry(name).task


def has_loss(name: str) -> bool:
    """Whether the network called ``name`` is trained by its own method `loss(output, target)`."""
    entry = _entry(name)
    return entry.own_loss or entry.task == "reconstruction"
