"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gpunn import backend
from gpunn.optim.optimizer import Optimizer, penalised, pieces


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): steps along the mean gradient over the root of the mean square.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr m' / (sqrt(v') + eps), m' and v' corrected for their zero
    start. `weight_decay` and `l1` add weight_decay p and l1 sign(p) to the gradient. Memory: two arrays a parameter.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        l1: float = 0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "l1": l1})

    def check(self, group):
        betas = group["betas"]
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{self.name}: betas must be two numbers in [0, 1), got {betas}; usual: (0.9, 0.999)")

    def update(self, param, grad, state, group):
        xp = backend.array_module(param)
        if not state:
            state.update(step=0, exp_avg=xp.zeros_like(param), exp_avg_sq=xp.zeros_like(param))
        state["step"] += 1
        b1, b2 = group["betas"]
        decay, l1, eps = group["weight_decay"], group["l1"], group["eps"]
        step_size = group["lr"] / (1 - b1 ** state["step"])
        root = math.sqrt(1 - b2 ** state["step"])
        for p, g, m, v, t in pieces(param, grad, state["exp_avg"], state["exp_avg_sq"]):
            if self.decoupled and decay:
                p *= 1 - group["lr"] * decay
            if l1 or (decay and not self.decoupled):
                g = penalised(g, p, 0 if self.decoupled else decay, l1, xp.empty_like(t))
            m *= b1
            m += xp.multiply(g, 1 - b1, out=t)
            v *= b2
            xp.multiply(g, g, out=t)
            t *= 1 - b2
            v += t
            xp.sqrt(v, out=t)
            t /= root
            t += eps
            xp.divide(m, t, out=t)
            t *= step_size
            p -= t


class AdamW(Adam):
    """Adam that decays the weights themselves, p -= lr weight_decay p, not the gradient (Loshchilov, Hutter 2019)."""

    decoupled = True

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        l1: float = 0,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, l1)
