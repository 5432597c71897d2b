"""Learning-rate schedules: each sets every group's `lr` as a function of the steps taken so far.

A schedule is stepped once an epoch, after the optimiser; one whose `per_step` is True after every update. The rate is
computed from the group's initial rate and the step count alone, so that it equals PyTorch's recursive sequence to
rounding and a resumed run continues exactly.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gpunn.optim.optimizer import Optimizer


class Schedule:
    """Base class: a subclass defines `lr_at(base, t)`, the rate after t steps of a group that started at `base`.

    `per_step` says that a step is an update of the weights, not an epoch: the Trainer acts on it.
    """

    per_step = False

    def __init__(self, optimizer: Optimizer):
        self.name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self.name}: optimizer is a {type(optimizer).__name__}, expected one of gpunn.optim")
        self.optimizer = optimizer
        self.last_epoch = 0
        self.base_lrs = [float(group.setdefault("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self._apply()

    def lr_at(self, base: float, t: int) -> float:
        """Learning rate after t steps; the base class keeps it constant."""
        return base

    def step(self) -> None:
        """Count one step and set the rates that follow from it."""
        self.last_epoch += 1
        self._apply()

    def _apply(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"{self.name}: the optimizer has {len(groups)} parameter groups, and had {len(self.base_lrs)} when "
                "this schedule was made; add groups first"
            )
        for group, base in zip(groups, self.base_lrs, strict=True):
            group["lr"] = self.lr_at(base, self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """The current rate of every group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All of the schedule but the optimiser."""
        return {k: list(v) if isinstance(v, list) else v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, the options included; the optimiser's own state carries the rate."""
        mine = self.state_dict()
        if saved.keys() != mine.keys() or saved["name"] != self.name or len(saved["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{self.name}: the saved state is of a {saved.get('name')} with {sorted(saved)}, expected "
                f"{sorted(mine)} and {len(self.base_lrs)} groups; build the same schedule as the one that was saved"
            )
        self.__dict__.update(saved)


class StepLR(Schedule):
    """Multiplies the rate by `gamma` every `step_size` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be >= 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the rate by `gamma` at each of the step counts `milestones`."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(milestones), gamma
        if not self.milestones or self.milestones[0] < 1:
            raise ValueError(f"MultiStepLR: milestones must be step counts >= 1, got {self.milestones}")
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma ** bisect.bisect_right(self.milestones, t)


class LinearLR(Schedule):
    """Moves the rate linearly from start_factor to end_factor times the initial one, in `total_iters` steps."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1 or total_iters < 1:
            raise ValueError(
                "LinearLR: expected start_factor in (0, 1], end_factor in [0, 1] and total_iters >= 1, "
                f"got {start_factor}, {end_factor} and {total_iters}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        done = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the initial rate to `eta_min` in `T_max` steps, then back (Loshchilov, Hutter 2017, eq. 5)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be >= 1, got {T_max}; pass the number of epochs")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class OneCycleLR(Schedule):
    """Up from max_lr / div_factor to `max_lr`, then down to that start / final_div_factor, in `total_steps` updates.

    Smith and Topin 2018, in PyTorch's two-phase form: `pct_start` is the share of the way up, `anneal_strategy` "cos"
    or "linear"; the momentum (Adam's first beta) goes the other way, from `max_momentum` to `base_momentum` and back,
    unless `cycle_momentum` is False. Stepped after every update; past the last it stays where it ended.
    """

    per_step = True

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ):
        if not max_lr > 0 or total_steps < 1 or not 0 <= pct_start <= 1 or not (div_factor > 0 < final_div_factor):
            raise ValueError(
                "OneCycleLR: expected max_lr > 0, total_steps >= 1, pct_start in [0, 1] and divisors > 0, got "
                f"{max_lr}, {total_steps}, {pct_start}, {div_factor} and {final_div_factor}"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy is {anneal_strategy!r}, expected 'cos' or 'linear'")
        self.max_lr, self.total_steps, self.pct_start = float(max_lr), total_steps, pct_start
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        groups = getattr(optimizer, "param_groups", [])
        if cycle_momentum and any("betas" not in group and not group.get("momentum") for group in groups):
            raise ValueError("OneCycleLR: the optimizer has no momentum to cycle; pass cycle_momentum=False")
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        start = self.max_lr / self.div_factor
        return self._between(t, start, self.max_lr, start / self.final_div_factor)

    def _between(self, t: int, start: float, peak: float, end: float) -> float:
        """The value after t steps of a way from `start` to `peak` and on to `end`."""
        top, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        t = min(t, last)
        if t <= top:
            return self._anneal(start, peak, t / top if top else 1.0)
        return self._anneal(peak, end, (t - top) / (last - top))

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def _apply(self):
        super()._apply()
        if self.cycle_momentum:
            momentum = self._between(self.last_epoch, self.max_momentum, self.base_momentum, self.max_momentum)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
