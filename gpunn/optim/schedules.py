"""Learning-rate schedules: each sets every group's `lr` as a function of the steps taken so far.

A schedule is stepped once an epoch, after the optimiser. The rate is computed from the group's initial rate and the
step count alone, so that it equals PyTorch's recursive sequence to rounding and a resumed run continues exactly.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gpunn.optim.optimizer import Optimizer


class Schedule:
    """Base class: a subclass defines `lr_at(base, t)`, the rate after t steps of a group that started at `base`."""

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

    def lr_at(self, base, t):
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the rate by `gamma` at each of the step counts `milestones`."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(milestones), gamma
        if not self.milestones or self.milestones[0] < 1:
            raise ValueError(f"MultiStepLR: milestones must be step counts >= 1, got {self.milestones}")
        super().__init__(optimizer)

    def lr_at(self, base, t):
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

    def lr_at(self, base, t):
        done = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the initial rate to `eta_min` in `T_max` steps, then back (Loshchilov, Hutter 2017, eq. 5)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be >= 1, got {T_max}; pass the number of epochs")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def lr_at(self, base, t):
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2
