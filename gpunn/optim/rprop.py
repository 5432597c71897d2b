"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn.optim.batch import Batch, Group, counted
from gpunn.optim.optimizer import Optimizer


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller and Braun 1993): each element steps by the sign of its gradient alone.

    Its step starts at `lr`, is multiplied by `etas[1]` where the sign stays and by `etas[0]` where it turns, which also
    leaves that step out, and stays within `step_sizes`. For whole batches: signs of small ones are noise. A gradient
    that is NaN has no sign, and makes the parameter NaN (PyTorch leaves it where it is, in silence).
    Memory: two arrays a parameter.

    Examples:
        >>> w = nn.Parameter([1.0, -2.0])
        >>> optimizer = gpunn.optim.Rprop([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([ 0.9, -1.9])
    """

    arrays = ("prev", "step_size")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, options, foreach=foreach, differentiable=differentiable, capturable=capturable)

    def rule(self, batch: Batch) -> None:
        settings = batch.settings(self.numbers, counted)
        before, steps = batch.state("prev"), batch.state("step_size", first=lambda group: group["lr"])
        batch.rules.rprop(batch.params, before, steps, batch.grads, settings, batch.kept)

    @staticmethod
    def numbers(group: Group, _: int) -> tuple:
        """The struct Setting of kernels/optim/rprop.cu."""
        return *group["etas"], *group["step_sizes"], group["maximize"]
