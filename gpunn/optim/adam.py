"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gpunn.optim.batch import Batch, Group, counted
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import checked


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): steps along the mean gradient over the root of the mean square.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr m' / (sqrt(v') + eps), m' and v' corrected for their zero
    start. `weight_decay` and `l1` add weight_decay p and l1 sign(p) to the gradient. `amsgrad` stands where PyTorch has
    it, and can only be False. Memory: two arrays a parameter.
    """

    decoupled = False
    arrays = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        l1: float = 0,
    ):
        checked(type(self).__name__, {"amsgrad": amsgrad})
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "l1": l1})

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, counted)
        means, squares = batch.state("exp_avg"), batch.state("exp_avg_sq")
        batch.rules.adam(batch.params, means, squares, batch.grads, settings, batch.kept)

    def numbers(self, group: Group, t: int) -> tuple:
        """The struct Setting of kernels/optim/adam.cu at step t."""
        lr, (b1, b2), decay = group["lr"], group["betas"], group["weight_decay"]
        rate, root = lr / (1 - b1**t), math.sqrt(1 - b2**t)  # m / (1 - b1^t) and v / (1 - b2^t) start unbiased
        keep, decay = (1 - lr * decay, 0) if self.decoupled else (1, decay)
        return keep, decay, group["l1"], b1, 1 - b1, b2, 1 - b2, root, group["eps"], rate


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
        amsgrad: bool = False,
        *,
        l1: float = 0,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, l1=l1)
