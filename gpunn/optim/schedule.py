"""What learning-rate schedules share: the step count, the rates that follow from it, saving and resuming."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, ClassVar

from gpunn import kinds, limits
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import Option, checked
from gpunn.text import brief

STEPS = kinds.whole(1, limits.STEPS)
COUNT = Option(kinds.whole(-1, limits.STEPS), -1)
RATE = kinds.number("a finite number >= 0", lambda v: v >= 0)
FACTOR = kinds.number()


def several(kind: Kind, count: int) -> Option:
    """A number of `kind` for each of `count` groups."""
    return Option(Kind(f"{count} of: {kind.words}", lambda v: isinstance(v, tuple) and len(v) == count
                       and all(map(kind.holds, v))), (0.1,))  # fmt: skip


class Schedule:
    """Base class, PyTorch's LRScheduler: a subclass defines `lr_at(base, t)`, the rate after t steps from `base`.

    Or as in PyTorch `get_lr()`, the rates of all groups after `self.last_epoch` steps. `last_epoch` resumes: the
    optimiser's groups have an `initial_lr` then, of a state that was loaded, and the first step made is the one after.
    `per_step` says that a step is an update of the weights, not an epoch: the Trainer acts on it. `floor` is the rate
    that a change of another's rate leaves alone.

    Examples:
        >>> class Halved(gpunn.optim.LRScheduler):
        ...     def get_lr(self):
        ...         return [rate / 2**self.last_epoch for rate in self.base_lrs]
        ...
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = Halved(optimizer)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(3)]
        [0.5, 0.25, 0.125]
    """

    per_step = False
    watches = False  # whether a step takes a metric
    floor = 0.0
    keeps = True  # whether one that resumes takes the rates as they are; PyTorch's others move them once more
    options: ClassVar[Mapping[str, Option]] = {}  # what each option, an attribute of that name, must be
    optimizer: Optimizer

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.name = type(self).__name__
        self.optimizer = check_optimizer(self.name, optimizer)
        vars(self).update(checked(self.name, vars(self), self.options))
        self.last_epoch = checked(self.name, {"last_epoch": last_epoch}, {"last_epoch": COUNT})["last_epoch"]
        self.check(vars(self))
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{self.name}: group {number} has no initial_lr, expected one where last_epoch is {last_epoch}; "
                    "load the optimiser's state of that epoch first, or leave last_epoch out"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self._initial_step()

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError where the options contradict each other or the optimiser."""

    def lr_at(self, base: float, t: int) -> float:
        """Learning rate after t steps; the base class keeps it constant."""
        return base

    def get_lr(self) -> list[float]:
        """The rates after `last_epoch` steps: of `lr_at`, times what something else has changed of the rates."""
        groups = self._groups()
        if self._is_initial and self.last_epoch > 0 and self.keeps:
            return [group["lr"] for group in groups]
        pairs = zip(groups, self.base_lrs, strict=True)
        return [self._moved(group["lr"], base, self.last_epoch) for group, base in pairs]

    def step(self, epoch: int | None = None) -> None:
        """Count one step and move the rates by what follows from it; given an epoch, to what they are at that one."""
        self._step_count += 1
        self._update_lr(epoch)

    def _initial_step(self) -> None:
        """The step that a schedule makes when it is made."""
        self._step_count, self._is_initial = 0, True
        try:
            self.step()
        finally:
            del self._is_initial

    _is_initial = False

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if epoch is None or type(self).get_lr is not Schedule.get_lr:
            rates = self.get_lr()
        else:
            rates = [self.lr_at(base, epoch) for base in self.base_lrs]
        for group, rate in zip(self._groups(), rates, strict=True):
            group["lr"] = rate
        self._last_lr = list(rates)

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
        def rates(base: float) -> tuple[float, float]:
            return self.lr_at(base, t - 1) if t else base, self.lr_at(base, t)

        before, now = rates(base)
        if rate == before:
            return now
        # The share by which another's rate moves is that of any base that is not the floor itself.
        start, end = rates(base + 1) if base == self.floor else (before, now)
        if start == self.floor:
            return rate + now - before
        return self.floor + (rate - self.floor) * ((end - self.floor) / (start - self.floor))

    def get_last_lr(self) -> list[float]:
        """The rate of every group that this schedule has set last."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """All of the schedule but the optimiser, under PyTorch's names."""
        return {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, the options included; the optimiser's own state carries the rate.

        What a schedule of PyTorch's of this name returned is taken as well.
        """
        found = self.read_state(saved)
        self.check(found)
        vars(self).update({name: list(v) if isinstance(v, tuple) else v for name, v in found.items()})

    def read_state(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a saved state has of this schedule, checked; ValueError or TypeError where it is none."""
        known = self.known()
        public, count = {name for name in vars(self) if not name.startswith("_")}, len(self.optimizer.param_groups)
        public -= {"optimizer", "name"}
        expected = {name for name in known if name in public or name in self.options}
        is_ours = isinstance(saved, Mapping) and str(saved.get("name", self.name)) == self.name
        found = {k for k in saved if not str(k).startswith("_")} - {"name"} if is_ours else set()
        if not is_ours or found != public or expected - set(saved):
            got = f"of a {brief(saved.get('name'))}" if isinstance(saved, Mapping) else brief(saved)
            raise ValueError(
                f"{self.name}: the saved state is {got}, expected {', '.join(sorted(expected))} of {count} groups; "
                "build the same schedule as the one that was saved"
            )
        values = {k: v for k, v in saved.items() if k in known or k in public}
        return checked(f"{self.name}: the saved state", values, known)

    def known(self) -> dict[str, Option]:
        """What a saved state may say, and of what kind it is."""
        count = len(self.optimizer.param_groups)
        own = {"last_epoch": COUNT, "_step_count": Option(kinds.whole(0, limits.STEPS), 1)}
        if hasattr(self, "base_lrs"):
            own["base_lrs"] = several(RATE, len(self.base_lrs))
        return {**self.options, **own, "_last_lr": several(FACTOR, count)}


LRScheduler = Schedule  # PyTorch's name


def check_optimizer(name: str, optimizer: object) -> Optimizer:
    """The optimiser; TypeError for anything else."""
    if not isinstance(optimizer, Optimizer):
        kind = type(optimizer).__name__
        raise TypeError(f"{name}: optimizer is a {kind}, expected one of gpunn.optim; pass the optimiser")
    return optimizer


def each_group(name: str, what: str, value: object, optimizer: Optimizer) -> list[Any]:
    """A value for each group: those of a list, of which there must be as many, or one for all."""
    count = len(optimizer.param_groups)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != count:
            raise ValueError(
                f"{name}: {what} has {len(value)} values, but the optimizer has {count} groups; "
                "give one a group, or one for all"
            )
        return list(value)
    return [value] * count


def saved_function(function: Callable) -> dict[str, Any] | None:
    """What a saved state holds of a function: of an object that is called its attributes, as in PyTorch; else None."""
    return None if isinstance(function, FunctionType) else dict(getattr(function, "__dict__", {}))
