"""The networks that are timed, and one training step of each on either side: the same weights and the same batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import gpunn
from gpunn import models, nn, ops, optim

CLASSES = 10
LR, MOMENTUM = 0.01, 0.9
Step = Callable[[], float]


@dataclass(frozen=True)
class Network:
    """A row of the table: a model of gpunn.models, and the batch (N, C, H, W) it is timed with."""

    name: str
    batch: tuple[int, int, int, int]

    def data(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels: noise, since time depends on the shape alone."""
        rng = np.random.default_rng(seed)
        return rng.standard_normal(self.batch).astype(np.float32), rng.integers(0, CLASSES, self.batch[0])


NETWORKS = {
    network.name: network
    for network in (
        Network("lenet5", (64, 1, 28, 28)),
        Network("lenet_20_50_500", (64, 1, 28, 28)),
        Network("alexnet_lite", (64, 3, 32, 32)),
        Network("resnet20", (32, 3, 32, 32)),
        Network("resnet18", (16, 3, 224, 224)),
    )
}


def our_model(network: Network, seed: int) -> nn.Module:
    """The model with seeded weights, in training mode."""
    gpunn.manual_seed(seed)
    model = models.create(network.name, num_classes=CLASSES)
    _without_dropout(model)
    return model


def our_step(network: Network, model: nn.Module, seed: int) -> Step:
    """A function that makes one step (forward, loss, backward, SGD with momentum) and gives its loss."""
    optimizer = optim.SGD(list(model.parameters()), lr=LR, momentum=MOMENTUM)
    images, labels = network.data(seed)

    def step() -> float:
        optimizer.zero_grad()
        loss = ops.cross_entropy(model(gpunn.Tensor(images)), labels)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def torch_model(network: Network, weights: dict[str, np.ndarray] | None = None):
    """PyTorch's counterpart without dropout, with our weights where they are given."""
    model = torch_twin(network.name, weights)
    _without_dropout(model)
    return model


def torch_twin(name: str, weights: dict[str, np.ndarray] | None = None):
    """The model of that name in PyTorch, with our weights where they are given."""
    import torch

    from bench.training.torch_models import MODELS

    model = MODELS[name]()
    if weights is not None:
        model.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in weights.items()})
    return model


def torch_step(network: Network, model, seed: int) -> Step:
    """The same step in PyTorch."""
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    images, labels = (torch.from_numpy(array) for array in network.data(seed))

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _without_dropout(model) -> None:
    """Probability 0, so that losses can be compared: the two sides draw different random numbers."""
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
