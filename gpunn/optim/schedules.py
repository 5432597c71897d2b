"""Learning-rate schedules: each moves every group's `lr` by the steps taken so far.

A schedule is stepped once an epoch, after the optimiser; one whose `per_step` is True after every update. Alone, it
sets what follows from the group's initial rate and the step count, so that a resumed run continues exactly. Where
something else has moved the rate, a second schedule or the user, it multiplies the rate that it finds by its own
change: two schedules compose as PyTorch's do, whose sequences these are to rounding.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gpunn import kinds, limits
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import Option, checked
from gpunn.text import brief

STEPS = kinds.whole(1, limits.STEPS)
RATE = kinds.number("a finite number >= 0", lambda v: v >= 0)
FACTOR = kinds.number()
MILESTONES = Kind("step counts of at least 1", lambda v: isinstance(v, tuple) and bool(v) and all(map(STEPS.holds, v)))


class Schedule:
    """Base class: a subclass defines `lr_at(base, t)`, the rate after t steps of a group that started at `base`.

    `per_step` says that a step is an update of the weights, not an epoch: the Trainer acts on it. `floor` is the rate
    that a change of another's rate leaves alone.
    """

    per_step = False
    floor = 0.0
    options: ClassVar[Mapping[str, Option]] = {}  # what each option, an attribute of that name, must be

    def __init__(self, optimizer: Optimizer):
        self.name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            kind = type(optimizer).__name__
            raise TypeError(f"{self.name}: optimizer is a {kind}, expected one of gpunn.optim; pass the optimiser")
        self.optimizer = optimizer
        vars(self).update(checked(self.name, vars(self), self.options))
        self.check(vars(self))
        self.last_epoch = 0
        self.base_lrs = [float(group.setdefault("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self._apply()

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError where the options contradict each other or the optimiser."""

    def lr_at(self, base: float, t: int) -> float:
        """Learning rate after t steps; the base class keeps it constant."""
        return base

    def step(self) -> None:
        """Count one step and move the rates by what follows from it."""
        self.last_epoch += 1
        self._apply()

    def _apply(self) -> None:
        for group, base in zip(self._groups(), self.base_lrs, strict=True):
            group["lr"] = self._moved(group["lr"], base, self.last_epoch)

    def _groups(self) -> list[dict[str, Any]]:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"{self.name}: the optimizer has {len(groups)} parameter groups, and had {len(self.base_lrs)} when "
                "this schedule was made; add groups first"
            )
        return groups

    def _moved(self, rate: float, base: float, t: int) -> float:
        """The rate after step t where it was `rate` before."""
        before, now = self.lr_at(base, t - 1) if t else base, self.lr_at(base, t)
        if rate == before:
            return now
        if base == self.floor:  # the share by which another's rate moves is that of any base
            before, now = self.lr_at(base + 1, t - 1) if t else base + 1, self.lr_at(base + 1, t)
        if before == self.floor:
            return rate + now - before
        return self.floor + (rate - self.floor) * ((now - self.floor) / (before - self.floor))

    def get_last_lr(self) -> list[float]:
        """The current rate of every group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All of the schedule but the optimiser."""
        return {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, the options included; the optimiser's own state carries the rate."""
        mine, count = self.state_dict(), len(self.base_lrs)
        is_ours = isinstance(saved, Mapping) and saved.keys() == mine.keys() and saved["name"] == self.name
        if not is_ours:
            got = f"of a {brief(saved.get('name'))}" if isinstance(saved, Mapping) else brief(saved)
            raise ValueError(
                f"{self.name}: the saved state is {got}, expected {', '.join(sorted(mine))}; "
                "build the same schedule as the one that was saved"
            )
        rates = Kind(f"{count} rates", lambda v: isinstance(v, tuple) and len(v) == count and all(map(RATE.holds, v)))
        own = {"last_epoch": Option(kinds.whole(0, limits.STEPS), 0), "base_lrs": Option(rates, (0.1,))}
        found = checked(f"{self.name}: the saved state", saved, {**self.options, **own})
        self.check(found)
        vars(self).update({**found, "base_lrs": list(found["base_lrs"])})


class StepLR(Schedule):
    """Multiplies the rate by `gamma` every `step_size` steps."""

    options: ClassVar = {"step_size": Option(STEPS, 30), "gamma": Option(FACTOR, 0.1)}

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the rate by `gamma` at each of the step counts `milestones`."""

    options: ClassVar = {"milestones": Option(MILESTONES, (30, 80)), "gamma": Option(FACTOR, 0.1)}

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        is_some = isinstance(milestones, Iterable) and not isinstance(milestones, (str, bytes))
        self.milestones, self.gamma = list(milestones) if is_some else milestones, gamma
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma ** bisect.bisect_right(sorted(self.milestones), t)


class LinearLR(Schedule):
    """Moves the rate linearly from start_factor to end_factor times the initial one, in `total_iters` steps."""

    options: ClassVar = {
        "start_factor": Option(kinds.number("a number in (0, 1]", lambda v: 0 < v <= 1), 1 / 3),
        "end_factor": Option(kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1), 1.0),
        "total_iters": Option(STEPS, 5),
    }

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def lr_at(self, base: float, t: int) -> float:
        done = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the initial rate to `eta_min` in `T_max` steps, then back (Loshchilov, Hutter 2017, eq. 5)."""

    options: ClassVar = {"T_max": Option(STEPS, 100), "eta_min": Option(RATE, 0.0)}

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    @property
    def floor(self) -> float:
        return self.eta_min

    def lr_at(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2
