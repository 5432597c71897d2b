"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn import backend
from gpunn.optim.optimizer import Optimizer, penalised, pieces


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012): v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v) + eps).

    `centered` divides by the standard deviation instead (Graves 2013, eq. 40): v - a^2 with a the mean gradient.
    With `momentum`, the quotient feeds b = momentum b + quotient, and p -= lr b.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "momentum": momentum, "centered": centered, "l1": l1})

    def check(self, group):
        if not 0 <= group["alpha"] <= 1:
            raise ValueError(f"RMSprop: alpha must lie in [0, 1], got {group['alpha']}; the usual value is 0.99")

    def update(self, param, grad, state, group):
        alpha, eps = group["alpha"], group["eps"]
        xp = backend.array_module(param)
        names = ["square_avg", *["grad_avg"] * bool(group["centered"]), *["momentum_buffer"] * bool(group["momentum"])]
        for name in names:
            if name not in state:
                state[name] = xp.zeros_like(param)
        for p, g, v, *rest, t in pieces(param, grad, *(state[name] for name in names)):
            if group["weight_decay"] or group["l1"]:
                g = penalised(g, p, group["weight_decay"], group["l1"], xp.empty_like(t))
            v *= alpha
            xp.multiply(g, g, out=t)
            t *= 1 - alpha
            v += t
            if group["centered"]:
                a = rest[0]
                a *= alpha
                a += xp.multiply(g, 1 - alpha, out=t)
                xp.subtract(v, xp.multiply(a, a, out=t), out=t)
                xp.sqrt(t, out=t)
            else:
                xp.sqrt(v, out=t)
            t += eps
            xp.divide(g, t, out=t)
            if group["momentum"]:
                b = rest[-1]
                b *= group["momentum"]
                b += t
                t[...] = b
            t *= group["lr"]
            p -= t
