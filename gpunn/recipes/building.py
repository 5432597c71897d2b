"""From a run's configuration to its optimiser, schedule, loss and Trainer."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from gpunn import backend, nn, ops, optim, train
from gpunn.recipes.config import Config
from gpunn.recipes.device import multiplied

WEIGHT_DECAY = {"sgd": 5e-4, "adamw": 0.01}


def make_trainer(config: Config, model: nn.Module, batches: int, device: backend.Device, out: Path) -> train.Trainer:
    """The Trainer of a run whose epochs have so many batches."""
    optimizer = make_optimizer(config, model.parameters())
    loss = ops.cross_entropy
    if config.label_smoothing:
        loss = partial(ops.cross_entropy, label_smoothing=config.label_smoothing)
    stopping = [train.EarlyStopping(patience=config.patience)] if config.patience else []
    return train.Trainer(
        model,
        optimizer,
        loss_fn=loss,
        schedule=make_schedule(optimizer, config, -(-batches // config.accumulate)),
        callbacks=[*stopping, train.ProgressBar(), train.LayerGradientLog(out / "gradients.csv")],
        device=device,
        seed=config.seed,
        out=out,
        grad_clip=config.grad_clip,
        info=vars(config),
        accumulate=config.accumulate,
        ema=train.EMA(config.ema, warmup=True) if config.ema else None,
        precision=multiplied(config.precision),
    )


def weight_decay(config: Config) -> float:
    """The recipe's, or where it has none the optimiser's usual."""
    return WEIGHT_DECAY.get(config.optimizer, 0.0) if config.weight_decay is None else config.weight_decay


def make_optimizer(config: Config, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The optimiser with the recipe's options; what the recipe leaves open is the optimiser's usual."""
    decay = weight_decay(config)
    if config.optimizer == "sgd":
        return optim.SGD(parameters, config.lr, momentum=config.momentum, nesterov=config.nesterov, weight_decay=decay)
    kinds = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop}
    return kinds[config.optimizer](parameters, lr=config.lr, weight_decay=decay)


def milestones(config: Config, epochs: int) -> list[int]:
    """After which epochs the rate drops."""
    return [max(1, round(share * epochs)) for share in config.milestones]


def has_momentum(config: Config) -> bool:
    """Whether the optimiser has a momentum, which one-cycle moves against the rate."""
    return config.optimizer in ("adam", "adamw") or (config.optimizer == "sgd" and config.momentum > 0)


class CosineAnnealingLR(optim.CosineAnnealingLR):
    """The schedule of that name, but for a run that is prolonged: it keeps the last rate, which would rise again."""

    def lr_at(self, base: float, t: int) -> float:
        return super().lr_at(base, min(t, self.T_max - 1))


def make_schedule(optimizer: optim.Optimizer, config: Config, updates: int) -> optim.Schedule | None:
    """The recipe's schedule for epochs of so many updates; where a run is prolonged, the rate stays as it ended."""
    epochs = config.schedule_epochs or config.epochs
    if config.schedule == "linear":
        return optim.LinearLR(optimizer, 1.0, config.last, max(1, epochs - 1))
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, epochs)
    if config.schedule == "steps":
        return optim.MultiStepLR(optimizer, milestones(config, epochs), config.gamma)
    if config.schedule == "one_cycle":
        total, cycles = epochs * updates, has_momentum(config)
        return optim.OneCycleLR(optimizer, config.lr, total, pct_start=config.rise, cycle_momentum=cycles)
    return None
