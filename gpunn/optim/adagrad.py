"""Adagrad and Adadelta: a rate for each element, by the squares of its gradients."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn.optim.batch import Batch, Group, counted
from gpunn.optim.optimizer import Optimizer


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011): v += g^2; p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps).

    The sum v starts at `initial_accumulator_value`. It is RMSprop's kernel that computes this. Memory: one array a
    parameter.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.Adagrad([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0.9, -1.9])
    """

    arrays = ("sum",)

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        l1: float = 0,
    ):
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        options |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize, "l1": l1}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, fused=fused)

    def rule(self, batch: Batch) -> None:
        settings, none = batch.settings(self.numbers, counted), [None] * len(batch.params)
        start = float(self.defaults["initial_accumulator_value"])  # of all groups, as in PyTorch
        sums = batch.state("sum", first=lambda group: start)
        batch.rules.rmsprop(batch.params, sums, none, none, batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, t: int) -> tuple:
        """The struct Setting of kernels/optim/rmsprop.cu at step t: a mean square that is a sum."""
        rate = group["lr"] / (1 + (t - 1) * group["lr_decay"])
        return rate, 1, 1, group["eps"], 0, group["weight_decay"], group["l1"], group["maximize"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012): steps in the parameter's own unit, by the root mean squares of moves and gradients.

    v = rho v + (1 - rho) g^2; d = g sqrt(a + eps) / sqrt(v + eps); a = rho a + (1 - rho) d^2; p -= lr d.
    Memory: two arrays a parameter.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.Adadelta([w], lr=100.0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0.684, -1.684])
    """

    arrays = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        l1: float = 0,
    ):
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "l1": l1}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, capturable=capturable)

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, counted)
        squares, moves = batch.state("square_avg"), batch.state("acc_delta")
        batch.rules.adadelta(batch.params, squares, moves, batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, _: int) -> tuple:
        """The struct Setting of kernels/optim/adadelta.cu."""
        rho, decays = group["rho"], (group["weight_decay"], group["l1"], group["maximize"])
        return group["lr"], rho, 1 - rho, group["eps"], *decays
