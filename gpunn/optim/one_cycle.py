"""The one-cycle schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gpunn import kinds
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import BELOW_1, SWITCH, Option, checked
from gpunn.optim.schedules import STEPS, Schedule


def each(kind: Kind) -> Kind:
    """What `kind` says, or a list of such, one a group."""
    words = f"{kind.words}, or a list of them, one a group"
    return Kind(words, lambda v: all(map(kind.holds, v)) if isinstance(v, tuple) else kind.holds(v))


class OneCycleLR(Schedule):
    """Up from max_lr / div_factor to `max_lr`, then down to that start / final_div_factor, in `total_steps` updates.

    Smith and Topin 2018, in PyTorch's two-phase form: `pct_start` is the share of the way up, `anneal_strategy` "cos"
    or "linear"; the momentum (Adam's first beta) goes the other way, from `max_momentum` to `base_momentum` and back,
    unless `cycle_momentum` is False. `total_steps` may be left out for `epochs` times `steps_per_epoch`. `max_lr` and
    the momenta are a number, or a list of one a group. It sets the rate, whatever it was. Stepped after every update;
    past the last it stays where it ended.
    """

    per_step = True
    options: ClassVar = {
        "max_lr": Option(each(kinds.number("a finite number > 0", lambda v: v > 0)), 0.1),
        "total_steps": Option(STEPS, 1000),
        "pct_start": Option(kinds.number("a number in [0, 1]", lambda v: 0 <= v <= 1), 0.3),
        "anneal_strategy": Option(Kind("'cos' or 'linear'", lambda v: v in ("cos", "linear")), "cos"),
        "cycle_momentum": Option(SWITCH, True),
        "base_momentum": Option(each(BELOW_1), 0.85),
        "max_momentum": Option(each(BELOW_1), 0.95),
        "div_factor": Option(kinds.number("a finite number > 0", lambda v: v > 0), 25.0),
        "final_div_factor": Option(kinds.number("a finite number > 0", lambda v: v > 0), 1e4),
    }

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
    ):
        if total_steps is epochs is steps_per_epoch is None:
            raise TypeError(
                "OneCycleLR: total_steps is None, expected the number of updates; pass it, or epochs and "
                "steps_per_epoch"
            )
        if total_steps is None:
            given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
            counts = checked("OneCycleLR", given, {"epochs": Option(STEPS, 30), "steps_per_epoch": Option(STEPS, 100)})
            total_steps = int(counts["epochs"] * counts["steps_per_epoch"])
        self.max_lr, self.pct_start, self.total_steps = max_lr, pct_start, total_steps
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        super().__init__(optimizer)

    def check(self, options: Mapping[str, Any]) -> None:
        groups = self.optimizer.param_groups
        for name in ("max_lr", "base_momentum", "max_momentum"):
            if isinstance(options[name], tuple) and len(options[name]) != len(groups):
                raise ValueError(
                    f"OneCycleLR: {name} has {len(options[name])} values, but the optimizer has {len(groups)} groups; "
                    "give one a group, or one number for all"
                )
        if options["cycle_momentum"] and any("betas" not in group and not group.get("momentum") for group in groups):
            raise ValueError("OneCycleLR: the optimizer has no momentum to cycle; pass cycle_momentum=False")

    def _apply(self) -> None:
        for i, group in enumerate(self._groups()):
            peak, low, high = (_of(i, value) for value in (self.max_lr, self.base_momentum, self.max_momentum))
            start = peak / self.div_factor
            group["lr"] = self._between(start, peak, start / self.final_div_factor)
            if not self.cycle_momentum:
                continue
            momentum = self._between(high, low, high)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def _between(self, start: float, peak: float, end: float) -> float:
        """Where a way from `start` to `peak` and on to `end` has come to by now."""
        top, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        t = min(self.last_epoch, last)
        if t <= top:
            return self._anneal(start, peak, t / top if top else 1.0)
        return self._anneal(peak, end, (t - top) / (last - top))

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _of(i: int, value: float | Sequence[float]) -> float:
    """A group's own value, or the one of all."""
    return value[i] if isinstance(value, Sequence) else value
