"""Adam and its kin: AdamW, NAdam, RAdam, which are one kernel with other numbers, and Adamax."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from gpunn import kinds
from gpunn.optim.batch import Batch, Group, counted
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.saved import STEP


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): steps along the mean gradient over the root of the mean square.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr m' / (sqrt(v') + eps), m' and v' corrected for their zero
    start. `weight_decay` and `l1` add weight_decay p and l1 sign(p) to the gradient; `decoupled_weight_decay` makes it
    AdamW. `amsgrad` takes the largest v so far (Reddi, Kale and Kumar 2018), `maximize` turns the gradient's sign.
    Memory: two arrays a parameter, three with `amsgrad`.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.Adam([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0.9, -1.9])
    """

    arrays, switches = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), ("amsgrad",)

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        options |= {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay, "l1": l1}
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        super().__init__(params, options, **how)

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, self.count(batch))
        means, squares = batch.state("exp_avg"), batch.state("exp_avg_sq")
        peaks = batch.state("max_exp_avg_sq", option="amsgrad") if self.switches else [None] * len(means)
        batch.rules.adam(batch.params, means, squares, peaks, batch.grads, settings, batch.kept)

    def count(self, batch: Batch) -> Callable[[list[dict[str, Any]]], Sequence]:
        """What gives each parameter's own numbers of the step that begins, from the states."""
        return counted

    def numbers(self, group: Group, t: Any) -> tuple:
        """The struct Setting of kernels/optim/adam.cu at step t."""
        b1, b2 = group["betas"]
        # m / (1 - b1^t) and v / (1 - b2^t) start unbiased
        return self.setting(group, math.sqrt(1 - b2**t), group["lr"] / (1 - b1**t))

    @staticmethod
    def setting(
        group: Group, root: float, rate: float, share: float = 1, ahead: float = 0, eps: float | None = None
    ) -> tuple:
        """The struct, given what differs between Adam and its kin."""
        (b1, b2), decay = group["betas"], group["weight_decay"]
        keep, decay = (1 - group["lr"] * decay, 0) if group["decoupled_weight_decay"] else (1, decay)
        eps = group["eps"] if eps is None else eps
        return keep, decay, group["l1"], b1, 1 - b1, b2, 1 - b2, root, eps, rate, share, ahead, group["maximize"]


class AdamW(Adam):
    """Adam that decays the weights themselves, p -= lr weight_decay p, not the gradient (Loshchilov, Hutter 2019).

    >>> optimizer = gpunn.optim.AdamW(nn.Linear(2, 1).parameters(), lr=1e-3, weight_decay=0.01)
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        l1: float = 0,
    ):
        options: dict[str, Any] = {"foreach": foreach, "maximize": maximize, "capturable": capturable}
        options |= {"differentiable": differentiable, "fused": fused, "decoupled_weight_decay": True, "l1": l1}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)


class NAdam(Adam):
    """Adam with Nesterov's momentum, a step ahead (Dozat 2016): the mean is looked up where the next step would be.

    The momentum grows with the step, mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), and `mu_product` of a parameter's
    state is the product of all so far, a float32 as PyTorch's. Memory: two arrays a parameter.

    >>> optimizer = gpunn.optim.NAdam(nn.Linear(2, 1).parameters(), lr=2e-3)
    """

    arrays, switches = ("exp_avg", "exp_avg_sq"), ()
    scalars: ClassVar = {"step": STEP, "mu_product": kinds.number()}

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        options |= {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay, "l1": l1}
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        Optimizer.__init__(self, params, options, **how)

    def count(self, batch: Batch) -> Callable[[list[dict[str, Any]]], Sequence]:
        def advance(states: list[dict[str, Any]]) -> list[tuple[int, float]]:
            for group, state, t in zip(batch.groups, states, counted(states), strict=True):
                product = np.float32(state.get("mu_product", 1.0)) * np.float32(_momentum(group, t))
                state["mu_product"] = float(product)
            return [(state["step"], state["mu_product"]) for state in states]

        return advance

    def numbers(self, group: Group, t: Any) -> tuple:
        step, product = t
        now, then = _momentum(group, step), _momentum(group, step + 1)
        share, ahead = then / (1 - product * then), (1 - now) / (1 - product)
        return self.setting(group, math.sqrt(1 - group["betas"][1] ** step), group["lr"], share, ahead)


def _momentum(group: Group, t: int) -> float:
    return group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"]))


class RAdam(Adam):
    """Rectified Adam (Liu et al. 2020): while the mean square is of few gradients, steps go along the mean alone.

    Of how many it is says rho_t = rho - 2 t b2^t / (1 - b2^t), rho = 2 / (1 - b2) - 1; beyond 5 a step is Adam's times
    sqrt((rho_t - 4)(rho_t - 2) rho / ((rho - 4)(rho - 2) rho_t)). Memory: two arrays a parameter.

    >>> optimizer = gpunn.optim.RAdam(nn.Linear(2, 1).parameters(), lr=1e-3, weight_decay=0.01)
    """

    arrays, switches = ("exp_avg", "exp_avg_sq"), ()

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        options |= {"decoupled_weight_decay": decoupled_weight_decay, "l1": l1}
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        Optimizer.__init__(self, params, options, **how)

    def numbers(self, group: Group, t: Any) -> tuple:
        b1, b2 = group["betas"]
        rate, unbiased, end = group["lr"] / (1 - b1**t), 1 - b2**t, 2 / (1 - b2) - 1
        length = end - 2 * t * b2**t / unbiased
        if length <= 5:
            return self.setting(group, math.inf, rate, eps=1)  # a divisor of sqrt(v) / inf + 1
        rectified = (length - 4) * (length - 2) * end / ((end - 4) * (end - 2) * length)
        return self.setting(group, 1, rate * math.sqrt(unbiased * rectified))


class Adamax(Optimizer):
    """Adam by the largest gradient in place of the mean square (Kingma and Ba 2015, algorithm 2).

    m = b1 m + (1 - b1) g; u = max(b2 u, |g| + eps); p -= lr / (1 - b1^t) m / u. Memory: two arrays a parameter.

    >>> optimizer = gpunn.optim.Adamax(nn.Linear(2, 1).parameters(), lr=2e-3)
    """

    arrays = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "l1": l1}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, capturable=capturable)

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, counted)
        means, peaks = batch.state("exp_avg"), batch.state("exp_inf")
        batch.rules.adamax(batch.params, means, peaks, batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, t: int) -> tuple:
        """The struct Setting of kernels/optim/adamax.cu at step t."""
        b1, b2 = group["betas"]
        decays = group["weight_decay"], group["l1"], group["maximize"]
        return group["lr"] / (1 - b1**t), b1, 1 - b1, b2, group["eps"], *decays
