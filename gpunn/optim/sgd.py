"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn.optim.batch import Batch, Group
from gpunn.optim.optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: b = momentum b + (1 - dampening) g; p -= lr b.

    `nesterov` steps along g + momentum b (Sutskever et al. 2013, in PyTorch's form). `weight_decay` and `l1` add
    weight_decay p and l1 sign(p) to the gradient. The first gradient fills b undamped, as in PyTorch.
    Memory: one array a parameter with momentum, none without.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0.8, -1.6])
    """

    arrays, switches = ("momentum_buffer",), ("momentum",)

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        l1: float = 0,
    ):
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        options |= {"nesterov": nesterov, "maximize": maximize, "l1": l1}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, fused=fused)

    def check(self, group: Group) -> None:
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={group['momentum']}, "
                f"dampening={group['dampening']}; set momentum=0.9"
            )

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, lambda states: ["momentum_buffer" not in state for state in states])
        buffers = batch.state("momentum_buffer", option="momentum")
        batch.rules.sgd(batch.params, buffers, batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, first: bool) -> tuple:
        """The struct Setting of kernels/optim/sgd.cu."""
        share = 1 if first else 1 - group["dampening"]
        decays = group["weight_decay"], group["l1"]
        return group["lr"], group["momentum"], share, *decays, group["nesterov"], group["maximize"]
