"""The schedule that waits for a metric to improve no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gpunn import kinds, limits
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import Option, checked
from gpunn.optim.schedule import RATE, Schedule, check_optimizer, each_group, several
from gpunn.ranks.averaged import check_one

COUNTED = kinds.whole(0, limits.STEPS)
ANY = Kind("a number", lambda v: isinstance(v, float) or kinds.number().holds(v))


class ReduceLROnPlateau(Schedule):
    """Multiplies the rate by `factor` when a metric has not improved for more than `patience` steps.

    `step(metric)` takes it: less is better, with mode="max" more. Better is by over `threshold` of the best so far,
    with threshold_mode="abs" by over `threshold` itself. After a change it waits `cooldown` steps; the rate does not go
    below `min_lr` (a number, or one a group), nor move by less than `eps`. A NaN never is better. Among the ranks of a
    `dist.DataParallel` all give one metric; DistError where they differ.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.ReduceLROnPlateau(optimizer, patience=1)
        >>> [schedule.step(1.0) or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [1.0, 1.0, 0.1, 0.1]
    """

    watches = True
    options: ClassVar = {
        "mode": Option(kinds.choice("min", "max"), "min"),
        "factor": Option(kinds.number("a number in (0, 1)", lambda v: 0 < v < 1), 0.1),
        "patience": Option(COUNTED, 10),
        "threshold": Option(kinds.number(), 1e-4),
        "threshold_mode": Option(kinds.choice("rel", "abs"), "rel"),
        "cooldown": Option(COUNTED, 0),
        "eps": Option(RATE, 1e-8),
        "default_min_lr": Option(kinds.maybe(RATE), 0.0),
        "best": Option(ANY, 0.0),
        "mode_worse": Option(ANY, math.inf),
        "cooldown_counter": Option(COUNTED, 0),
        "num_bad_epochs": Option(COUNTED, 0),
    }

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ):
        name = self.name = type(self).__name__
        self.optimizer = check_optimizer(name, optimizer)
        lowest = each_group(name, "min_lr", min_lr, optimizer)
        self.min_lrs = [checked(name, {"min_lr": one}, {"min_lr": Option(RATE, 0)})["min_lr"] for one in lowest]
        self.default_min_lr = None if isinstance(min_lr, Sequence) else self.min_lrs[0]
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        vars(self).update(checked(name, vars(self), self.options))
        self.last_epoch, self.mode_worse = 0, math.inf if mode == "min" else -math.inf
        self.best, self.cooldown_counter, self.num_bad_epochs = self.mode_worse, 0, 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: object = None, epoch: int | None = None) -> None:
        """Count one step with this metric, a number or a Tensor of one element."""
        if metrics is None:
            raise TypeError(f"{self.name}: step has no metric, expected the number to watch; pass step(loss)")
        try:
            now = float(metrics)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            kind = type(metrics).__name__
            raise TypeError(
                f"{self.name}: the metric is a {kind}, expected a number or a Tensor of one element; pass loss.item()"
            ) from error
        check_one(self.name, self.optimizer.parameters(), now)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        better = self._is_better(now)
        self.best = now if better else self.best
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.in_cooldown:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def in_cooldown(self) -> bool:
        """Whether steps are not yet counted again after a change."""
        return self.cooldown_counter > 0

    def _is_better(self, now: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * now < sign * self.best * (1 - sign * self.threshold)
        return sign * now < sign * self.best - self.threshold

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise ValueError(
                    f"{self.name}: the optimizer has {len(groups)} parameter groups, min_lr {len(self.min_lrs)} "
                    "values; set min_lrs to one a group"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            rate = max(group["lr"] * self.factor, lowest)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate

    def known(self) -> dict[str, Option]:
        return {**super().known(), "min_lrs": several(RATE, len(self.min_lrs))}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self.mode_worse = math.inf if self.mode == "min" else -math.inf
