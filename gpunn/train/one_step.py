"""What a step does on the device, whoever takes it: a Trainer, or a CapturedStep in a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import is_
from typing import Any

from gpunn.asked import current_precision, precision
from gpunn.backend import Array, array_module
from gpunn.engine.tensor import Tensor
from gpunn.errors import TrainingError
from gpunn.nn import Module
from gpunn.ops.counts import Count, counting
from gpunn.optim import clip_grad_norm_
from gpunn.optim.accumulate import Accumulation
from gpunn.ranks.group import Group
from gpunn.train.agreement import Agreement
from gpunn.train.batches import Batch
from gpunn.train.ema import EMA
from gpunn.train.frozen import Frozen
from gpunn.train.given import check_loss
from gpunn.train.graphs import Graphs, Host
from gpunn.train.loss_scale import LossScale
from gpunn.train.overflow import overflow
from gpunn.train.readings import Step, measured

UPDATES = "step", "rule", "update"  # of an optimizer, which may be a program's own
COUNT, NORM = "count of the loss", "norm of the gradients"  # beside the loss and the metrics in what a graph measures


class OneStep:
    """The parts of a step: forward, what becomes of the gradients, and the update."""

    model: Module
    loss_fn: Callable
    optimizer: Any  # an Optimizer; None where nothing is trained
    metrics: dict[str, Callable]
    accumulation: Accumulation
    group: Group  # the ranks that take each step together
    grad_clip: float | None
    ema: EMA | None
    capture: bool | None
    precision: str | None = None  # None: what holds where the step is taken
    loss_scale: LossScale
    _graphs: Graphs | None = None
    _whose: tuple = ()  # the model and what updates it, of the graphs
    _used: dict[tuple[int, ...], tuple]  # by the ids that stand for them in the kinds of steps
    _batch: Batch | None = None  # the last one in fp16, as long as it is, to look for what overflowed
    _say_eager: Callable[[str], object] | None = None  # takes a sentence on why steps run eagerly, else a warning

    def precision_name(self) -> str:
        """The precision of its steps."""
        return self.precision or current_precision()

    def _asking(self) -> AbstractContextManager[Any]:
        """A block in which its own precision holds."""
        return nullcontext() if self.precision is None else precision(self.precision)

    def _overflow(self) -> str:
        """Which layer overflows in fp16 on the last batch, in words behind a semicolon; "" where none does."""
        with self._asking():
            return "" if self._batch is None else overflow(self.model, next(iter(self._batch)))

    def _look_at_scale(self) -> None:
        """Read the loss's scale. TrainingError where it has fallen too far, with the layer that overflows."""
        try:
            self.loss_scale.look()
        except TrainingError as error:
            raise TrainingError(f"{error}{self._overflow()}") from None

    def _forward(self, x: Array, y: Array) -> tuple[Step, Tensor, Sequence[Count]]:
        """The loss and metrics of a batch as a step, the loss with its history, and what its mean is of."""
        output = self.model(x)
        with counting() as counts:
            loss = self.loss_fn(output, y)
        check_loss(type(self).__name__, loss)
        values, weights = measured(self.metrics if len(x) else {}, loss, output, y, counts)
        if not len(x):  # this rank's part of a batch that is too small for all: programs' metrics take no such thing
            values |= dict.fromkeys(self.metrics, array_module(values["loss"]).zeros_like(values["loss"]))
            weights = dict.fromkeys(values, 0)
        return Step(values, len(x), counts=weights), loss, counts

    def _gradients(self, loss: Tensor, weight: float | Array | None, due: bool) -> bool:
        """Run backward; whether the parameters' gradients are those of an update: if not, they were put aside.

        The weight is what the batch's mean was divided by, None where nothing counted; `due`: an update is to follow.
        """
        parameters = list(self.optimizer.parameters())
        with self.accumulation.collecting(parameters, weight, due):
            if weight is not None:
                self._backward(loss)
        return due and self.accumulation.release(parameters)

    def _backward(self, loss: Tensor) -> None:
        """The gradients of the loss; in fp16 of the scaled one."""
        if current_precision() == "fp16":
            self.loss_scale.backward(loss)
        else:
            loss.backward()

    def _clipped(self) -> Array | float | None:
        """The norm that the gradients had before they were clipped; None without clipping."""
        scaled = current_precision() == "fp16"
        if scaled:
            self.loss_scale.unscale(self.optimizer)
        if self.grad_clip is None:
            return None
        norm = clip_grad_norm_(self.optimizer.parameters(), self.grad_clip)
        return self.loss_scale.norm(norm) if scaled else norm

    def _update(self) -> None:
        """Move the weights, and their average after them."""
        if current_precision() == "fp16":
            self.loss_scale.step(self.optimizer)
        else:
            self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model)

    # ---------------------------------------------------------------- graphs of it
    @property
    def graphs(self) -> Graphs:
        """What has been captured of such steps so far: anew where the model, its update or `capture` is another."""
        whose = self.model, self.optimizer, self.accumulation, self.capture
        if self._graphs is None or not all(map(is_, whose, self._whose)):
            if self._graphs is not None:
                self._graphs.forget()
            self._whose, self._used, self._graphs = whose, {}, self._new_graphs()
        return self._graphs

    def _new_graphs(self) -> Graphs:
        """None captured yet; their names for what they measure are "loss", COUNT and NORM."""
        parameters = tuple if self.optimizer is None else self.optimizer.parameters
        host = Host(self.accumulation.counted, self.accumulation.set_counted)
        frozen, watched = Frozen([self.model], parameters), {"loss": COUNT, NORM: None}
        return Graphs(type(self).__name__, frozen, watched, self.capture, self._say_eager, host, Agreement(self.group))

    def _kind(self, *what: object) -> tuple[Graphs, tuple]:
        """The graphs, and what tells steps apart in them beside batches.

        What that names by id is held, so that no other gets the id.
        """
        used, graphs = (self.loss_fn, self.ema, self.loss_scale, *self.metrics.values()), self.graphs
        ids = tuple(map(id, used))
        if ids not in self._used:
            self._used[ids] = used
            own = [getattr(self.optimizer, name, None) for name in UPDATES]
            graphs.look_at([self.loss_fn, *self.metrics.values(), *own])
        return graphs, (*what, self.grad_clip, self.accumulation.every, *self.metrics, ids)

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: what was captured is of these arrays alone."""
        return {**vars(self), "_graphs": None, "_batch": None}
