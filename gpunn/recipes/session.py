"""One network's run, from its configuration to its trained folder and the lines that sum it up."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

import gpunn
from gpunn import data, nn, train
from gpunn.errors import CheckpointError
from gpunn.kinds import COUNT, NUMBER, checked, record
from gpunn.ranks.group import current
from gpunn.recipes.batches import loaders, test_loader
from gpunn.recipes.building import make_trainer, tester
from gpunn.recipes.config import Config
from gpunn.recipes.device import dtype_of, usable_device
from gpunn.recipes.tasks import Task, task_of
from gpunn.terminal import say
from gpunn.text import plain

RESULTS = ("best.npz", "last.npz", "history.csv", "curves.png", "recipe.toml")


def train_one(config: Config, dataset: data.Loaded, out: Path, resume: bool = False) -> train.Trainer:
    """Train the network of ``config`` in the run folder ``out``; with ``resume`` from its checkpoint on, if it has one.

    A run that was killed before it had one starts anew.
    """
    device = usable_device(config.device)
    dtype = dtype_of(config.precision, device)
    gpunn.manual_seed(config.seed)
    model = config.build(dtype)
    train_loader, val_loader = loaders(dataset, config, dtype, device)
    say(_heading(config, model, train_loader, val_loader, dataset, out))
    trainer = make_trainer(config, model, len(train_loader), device, out)
    # The trainer checks every loss and says what to do; NumPy's warnings before that would only stand in the way.
    group = current()
    alone = train.alone_in(out) if group.rank == 0 else nullcontext()
    with alone, np.errstate(over="ignore", invalid="ignore"):
        if group.rank == 0:
            config.write(out)
        goes_on = resume and group.exchange((out / "checkpoint.npz").exists())[0]
        trainer.fit(train_loader, val_loader, config.epochs, resume=out if goes_on else None)
    return trainer


def _heading(
    config: Config,
    model: nn.Module,
    train_loader: data.DataLoader,
    val_loader: data.DataLoader,
    dataset: data.Loaded,
    out: Path,
) -> str:
    parameters = sum(p.size for p in model.parameters())
    counts = f"{len(train_loader.dataset):,} + {len(val_loader.dataset):,} + {len(dataset.test):,}"
    parts = "training, validation, test"
    there = ", which makes its batches" if train_loader.is_resident else ""
    ranks = f", {size} ranks" if (size := current().size) > 1 else ""
    return (
        f"{config.model}: {parameters:,} parameters; {plain(config.data)}: {counts} images ({parts})\n"
        f"{config.optimizer}, learning rate {config.lr:g}, batch size {config.batch_size}, "
        f"{config.epochs} epoch{'s' * (config.epochs > 1)}, {config.precision}, "
        f"seed {config.seed}, on {config.device}{there}{ranks}; run folder {plain(str(out))}"
    )


def conclude(trainer: train.Trainer, dataset: data.Loaded, config: Config) -> None:
    """Print the best epoch and what its weights reach on the test images, and the last epoch's if they are others."""
    current().barrier()  # rank 0 has written the weights that all now read
    out, task = Path(trainer.out or "."), task_of(config.model)
    loader = test_loader(dataset, config, dtype_of(config.precision, usable_device(config.device)))
    final = _kept(out / "last.npz", trainer.model, task)
    last = _tested(trainer, config, loader)
    best = _kept(out / "best.npz", trainer.model, task)
    chosen = last if best["epoch"] == final["epoch"] else _tested(trainer, config, loader)
    seconds = sum(row.get("seconds") or 0 for row in trainer.history)
    stated, measure = config.conditions(), task.measure(trainer.model)
    validated = task.said(best[f"val_{task.monitor}"])
    stopped = f"stopped:       {trainer.stop_reason}\n" if trainer.stop_reason else ""
    files = [name for name in RESULTS if (out / name).exists()]  # no curves.png without matplotlib
    print(
        f"run folder:    {plain(str(out))} ({', '.join(files)})\n"
        f"{stopped}"
        f"best epoch:    {best['epoch']} of {final['epoch']}, validation {measure} {validated}\n"
        f"test {measure}: {chosen} with the best epoch's weights, {last} with the last epoch's, of "
        f"{len(loader.dataset):,} test images{stated}\n"
        f"time:          {seconds:.0f} s of epochs"
    )


def _kept(weights: Path, model: nn.Module, task: Task) -> dict[str, Any]:
    """The epoch's row of a weights file, which `model` then holds."""
    state, row = train.load_weights(weights, model), record({"epoch": COUNT, f"val_{task.monitor}": NUMBER})
    return checked(record({"row": row}), state, CheckpointError, weights, "take another weights file of the run")["row"]


def _tested(trainer: train.Trainer, config: Config, loader: data.DataLoader) -> str:
    task = task_of(config.model)
    with config.asking():
        return task.said(tester(config, trainer.model, trainer.device).evaluate(loader)[task.monitor])
