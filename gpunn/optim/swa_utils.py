"""PyTorch's torch.optim.swa_utils: averaged models, their schedule, and batch norm's statistics for them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from gpunn import backend, kinds
from gpunn.engine.autograd import no_grad
from gpunn.engine.tensor import Tensor, data_of
from gpunn.kinds import Kind
from gpunn.nn.batch_norm import _BatchNorm
from gpunn.nn.module import Module
from gpunn.nn.state import modes_kept
from gpunn.optim.batch import by_kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import Option, checked
from gpunn.optim.schedule import RATE, Schedule, check_optimizer, each_group

DECAY = {"decay": Option(kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1), 0.999)}
Lists = Callable[[Sequence[Tensor], Sequence[Tensor], int], None]
One = Callable[[Tensor, Tensor, int], Tensor]


def get_ema_multi_avg_fn(decay: float = 0.999) -> Lists:
    """For AveragedModel: average = decay average + (1 - decay) weights, one launch for all on a GPU.

    Examples:
        >>> from gpunn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
        >>> averaged = AveragedModel(nn.Linear(2, 1), multi_avg_fn=get_ema_multi_avg_fn(0.9))
    """
    decay = checked("get_ema_multi_avg_fn", {"decay": decay}, DECAY)["decay"]
    return lambda averages, weights, count: _average(averages, weights, 1 - decay)


def get_swa_multi_avg_fn() -> Lists:
    """For AveragedModel: the mean of all weights so far, which is its default."""
    return lambda averages, weights, count: _average(averages, weights, 1 / (count + 1))


def get_ema_avg_fn(decay: float = 0.999) -> One:
    """For AveragedModel: average = decay average + (1 - decay) weights, array by array."""
    decay = checked("get_ema_avg_fn", {"decay": decay}, DECAY)["decay"]
    return lambda average, weight, count: decay * average + (1 - decay) * weight


def get_swa_avg_fn() -> One:
    """For AveragedModel: the mean of all weights so far, array by array."""
    return lambda average, weight, count: average + (weight - average) / (count + 1)


def _average(averages: Sequence[Tensor], weights: Sequence[Tensor], share: float) -> None:
    for rows in by_kind((a.array, w.array) for a, w in zip(averages, weights, strict=True)).values():
        means, values = map(list, zip(*rows, strict=True))
        backend.twins(means[0]).optim.average(means, values, share, {})


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's (Izmailov et al. 2018; Polyak and Juditsky 1992).

    `update_parameters(model)` takes in the weights of now: the first time as they are, then by
    `multi_avg_fn(averages, weights, count)`, which changes the averages in place, or `avg_fn(average, weight, count)`
    for each; with neither it is their mean. Buffers are those of the model, or averaged too with `use_buffers`.
    `gpunn.train.EMA` does the like for a Trainer.

    Examples:
        >>> from gpunn.optim.swa_utils import AveragedModel
        >>> model = nn.Linear(2, 1)
        >>> averaged = AveragedModel(model)
        >>> for _ in range(3):
        ...     averaged.update_parameters(model)
        >>> int(averaged.n_averaged), bool((averaged.module.weight == model.weight).all())
        (3, True)
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: One | None = None,
        multi_avg_fn: Lists | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: model is a {type(model).__name__}, expected a Module; pass the model")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError(
                "AveragedModel: avg_fn and multi_avg_fn are both given, expected one at most; leave one out"
            )
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", np.array(0, np.int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take in the model's weights."""
        count, averages, weights = int(self.n_averaged), *map(self._averaged, (self.module, model))
        if [p.shape for p in averages] != [p.shape for p in weights]:
            raise ValueError(
                "AveragedModel: the model's arrays have other shapes than the averages, expected the model that it was "
                "built with; build it anew"
            )
        latest = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if count and averages:
            self._move(averages, [_beside(b, a) for a, b in zip(averages, weights, strict=True)], count)
            held = set(map(id, averages))
            latest = [(a, b) for a, b in latest if id(a) not in held]
        else:
            latest += zip(averages, weights, strict=True)
        for own, value in latest:
            own.array[...] = _beside(value, own).array
        self.n_averaged.array[...] = count + 1

    def _averaged(self, model: Module) -> list[Tensor]:
        """What is averaged of a model: counts are not."""
        buffers = model.buffers() if self.use_buffers else ()
        return [p for p in (*model.parameters(), *buffers) if p.dtype.kind in "fV"]

    def _move(self, averages: list[Tensor], weights: list[Tensor], count: int) -> None:
        if self.avg_fn is None:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, weights, count)
            return
        with no_grad():
            for average, weight in zip(averages, weights, strict=True):
                average.array[...] = data_of(self.avg_fn(average.detach(), weight, count))


def _beside(value: Tensor, like: Tensor) -> Tensor:
    """The value on another's device, of no history."""
    return Tensor(backend.to_device(value.array, like.device))


def update_bn(loader: Iterable, model: Module, device: Any = None) -> None:
    """Let batch norm's running statistics be the means over a loader's batches, under the weights of now.

    A batch is what the model takes, or a tuple or list of which it takes the first.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    norms = [module for module in norms if module.track_running_stats]
    if not norms:
        return
    momenta = [module.momentum for module in norms]
    try:
        with modes_kept(model), no_grad():
            model.train()
            for module in norms:
                for name, start in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
                    getattr(module, name).array[...] = start
                module.momentum = None
            for batch in loader:
                x = batch[0] if isinstance(batch, (tuple, list)) else batch
                model(x if device is None else x.to(device) if isinstance(x, Tensor) else backend.to_device(x, device))
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum


class SWALR(Schedule):
    """Moves the rate from what it is to `swa_lr`, a number or one a group, in `anneal_epochs` steps; there it stays.

    `anneal_strategy` "cos" or "linear".

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.swa_utils.SWALR(optimizer, swa_lr=0.1, anneal_epochs=3)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.775, 0.325, 0.1, 0.1]
    """

    options: ClassVar = {
        "anneal_epochs": Option(kinds.whole(0), 10),
        "_anneal_strategy": Option(Kind("'cos' or 'linear'", lambda v: isinstance(v, str) and v in ("cos", "linear")),
                                   "cos"),
    }  # fmt: skip

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        name = type(self).__name__
        rates = each_group(name, "swa_lr", swa_lr, check_optimizer(name, optimizer))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = checked(name, {"swa_lr": rate}, {"swa_lr": Option(RATE, 0.05)})["swa_lr"]
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        step, found = max(self._step_count - 1, 1 - min(1, self.anneal_epochs)), []
        before, now = self._share(step - 1), self._share(step)
        for group in self._groups():
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            found.append(goal * now + start * (1 - now))
        return found
