"""Schedules in cycles: CyclicLR and CosineAnnealingWarmRestarts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gpunn import kinds, limits
from gpunn.kinds import Kind
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import BELOW_1, SWITCH, Option, checked
from gpunn.optim.schedule import FACTOR, RATE, STEPS, Schedule, check_optimizer, each_group, saved_function, several

MODES = kinds.choice("triangular", "triangular2", "exp_range")
LENGTH = kinds.number("a finite number > 0", lambda v: v > 0)


def momentum_name(name: str, optimizer: Optimizer) -> bool:
    """Whether the momentum of an optimiser is the first of its betas. ValueError where it has neither."""
    if "betas" not in optimizer.defaults and "momentum" not in optimizer.defaults:
        raise ValueError(
            f"{name}: {optimizer.name} has no momentum to cycle, expected an optimiser with momentum or betas; "
            "pass cycle_momentum=False"
        )
    return "betas" in optimizer.defaults


def check_momentum(name: str, saved: Mapping[str, Any]) -> None:
    """Refuses a saved state that says of the momentum both that it is cycled and that it is not."""
    if saved["cycle_momentum"] != ("use_beta1" in saved):
        raise ValueError(
            f"{name}: the saved state has cycle_momentum={saved['cycle_momentum']}, expected "
            f"{'use_beta1' in saved} where use_beta1 is {'' if 'use_beta1' in saved else 'not '}there; "
            "pass what state_dict() returned"
        )


def of_betas(use_beta1: bool) -> Option:
    """What a saved state says of where the momentum is: as it is in this optimiser."""
    return Option(Kind(f"{use_beta1} for this optimiser", lambda v: v is use_beta1), use_beta1)


def set_momentum(group: dict[str, Any], momentum: float, use_beta1: bool) -> None:
    """Write a group's momentum, the first of its betas where it has those."""
    if use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


class CyclicLR(Schedule):
    """Up from `base_lr` to `max_lr` in `step_size_up` updates, down in `step_size_down`, again and again (Smith 2017).

    `mode` scales the height of a cycle: "triangular" not, "triangular2" by half each cycle, "exp_range" by gamma^t;
    `scale_fn` in its place by a function of the cycle's number (from 1), or with scale_mode="iterations" of t. The
    momentum, Adam's first beta, goes the other way, from `max_momentum` to `base_momentum`. It sets the rate, whatever
    it was. Stepped after every update.

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.CyclicLR(optimizer, 0.1, 1.0, step_size_up=2, cycle_momentum=False)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.55, 1.0, 0.55, 0.1]
    """

    per_step = True
    options: ClassVar = {
        "total_size": Option(LENGTH, 4000.0), "step_ratio": Option(kinds.number("a number in (0, 1]",
        lambda v: 0 < v <= 1), 0.5), "mode": Option(MODES, "triangular"), "gamma": Option(FACTOR, 1.0),
        "scale_mode": Option(kinds.choice("cycle", "iterations"), "cycle"), "cycle_momentum": Option(SWITCH, True),
    }  # fmt: skip

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ):
        name = self.name = type(self).__name__
        check_optimizer(name, optimizer)
        given = {"step_size_up": step_size_up, "step_size_down": step_size_down or step_size_up}
        up, down = map(float, checked(name, given, dict.fromkeys(given, Option(LENGTH, 2000))).values())
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode, self.gamma, self.cycle_momentum = mode, gamma, cycle_momentum
        iterations = mode == "exp_range" if scale_fn is None else scale_mode == "iterations"
        self.scale_mode = "iterations" if iterations else scale_mode if scale_fn is not None else "cycle"
        self._scale_fn_custom = scale_fn
        lows = self._each("base_lr", base_lr, optimizer, RATE)
        self.max_lrs = self._each("max_lr", max_lr, optimizer, RATE)
        if cycle_momentum:
            self.use_beta1 = momentum_name(name, optimizer)
            self.base_momentums = self._each("base_momentum", base_momentum, optimizer, BELOW_1)
            self.max_momentums = self._each("max_momentum", max_momentum, optimizer, BELOW_1)
        checked(name, vars(self), self.options)
        if last_epoch == -1:
            self._begin(optimizer, lows)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def _each(self, what: str, value: object, optimizer: Optimizer, kind: Kind) -> list[float]:
        values = each_group(self.name, what, value, optimizer)
        return [checked(self.name, {what: one}, {what: Option(kind, 0.1)})[what] for one in values]

    def _begin(self, optimizer: Optimizer, lows: list[float]) -> None:
        """Leave in the groups what PyTorch's does."""
        for i, group in enumerate(optimizer.param_groups):
            group["lr"] = lows[i]
            if self.cycle_momentum:
                set_momentum(group, self.max_momentums[i], self.use_beta1)
                group["max_momentum"], group["base_momentum"] = self.max_momentums[i], self.base_momentums[i]

    def scale_fn(self, x: float) -> float:
        """What the height of a cycle is multiplied by."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        return {"triangular": 1.0, "triangular2": 0.5 ** (x - 1), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            pairs = zip(self._groups(), self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in pairs:
                set_momentum(group, high - (high - low) * height, self.use_beta1)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        custom = self._scale_fn_custom
        return {**super().state_dict(), "_scale_fn_custom": None if custom is None else saved_function(custom)}

    def known(self) -> dict[str, Option]:
        count = len(self.base_lrs)
        own = {"max_lrs": several(RATE, count)}
        if self.cycle_momentum:
            own |= {name: several(BELOW_1, count) for name in ("base_momentums", "max_momentums")}
            own["use_beta1"] = of_betas(self.use_beta1)
        return {**super().known(), **own}

    def read_state(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        found = super().read_state(saved)
        check_momentum(self.name, found)
        return found

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        if self._scale_fn_custom is not None and isinstance(saved.get("_scale_fn_custom"), Mapping):
            vars(self._scale_fn_custom).update(saved["_scale_fn_custom"])


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine from the initial rate to `eta_min` in `T_0` steps, then anew, each `T_mult` times as long.

    Loshchilov and Hutter 2017, equation 5: SGDR. It sets the rate, whatever it was. `step(epoch)` may be given
    fractions of an epoch, step(epoch + batch / batches).

    Examples:
        >>> optimizer = gpunn.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        >>> schedule = gpunn.optim.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for _ in range(4)]
        [0.5, 1.0, 0.5, 1.0]
    """

    options: ClassVar = {
        "T_0": Option(STEPS, 10), "T_mult": Option(STEPS, 1), "eta_min": Option(RATE, 0.0),
        "T_i": Option(kinds.number("a number >= 1", lambda v: v >= 1), 10),
        "T_cur": Option(kinds.number("a number >= -1", lambda v: v >= -1), 0),
    }  # fmt: skip

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_0, self.T_i, self.T_mult, self.eta_min, self.T_cur = T_0, T_0, T_mult, eta_min, last_epoch
        given = {"T_0": T_0, "T_mult": T_mult}
        checked(type(self).__name__, given, self.options)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """One step on, or to an epoch, which may be a fraction."""
        self._step_count += 1
        if epoch is not None or self.last_epoch < 0:
            epoch = epoch or 0
            self._seek(epoch)
            return self._update_lr(math.floor(epoch))
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        return self._update_lr(self.last_epoch + 1)

    def _seek(self, epoch: float) -> None:
        """Where an epoch lies: in which cycle, and how far."""
        at = kinds.number(f"a number of 0 to {limits.STEPS:,}", lambda v: 0 <= v <= limits.STEPS)
        epoch = checked(self.name, {"epoch": epoch}, {"epoch": Option(at, 0)})["epoch"]
        self.T_cur, self.T_i = epoch, self.T_0
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        while self.T_cur >= self.T_i:
            self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
