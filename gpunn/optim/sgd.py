"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn import backend
from gpunn.optim.optimizer import Optimizer, penalised, pieces


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: b = momentum b + (1 - dampening) g; p -= lr b.

    `nesterov` steps along g + momentum b (Sutskever et al. 2013, in PyTorch's form). `weight_decay` and `l1` add
    weight_decay p and l1 sign(p) to the gradient. The first gradient fills b undamped, as in PyTorch.
    Memory: one array a parameter with momentum, none without.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "momentum": momentum, "dampening": dampening}
        super().__init__(params, {**options, "weight_decay": weight_decay, "nesterov": nesterov, "l1": l1})

    def check(self, group):
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={group['momentum']}, "
                f"dampening={group['dampening']}; set momentum=0.9"
            )

    def update(self, param, grad, state, group):
        lr, momentum, damped = group["lr"], group["momentum"], 1 - group["dampening"]
        xp = backend.array_module(param)
        if not momentum:
            for p, g, t in pieces(param, grad):
                p -= xp.multiply(penalised(g, p, group["weight_decay"], group["l1"], t), lr, out=t)
            return
        first = "momentum_buffer" not in state
        if first:
            state["momentum_buffer"] = xp.zeros_like(param)
        for p, g, b, t in pieces(param, grad, state["momentum_buffer"]):
            d = penalised(g, p, group["weight_decay"], group["l1"], t)
            b *= momentum
            b += d if first or damped == 1 else damped * d
            if group["nesterov"]:
                p -= lr * (d + momentum * b)
            else:
                p -= xp.multiply(b, lr, out=t)
