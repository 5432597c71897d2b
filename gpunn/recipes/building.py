"""From a run's configuration to its optimiser, schedule, loss and Trainer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gpunn import backend, nn, optim, train
from gpunn.recipes.config import Config
from gpunn.recipes.device import multiplied
from gpunn.recipes.tasks import task_of

WEIGHT_DECAY = {"sgd": 5e-4, "adamw": 0.01}


def make_trainer(config: Config, model: nn.Module, batches: int, device: backend.Device, out: Path) -> train.Trainer:
    """The Trainer of a run whose epochs have so many batches."""
    optimizer, task = make_optimizer(config, model.parameters()), task_of(config.model)
    stopping = [train.EarlyStopping(patience=config.patience)] if config.patience else []
    return train.Trainer(
        model,
        optimizer,
        loss_fn=task.loss(config, model, smoothed=True),
        schedule=make_schedule(optimizer, config, -(-batches // config.accumulate)),
        callbacks=[
            *stopping,
            train.ProgressBar(),
            train.LayerGradientLog(out / "gradients.csv"),
            train.Checkpoint(out, f"val_{task.monitor}", task.mode),
        ],
        metrics=task.metrics,
        device=device,
        seed=config.seed,
        out=out,
        grad_clip=config.grad_clip,
        info=vars(config),
        accumulate=config.accumulate,
        ema=train.EMA(config.ema, warmup=True) if config.ema else None,
        precision=multiplied(config.precision),
    )


def tester(config: Config, model: nn.Module, device: backend.Device | None) -> train.Trainer:
    """What measures the network of a run by `evaluate`, on test images as the run looks at them."""
    task, shown = task_of(config.model), config.tested(model)
    return train.Trainer(shown, None, task.loss(config, model), metrics=task.metrics, device=device)


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
