"""Learning-rate schedules: each moves every group's `lr` by the steps taken so far.

A schedule is stepped once an epoch, after the optimiser; one whose `per_step` is True after every update. Alone, it
sets what follows from the group's initial rate and the step count, so that a resumed run continues exactly. Where
something else has moved the rate, a second schedule or the user, it multiplies the rate that it finds by its own
change: two schedules compose as PyTorch's do, whose sequences these are to rounding.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from gpunn import kinds
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import Option
from gpunn.optim.schedule import FACTOR, RATE, STEPS, Schedule, check_optimizer, each_group, saved_function
from gpunn.text import brief

MILESTONES = Kind("step counts of at least 1", lambda v: isinstance(v, tuple) and bool(v) and all(map(STEPS.holds, v)))
SHARE = kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1)
Lambda = Callable[[int], float]


class StepLR(Schedule):
    """Multiplies the rate by `gamma` every `step_size` steps.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.StepLR(optimizer, step_size=2)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [1.0, 0.1, 0.1, 0.01]
    """

    keeps = False
    options: ClassVar = {"step_size": Option(STEPS, 30), "gamma": Option(FACTOR, 0.1)}

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        whole = isinstance(step_size, float) and step_size.is_integer()  # PyTorch's users write StepLR(optimizer, 1.0)
        self.step_size, self.gamma = int(step_size) if whole else step_size, gamma
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the rate by `gamma` at each of the step counts `milestones`.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.MultiStepLR(optimizer, milestones=[1, 3])
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.1, 0.1, 0.01, 0.01]
    """

    keeps = False
    options: ClassVar = {"milestones": Option(MILESTONES, (30, 80)), "gamma": Option(FACTOR, 0.1)}

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        is_some = isinstance(milestones, Iterable) and not isinstance(milestones, (str, bytes))
        self.milestones, self.gamma = list(milestones) if is_some else milestones, gamma
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma ** bisect.bisect_right(sorted(self.milestones), t)

    def state_dict(self) -> dict[str, Any]:
        """All of the schedule but the optimiser; how often each milestone stands, as PyTorch has it."""
        return {**super().state_dict(), "milestones": Counter(self.milestones)}

    def read_state(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(saved, Mapping) and isinstance(saved.get("milestones"), Mapping):
            counts = {str(k): v for k, v in saved["milestones"].items()}
            if all(k.isdecimal() and type(v) is int and 0 < v < 1000 for k, v in counts.items()):
                saved = {**saved, "milestones": [int(k) for k, v in counts.items() for _ in range(v)]}
        return super().read_state(saved)


class ConstantLR(Schedule):
    """Multiplies the rate by `factor` for the first `total_iters` steps.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.ConstantLR(optimizer, factor=0.5, total_iters=2)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.5, 1.0, 1.0, 1.0]
    """

    keeps = False
    options: ClassVar = {"factor": Option(SHARE, 1 / 3), "total_iters": Option(STEPS, 5)}

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1):
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base: float, t: int) -> float:
        return base * (self.factor if t < self.total_iters else 1)


class LinearLR(Schedule):
    """Moves the rate linearly from start_factor to end_factor times the initial one, in `total_iters` steps.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.75, 1.0, 1.0, 1.0]
    """

    options: ClassVar = {
        "start_factor": Option(kinds.number("a number in (0, 1]", lambda v: 0 < v <= 1), 1 / 3),
        "end_factor": Option(SHARE, 1.0),
        "total_iters": Option(STEPS, 5),
    }

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base: float, t: int) -> float:
        done = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(Schedule):
    """Multiplies the rate by `gamma` every step.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.ExponentialLR(optimizer, gamma=0.9)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.9, 0.81, 0.729, 0.656]
    """

    options: ClassVar = {"gamma": Option(FACTOR, 0.95)}

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base: float, t: int) -> float:
        return base * self.gamma**t


class PolynomialLR(Schedule):
    """Multiplies the initial rate by (1 - t / total_iters)^power, 0 from `total_iters` steps on.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.PolynomialLR(optimizer, total_iters=4)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.75, 0.5, 0.25, 0.0]
    """

    options: ClassVar = {"total_iters": Option(STEPS, 5), "power": Option(FACTOR, 1.0)}

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base: float, t: int) -> float:
        return base * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(Schedule):
    """Half a cosine from the initial rate to `eta_min` in `T_max` steps, then back (Loshchilov, Hutter 2017, eq. 5).

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.CosineAnnealingLR(optimizer, T_max=4)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.854, 0.5, 0.146, 0.0]
    """

    options: ClassVar = {"T_max": Option(STEPS, 100), "eta_min": Option(RATE, 0.0)}

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    @property
    def floor(self) -> float:
        return self.eta_min

    def lr_at(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class LambdaLR(Schedule):
    """Sets the rate to the initial one times lr_lambda(t), a function or a list of one a group.

    A saved state has no functions, and of objects that are called their attributes.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.LambdaLR(optimizer, lambda t: 1 / (1 + t))
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.5, 0.333, 0.25, 0.2]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Lambda | Sequence[Lambda], last_epoch: int = -1):
        name = type(self).__name__
        self.lr_lambdas: list[Any] = each_group(name, "lr_lambda", lr_lambda, check_optimizer(name, optimizer))
        for one in self.lr_lambdas:
            if not callable(one):
                raise TypeError(
                    f"{name}: lr_lambda is {brief(one)}, expected a function of the step count; pass lambda t: 0.9**t"
                )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * float(function(self.last_epoch)) for base, function in rates]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": list(map(saved_function, self.lr_lambdas))}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        found = self.read_state(saved)
        for one, attributes in zip(self.lr_lambdas, saved["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(one).update(attributes)
        vars(self).update({k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if k != "lr_lambdas"})

    def read_state(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        attributes = kinds.list_of(kinds.maybe(kinds.table_of(kinds.ANY)), len(self.lr_lambdas), len(self.lr_lambdas))
        if isinstance(saved, Mapping) and (words := kinds.fault(attributes, saved.get("lr_lambdas", kinds.ABSENT))):
            raise ValueError(
                f"{self.name}: the saved state's lr_lambdas: {words}; build the same schedule as the one that was saved"
            )
        return super().read_state(saved)


class MultiplicativeLR(LambdaLR):
    """Multiplies the rate by lr_lambda(t) at each step t, a function or a list of one a group.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.MultiplicativeLR(optimizer, lambda t: 0.9)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.9, 0.81, 0.729, 0.656]
    """

    def get_lr(self) -> list[float]:
        groups = self._groups()
        if self._is_initial:
            return [group["lr"] for group in groups]
        pairs = zip(groups, self.lr_lambdas, strict=True)
        return [group["lr"] * float(function(self.last_epoch)) for group, function in pairs]
