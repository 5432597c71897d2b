"""A recipe's training in PyTorch: our weights to start from, our batches, and PyTorch's own names for the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler

import gpunn
from bench.rows import Training
from bench.training.networks import CLASSES, torch_twin
from bench.training.torch_models import MODELS
from gpunn import data
from gpunn.errors import UsageError
from gpunn.recipes.batches import loaders, test_loader
from gpunn.recipes.building import has_momentum, milestones, weight_decay
from gpunn.recipes.config import Config
from gpunn.recipes.recipe import Recipe

# Keys with which a run is no longer this loop.
PLAIN = ("accumulate", "ema", "mixup", "patience", "ensemble", "test_flips", "precision", "schedule_epochs",
         "model_options")  # fmt: skip
DTYPE = np.dtype(np.float32)


def check(config: Config) -> None:
    """UsageError for a recipe that this side has no counterpart of."""
    if config.model not in MODELS:
        raise UsageError(f"accuracy: PyTorch's side has no {config.model}; choose from {', '.join(MODELS)}")
    for name in PLAIN:
        value, plain = getattr(config, name), getattr(Recipe, name)
        if value != plain:
            remedy = f"leave it at {plain!r}, or give --ours-alone"
            raise UsageError(f"accuracy: PyTorch's side has no {name} = {value!r}; {remedy}")
    if len(config.classes) != CLASSES:
        wrong = f"{config.data} has {len(config.classes)} classes, but PyTorch's {config.model} has {CLASSES}"
        raise UsageError(f"accuracy: {wrong}; take other data, or give --ours-alone")
    if config.device == "emulator":
        raise UsageError("accuracy: PyTorch has no emulator; use --device cpu or cuda")


def train(config: Config, dataset: data.Loaded) -> Training:
    """Train from the weights and on the batches of our run with this seed."""
    gpunn.manual_seed(config.seed)
    torch.manual_seed(config.seed)  # dropout
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(config.device)
    model = torch_twin(config.model, config.build(DTYPE).named_arrays()).to(device)
    loader, _ = loaders(dataset, config, DTYPE)
    optimizer = make_optimizer(config, model)
    schedule, by_update = make_schedule(config, optimizer, len(loader))
    seconds, loss = [], 0.0
    for _ in range(config.epochs):
        before = time.perf_counter()
        total, count = torch.zeros((), device=device), 0
        model.train()
        for x, y in _on(device, loader):
            optimizer.zero_grad()
            batch_loss = F.cross_entropy(model(x), y, label_smoothing=config.label_smoothing)
            batch_loss.backward()
            if config.grad_clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
            optimizer.step()
            total += batch_loss.detach() * len(x)
            count += len(x)
            if by_update:
                schedule.step()
        loss = float(total) / count  # waits for the device
        seconds.append(time.perf_counter() - before)
        if not by_update:
            schedule.step()
    model.eval()
    with torch.no_grad():
        right = [model(x).argmax(1) == y for x, y in _on(device, test_loader(dataset, config, DTYPE))]
    return Training(float(torch.cat(right).double().mean()), loss, len(loader.dataset), seconds)


def _on(device: torch.device, loader: data.DataLoader) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for x, y in loader:
        yield torch.from_numpy(x).to(device), torch.from_numpy(y).to(device, torch.int64)


def make_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """`gpunn.recipes.building.make_optimizer`, in PyTorch."""
    given: dict[str, Any] = {"lr": config.lr, "weight_decay": weight_decay(config)}
    if config.optimizer == "sgd":
        given |= {"momentum": config.momentum, "nesterov": config.nesterov}
    names = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
    return getattr(torch.optim, names[config.optimizer])(model.parameters(), **given)


def make_schedule(config: Config, optimizer: torch.optim.Optimizer, updates: int) -> tuple[Any, bool]:
    """`gpunn.recipes.building.make_schedule`, in PyTorch, and whether it steps at every update."""
    if config.schedule == "linear":
        return lr_scheduler.LinearLR(optimizer, 1.0, config.last, max(1, config.epochs - 1)), False
    if config.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, config.epochs), False
    if config.schedule == "steps":
        return lr_scheduler.MultiStepLR(optimizer, milestones(config, config.epochs), config.gamma), False
    if config.schedule == "one_cycle":
        total, cycles = config.epochs * updates, has_momentum(config)
        return lr_scheduler.OneCycleLR(optimizer, config.lr, total, pct_start=config.rise, cycle_momentum=cycles), True
    return lr_scheduler.ConstantLR(optimizer, 1.0), False
