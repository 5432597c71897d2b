"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn.optim.batch import Batch, Group, counted
from gpunn.optim.optimizer import Optimizer


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012): v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v) + eps).

    `centered` divides by the standard deviation instead (Graves 2013, eq. 40): v - a^2, where rounding makes it less 0,
    with a the mean gradient. With `momentum`, the quotient feeds b = momentum b + quotient, and p -= lr b.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.RMSprop([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0., -1.])
    """

    arrays, switches = ("square_avg", "grad_avg", "momentum_buffer"), ("centered", "momentum")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        l1: float = 0,
    ):
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        options |= {"centered": centered, "maximize": maximize, "l1": l1}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, capturable=capturable)

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, counted)
        squares, means = batch.state("square_avg"), batch.state("grad_avg", option="centered")
        buffers = batch.state("momentum_buffer", option="momentum")
        batch.rules.rmsprop(batch.params, squares, means, buffers, batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, _: int) -> tuple:
        """The struct Setting of kernels/optim/rmsprop.cu."""
        alpha, eps, momentum = group["alpha"], group["eps"], group["momentum"]
        decays = group["weight_decay"], group["l1"], group["maximize"]
        return group["lr"], alpha, 1 - alpha, eps, momentum, *decays
