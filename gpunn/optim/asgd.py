"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from gpunn import kinds
from gpunn.optim.batch import Batch, Group, counted
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import OF_OPTIMISERS, Option
from gpunn.optim.saved import STEP


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992): p = (1 - lambd eta) p - eta g, averaged in `ax`.

    After step t eta is lr / (1 + lambd lr t)^alpha, and the average's share of the next parameters
    1 / max(1, t - t0). `state[parameter]["ax"]` is the average; it equals the parameter until t0.
    Memory: one array a parameter.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.ASGD([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0.8, -1.6])
    """

    arrays = ("ax",)
    scalars: ClassVar = {"step": STEP, "eta": kinds.number(), "mu": kinds.number()}
    options: ClassVar = {**OF_OPTIMISERS, "alpha": Option(kinds.number(), 0.75)}

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        *,
        l1: float = 0,
    ):
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        options |= {"maximize": maximize, "l1": l1}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, capturable=capturable)

    def rule(self, batch: Batch) -> None:
        def advance(states: list[dict[str, Any]]) -> list[tuple[float, float]]:
            """eta and mu of this step, and of the next one into the states: float32 numbers, as PyTorch's."""
            pairs = list(zip(states, batch.groups, strict=True))
            now = [(s.get("eta", float(np.float32(g["lr"]))), s.get("mu", 1.0)) for s, g in pairs]
            for group, state, t in zip(batch.groups, states, counted(states), strict=True):
                eta = group["lr"] / (1 + group["lambd"] * group["lr"] * t) ** group["alpha"]
                state["eta"], state["mu"] = float(np.float32(eta)), float(np.float32(1 / max(1, t - group["t0"])))
            return now

        settings = batch.settings(self.numbers, advance)
        batch.rules.asgd(batch.params, batch.state("ax"), batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, now: tuple[float, float]) -> tuple:
        """The struct Setting of kernels/optim/asgd.cu."""
        eta, mu = now
        return 1 - group["lambd"] * eta, eta, mu, group["weight_decay"], group["l1"], group["maximize"]
