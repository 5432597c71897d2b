"""How each network is trained unless options say otherwise: one row a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gpunn import optim
from gpunn.names import unknown_name


@dataclass(frozen=True)
class Recipe:
    """Defaults of ``gpunn train``. The learning rate falls linearly to ``LAST`` of itself in the last epoch."""

    epochs: int = 15
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float = 0.05


LAST = 0.01

_CIFAR_RESNET = Recipe(lr=0.1)
_IMAGENET_RESNET = Recipe(lr=0.05, batch_size=32)
_WITHOUT_BATCH_NORM = Recipe(lr=0.01, batch_size=32)  # deep and unnormalised: the usual rate of AlexNet and VGG

RECIPES = {
    "mlp": Recipe(lr=0.05),
    "lenet5": Recipe(lr=0.05),
    "lenet_20_50_500": Recipe(lr=0.03),
    "alexnet_lite": Recipe(lr=0.02),
    **dict.fromkeys(["resnet20", "resnet32", "resnet44", "resnet56", "resnet110"], _CIFAR_RESNET),
    **dict.fromkeys(["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"], _IMAGENET_RESNET),
    **dict.fromkeys(["vgg11_bn", "vgg16_bn", "inception_v4"], _IMAGENET_RESNET),
    **dict.fromkeys(["alexnet", "vgg11", "vgg16"], _WITHOUT_BATCH_NORM),
}

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": partial(optim.SGD, momentum=0.9, weight_decay=5e-4),
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "rmsprop": optim.RMSprop,
}
# Other optimisers scale their steps themselves: the recipe's rate is one of SGD.
ADAPTIVE_LR = 1e-3


def make_optimizer(name: str, parameters, lr: float) -> optim.Optimizer:
    """The optimiser called ``name``. Raises UsageError for an unknown name, with the nearest one."""
    check_optimizer(name)
    return OPTIMIZERS[name](parameters, lr=lr)


def check_optimizer(name: str) -> None:
    """UsageError, with the nearest name, unless ``name`` is an optimiser."""
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)


def make_schedule(optimizer: optim.Optimizer, epochs: int) -> optim.Schedule:
    """Linear decay that reaches ``LAST`` in the last epoch and stays there if the run is prolonged."""
    return optim.LinearLR(optimizer, 1.0, LAST, max(1, epochs - 1))
