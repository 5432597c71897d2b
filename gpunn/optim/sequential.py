"""Several schedules: one after the other, or all at once."""

from __future__ import annotations

import bisect
import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gpunn import kinds
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import Option, checked
from gpunn.optim.schedule import COUNT, Schedule, check_optimizer
from gpunn.text import brief


class Several(Schedule):
    """What schedules made of others share."""

    _schedulers: list[Schedule]

    def _take(self, schedulers: object, optimizer: Optimizer | None) -> None:
        """Hold the schedules, all of one optimiser."""
        self.name = type(self).__name__
        if not isinstance(schedulers, Sequence) or not schedulers or isinstance(schedulers, str):
            raise ValueError(
                f"{self.name}: schedulers is {brief(schedulers)}, expected a list of schedules; pass at least one"
            )
        for number, one in enumerate(schedulers):
            if not isinstance(one, Schedule) or one.watches:
                raise TypeError(
                    f"{self.name}: schedulers[{number}] is a {type(one).__name__}, expected a schedule of gpunn.optim "
                    "that steps without a metric; step one that watches a metric by itself"
                )
            if one.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ValueError(
                    f"{self.name}: schedulers[{number}], a {one.name}, has another optimizer, expected the one of all; "
                    "build all over the same optimizer"
                )
        self._schedulers = list(schedulers)
        self.optimizer = check_optimizer(self.name, optimizer or schedulers[0].optimizer)
        self._step_count = 1

    @property
    def per_step(self) -> bool:
        """Whether one of them wants a step an update."""
        return any(one.per_step for one in self._schedulers)

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def __copy__(self) -> Several:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        twin._schedulers = [copy.copy(one) for one in self._schedulers]
        return twin

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [one.state_dict() for one in self._schedulers]}

    def read_state(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        found, count = super().read_state(saved), len(self._schedulers)
        states = kinds.list_of(kinds.table_of(kinds.ANY), count, count)
        if words := kinds.fault(states, saved.get("_schedulers", kinds.ABSENT)):
            raise ValueError(
                f"{self.name}: the saved state's schedules: {words}; build the same schedules as those that were saved"
            )
        for one, state in zip(self._schedulers, saved["_schedulers"], strict=True):
            one.read_state(state)
        return found

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, for each of the schedules."""
        super().load_state_dict(saved)
        for one, state in zip(self._schedulers, saved["_schedulers"], strict=True):
            one.load_state_dict(state)


class ChainedScheduler(Several):
    """Steps all of several schedules at once; `get_last_lr` is what comes of them together.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> parts = [gpunn.optim.ConstantLR(optimizer, 0.5, 2), gpunn.optim.ExponentialLR(optimizer, 0.9)]
        >>> schedule = gpunn.optim.ChainedScheduler(parts)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(3)]
        [0.45, 0.81, 0.729]
    """

    def __init__(self, schedulers: Sequence[Schedule], optimizer: Optimizer | None = None):
        self._take(schedulers, optimizer)
        self._last_lr = self._rates()

    def step(self) -> None:  # type: ignore[override]
        """One step of each."""
        for one in self._schedulers:
            one.step()
        self._last_lr = self._rates()

    def _update_lr(self, epoch: int | None = None) -> None:
        for one in self._schedulers:
            one._update_lr(epoch)
        self._last_lr = self._rates()


class SequentialLR(Several):
    """One schedule after the other: the next takes over after each of `milestones` steps, from its own beginning.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> parts = [gpunn.optim.LinearLR(optimizer, 0.5, 1.0, 2), gpunn.optim.ExponentialLR(optimizer, 0.5)]
        >>> schedule = gpunn.optim.SequentialLR(optimizer, parts, milestones=[2])
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.75, 1.0, 0.5, 0.25]
    """

    options: ClassVar = {"_milestones": Option(Kind("a list of step counts in growing order", lambda v: isinstance(
        v, tuple) and all(map(kinds.whole(0).holds, v)) and list(v) == sorted(v)), (10,))}  # fmt: skip

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int], last_epoch: int = -1
    ):
        name = type(self).__name__
        self._take(schedulers, check_optimizer(name, optimizer))
        given = {"milestones": milestones, "last_epoch": last_epoch}
        given = checked(name, given, {"milestones": self.options["_milestones"], "last_epoch": COUNT})
        if len(given["milestones"]) != len(schedulers) - 1:
            raise ValueError(
                f"{name}: there are {len(given['milestones'])} milestones for {len(schedulers)} schedules, expected "
                "one between each two; give one less than schedules"
            )
        self._milestones, self.last_epoch = list(given["milestones"]), given["last_epoch"] + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _undo(self)
        first = self._schedulers[bisect.bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """One step of the schedule whose turn it is; it starts anew at its milestone."""
        self.last_epoch += 1
        turn = bisect.bisect_right(self._milestones, self.last_epoch)
        now = self._schedulers[turn]
        if turn and self._milestones[turn - 1] == self.last_epoch:
            now._update_lr(0)
        else:
            now.step()
        self._last_lr = now.get_last_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = epoch or 0
        now = self._schedulers[bisect.bisect_right(self._milestones, self.last_epoch)]
        now._update_lr(epoch)
        self._last_lr = now.get_last_lr()


def _undo(of: Several) -> None:
    """Take back the step that each schedule made when it was made."""
    for one in of._schedulers:
        if isinstance(one, Several):
            _undo(one)
        else:
            one.last_epoch -= 1
