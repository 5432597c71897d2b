"""The one-cycle schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gpunn import kinds, limits
from gpunn.kinds import Kind
from gpunn.optim.cyclic import LENGTH, check_momentum, momentum_name, of_betas, set_momentum
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import BELOW_1, SWITCH, Option, checked
from gpunn.optim.schedule import STEPS, Schedule, check_optimizer, each_group

RATES, MOMENTA = kinds.choice("initial_lr", "max_lr", "min_lr"), kinds.choice("max_momentum", "base_momentum")
ENDS = {"end_step": kinds.number(), "start_lr": RATES, "end_lr": RATES}
PHASE = kinds.record({**ENDS, "start_momentum": MOMENTA, "end_momentum": MOMENTA})
PHASES = kinds.list_of(PHASE, 2, 3)
WAYS = Kind("'cos' or 'linear'", lambda v: isinstance(v, str) and v in ("cos", "linear"))


def each(kind: Kind) -> Kind:
    """What `kind` says, or a list of such, one a group."""
    words = f"{kind.words}, or a list of them, one a group"
    return Kind(words, lambda v: all(map(kind.holds, v)) if isinstance(v, tuple) else kind.holds(v))


# What the constructor is given; most of it ends up in the groups and the phases.
GIVEN = {
    "max_lr": Option(each(LENGTH), 0.1),
    "total_steps": Option(STEPS, 1000),
    "pct_start": Option(kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1), 0.3),
    "anneal_strategy": Option(WAYS, "cos"),
    "cycle_momentum": Option(SWITCH, True),
    "base_momentum": Option(each(BELOW_1), 0.85),
    "max_momentum": Option(each(BELOW_1), 0.95),
    "div_factor": Option(LENGTH, 25.0),
    "final_div_factor": Option(LENGTH, 1e4),
    "three_phase": Option(SWITCH, False),
}


class OneCycleLR(Schedule):
    """Up from max_lr / div_factor to `max_lr`, then down to that start / final_div_factor, in `total_steps` updates.

    Smith and Topin 2018, in PyTorch's form: `pct_start` is the share of the way up, `anneal_strategy` "cos" or
    "linear"; `three_phase` goes down to the start as it came up, and then on to the end. The momentum (Adam's first
    beta) goes the other way, from `max_momentum` to `base_momentum` and back, unless `cycle_momentum` is False.
    `total_steps` may be left out for `epochs` times `steps_per_epoch`. `max_lr` and the momenta are a number, or a list
    of one a group; they stay in the optimiser's groups. It sets the rate, whatever it was. Stepped after every update;
    past the last it stays where it ended.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=5, cycle_momentum=False)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.95, 0.611, 0.188, 0.0]
    """

    per_step = True
    options: ClassVar = {name: GIVEN[name] for name in ("total_steps", "cycle_momentum")}

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        name = type(self).__name__
        check_optimizer(name, optimizer)
        total = _steps(total_steps, epochs, steps_per_epoch)
        given = {"max_lr": max_lr, "total_steps": total, "pct_start": pct_start, "anneal_strategy": anneal_strategy}
        given |= {"cycle_momentum": cycle_momentum, "base_momentum": base_momentum, "max_momentum": max_momentum}
        given |= {"div_factor": div_factor, "final_div_factor": final_div_factor, "three_phase": three_phase}
        given = checked(name, given, GIVEN)
        self.total_steps, self.cycle_momentum = given["total_steps"], given["cycle_momentum"]
        self._anneal_func_type, self._schedule_phases = given["anneal_strategy"], _phases(given)
        if self.cycle_momentum:
            self.use_beta1 = momentum_name(name, optimizer)
        each_of = {what: each_group(name, what, given[what], optimizer) for what in ("max_lr", *_MOMENTA)}
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                peak = float(each_of["max_lr"][i])
                group["initial_lr"], group["max_lr"] = peak / given["div_factor"], peak
                group["min_lr"] = group["initial_lr"] / given["final_div_factor"]
                if self.cycle_momentum:
                    group.update({what: each_of[what][i] for what in _MOMENTA})
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = []
        for number, group in enumerate(self._groups()):
            names = {*RATE_NAMES, *(_MOMENTA if self.cycle_momentum else ())}
            if lacking := sorted(names - group.keys()):
                raise ValueError(
                    f"{self.name}: group {number} has no {', '.join(lacking)}, expected them where last_epoch is not "
                    "-1; load the optimiser's state first"
                )
            rates.append(self._now(group, "lr"))
            if self.cycle_momentum:
                set_momentum(group, self._now(group, "momentum"), self.use_beta1)
        return rates

    def _now(self, group: Mapping[str, Any], what: str) -> float:
        """Where the rate, or the momentum, has come to by now."""
        t, begin = min(self.last_epoch, self.total_steps - 1), 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if t <= end or phase is self._schedule_phases[-1]:
                share = (t - begin) / (end - begin) if end > begin else 1.0
                return self._anneal(group[phase[f"start_{what}"]], group[phase[f"end_{what}"]], share)
            begin = end
        raise AssertionError("a schedule has phases")

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def known(self) -> dict[str, Option]:
        own = {"_anneal_func_type": Option(WAYS, "cos")}
        if self.cycle_momentum:
            own["use_beta1"] = of_betas(self.use_beta1)
        return {**super().known(), **own}

    def read_state(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        found = super().read_state(saved)
        if words := kinds.fault(PHASES, saved.get("_schedule_phases", kinds.ABSENT)):
            raise ValueError(f"{self.name}: the saved state's phases: {words}; pass what state_dict() returned")
        check_momentum(self.name, found)
        return {**found, "_schedule_phases": [dict(phase) for phase in saved["_schedule_phases"]]}


RATE_NAMES, _MOMENTA = ("initial_lr", "max_lr", "min_lr"), ("max_momentum", "base_momentum")


def _steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The number of updates, as it is given or of two factors."""
    if total_steps is not None:
        return total_steps
    if epochs is steps_per_epoch is None:
        raise TypeError(
            "OneCycleLR: total_steps is None, expected the number of updates; pass it, or epochs and steps_per_epoch"
        )
    given, whole = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}, kinds.whole(1, limits.STEPS)
    counts = checked("OneCycleLR", given, {"epochs": Option(whole, 30), "steps_per_epoch": Option(whole, 100)})
    return counts["epochs"] * counts["steps_per_epoch"]


def _phases(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where each phase ends, and between which of a group's numbers it leads."""
    up, total = given["pct_start"] * given["total_steps"], given["total_steps"]
    ways = [("initial_lr", "max_lr", *_MOMENTA), ("max_lr", "min_lr", *_MOMENTA[::-1])]
    ends = [up - 1, total - 1]
    if given["three_phase"]:
        back, high = ("max_lr", "initial_lr", *_MOMENTA[::-1]), ("max_momentum", "max_momentum")
        ways, ends = [ways[0], back, ("initial_lr", "min_lr", *high)], [up - 1, 2 * up - 2, total - 1]
    names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return [{"end_step": float(end), **dict(zip(names, way, strict=True))} for end, way in zip(ends, ways, strict=True)]
