"""What a step does on the device, whoever takes it: a Trainer, or a CapturedStep in a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunn.backend import Array
from gpunn.engine.tensor import Tensor
from gpunn.nn import Module
from gpunn.ops.counts import Count, counting
from gpunn.optim import clip_grad_norm_
from gpunn.train.accumulate import Accumulation
from gpunn.train.ema import EMA
from gpunn.train.frozen import Frozen
from gpunn.train.graphs import Graphs, Host
from gpunn.train.readings import Step, measured

COUNT, NORM = "count of the loss", "norm of the gradients"  # beside the loss and the metrics in what a graph measures


class OneStep:
    """The parts of a step: forward, what becomes of the gradients, and the update."""

    model: Module
    loss_fn: Callable
    optimizer: Any  # an Optimizer; None where nothing is trained
    metrics: dict[str, Callable]
    accumulation: Accumulation
    grad_clip: float | None
    ema: EMA | None

    def _forward(self, x: Array, y: Array) -> tuple[Step, Tensor, Sequence[Count]]:
        """The loss and metrics of a batch as a step, the loss with its history, and what its mean is of."""
        output = self.model(x)
        with counting() as counts:
            loss = self.loss_fn(output, y)
        values, weights = measured(self.metrics, loss, output, y, counts)
        return Step(values, len(x), counts=weights), loss, counts

    def _gradients_ready(self, weight: Any, due: bool) -> bool:
        """Whether the parameters' gradients are those of an update; if not, they were put aside.

        The weight is what the batch's mean was divided by, None where nothing counted; `due`: an update is to follow.
        """
        parts = self.accumulation
        if parts.every == 1:
            return weight is not None
        if weight is None:
            parts.skip()
        else:
            parts.add(self.optimizer.parameters(), weight)
        return due and parts.release(self.optimizer.parameters())

    def _clipped(self) -> Array | float | None:
        """The norm that the gradients had before they were clipped; None without clipping."""
        return None if self.grad_clip is None else clip_grad_norm_(self.optimizer.parameters(), self.grad_clip)

    def _update(self) -> None:
        """Move the weights, and their average after them."""
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model)

    def _new_graphs(self, who: str, capture: bool | None, say: Callable[[str], object] | None = None) -> Graphs:
        """What will be captured of such steps; their names for what they measure are "loss", COUNT and NORM."""
        roots = [root for root in (self.model, self.loss_fn) if isinstance(root, Module)]
        parameters = tuple if self.optimizer is None else self.optimizer.parameters
        host = Host(self.accumulation.counted, self.accumulation.set_counted)
        return Graphs(who, Frozen(roots, parameters), {"loss": COUNT, NORM: None}, capture, say, host)
