"""The networks that are timed, and one training step of each on either side: the same weights and the same batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpunn
from bench.clocks import Call
from gpunn import backend, models, nn, ops, optim

CLASSES = 10
SGD: dict[str, Any] = {"lr": 0.01, "momentum": 0.9}


@dataclass(frozen=True)
class Network:
    """A row of the table: a model of gpunn.models, and the batch (N, C, H, W) it is timed with."""

    name: str
    batch: tuple[int, ...]

    def data(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels: noise, since time depends on the shape alone."""
        rng = np.random.default_rng(seed)
        return rng.standard_normal(self.batch).astype(np.float32), rng.integers(0, CLASSES, self.batch[0])


BATCHES = {"lenet5": 64, "lenet_20_50_500": 64, "alexnet_lite": 64, "resnet20": 32, "resnet18": 16}
NETWORKS = {name: Network(name, (batch, *models.input_shape(name))) for name, batch in BATCHES.items()}


def losses_of(step: Call, count: int) -> list[float]:
    """The losses of `count` steps; waits for the device."""
    return [float(step().item()) for _ in range(count)]


def differ(got: list[float], want: list[float]) -> str:
    """What differs between two sides' losses by more than 1e-3, or ""."""
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        if not math.isfinite(a) or abs(a - b) > 1e-3 * max(1.0, abs(b)):
            return f"loss {i} is {a:.6g}, expected {b:.6g}"
    return ""


def our_model(network: Network, seed: int) -> nn.Module:
    """The model with seeded weights, in training mode, without dropout: the two sides draw different numbers."""
    gpunn.manual_seed(seed)
    return _without_dropout(models.create(network.name, num_classes=CLASSES))


def our_step(network: Network, model: nn.Module, seed: int, device: str = "cpu", dtype: Any = np.float32) -> Call:
    """One step (forward, loss, backward, SGD with momentum) on a device; gives its loss without waiting for it."""
    images, labels = network.data(seed)
    x = gpunn.Tensor(backend.to_device(images.astype(dtype, copy=False), device))
    target = backend.to_device(labels, device)
    return _step(optim.SGD(list(model.parameters()), **SGD), lambda: ops.cross_entropy(model(x), target))


def torch_twin(name: str, weights: dict[str, np.ndarray] | None = None) -> Any:
    """The model of that name in PyTorch, with our weights where they are given. Raises KeyError where there is none."""
    import torch

    from bench.training.torch_models import MODELS

    model = MODELS[name]()
    if weights is not None:
        arrays = (torch.from_numpy(np.array(value)) for value in weights.values())
        model.load_state_dict(dict(zip(model.state_dict(), arrays, strict=True)))
    return model


def torch_model(network: Network, weights: dict[str, np.ndarray] | None = None) -> Any:
    """PyTorch's counterpart without dropout."""
    return _without_dropout(torch_twin(network.name, weights))


def torch_step(network: Network, model: Any, seed: int, device: str = "cpu", last: bool = False,
               compiled: bool = False) -> Call:  # fmt: skip
    """The same step in PyTorch; `last`: in channels-last memory."""
    import torch

    order = torch.channels_last if last and len(network.batch) == 4 else torch.contiguous_format
    model = model.to(device).to(memory_format=order)
    images, labels = (torch.from_numpy(array).to(device) for array in network.data(seed))
    images, run = images.contiguous(memory_format=order), torch.compile(model) if compiled else model
    loss = torch.nn.functional.cross_entropy
    return _step(torch.optim.SGD(model.parameters(), **SGD), lambda: loss(run(images), labels))


def _step(optimizer: Any, loss_of_batch: Callable[[], Any]) -> Call:
    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of_batch()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _without_dropout(model: Any) -> Any:
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return model
