"""CapturedStep: a training step for one's own loop, which a GPU replays as one graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.asked import checked, current_precision
from gpunn.backend import Array, faults
from gpunn.cuda.ring import Reading
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.errors import RangeError, TrainingError, UsageError
from gpunn.nn import Module
from gpunn.optim import Optimizer
from gpunn.ranks.group import Group
from gpunn.train.ema import EMA
from gpunn.train.given import as_count, as_limit, as_metrics, check_parts
from gpunn.train.graphs import Batch
from gpunn.train.loss_scale import LossScale
from gpunn.train.one_step import COUNT, NORM, OneStep
from gpunn.train.ranks import group_of, join, sums_over
from gpunn.train.readings import EVERY, Step, read


class CapturedStep(OneStep):
    """A training step: zero_grad, model, loss, backward, optimizer. On `cuda` it is captured into a CUDA graph.

    The first two steps of each shape run as usual, the third is captured, and from then on a step is one launch, whose
    numbers that change (rates, counts, random masks) the host feeds. Weights, states and losses are bit for bit
    what they are without. A change of what the graph took as it was (a layer, an option such as dropout's p, a
    parameter's array, the model's device) makes it anew; an op that cannot be captured is named in a RuntimeWarning,
    and steps run as usual from then on. On other devices they always do.

    The last, smaller batch of an epoch is another shape: a graph of its own from the third epoch on, which works in the
    first one's memory and keeps gradients of its own. Eight shapes are captured at most, steps of others run as usual;
    `DataLoader(drop_last=True)` leaves one.

    Python code of the model, the loss and metrics runs when a step is captured, and in a replay not: what it prints, it
    prints no longer. What it assigns in each step to an attribute, a global or a list is noticed and not captured, and
    so is a change between steps of what it reads: attributes of Modules, and in the model's `forward`, the loss and
    metrics globals, closures, attributes of objects, elements of short lists and dicts. What lies deeper (an object in
    an object, what methods beside `forward` read) is not: call `forget()` after a change of it. A replay overwrites the
    gradients of the last: copy a `p.grad` that is to be kept.

    Args:
        model: a Module.
        loss: loss(model(x), y) -> scalar Tensor.
        optimizer: over the model's parameters.
        grad_clip: limit of the gradients' common norm; None for none.
        accumulate: steps an update, by their gradients' mean over all samples.
        ema: an EMA, which takes each update in.
        metrics: name -> function(output, target) -> an array or a Tensor of one element; or one that gpunn.train has,
            such as accuracy. With one that gives a number of the host steps are not captured.
        capture: False never captures; None does unless the environment has GPUNN_CAPTURE=0.
        precision: "fp32", "tf32", "bf16" or "fp16" (see gpunn.precision); None: what holds where a step is taken.
        ranks: the processes whose gradients are averaged, as dist.init() returns them; None: those that it joined, if
            any; False: this process alone. Each gives its own batches, as many as the others. Weights are rank 0's at
            first, from when the object is made. A step is captured and replayed on all ranks or on none, so that on
            `cuda` each first asks the others for the shapes of their batches: 0.2 ms between two processes of a host.

    Raises:
        UsageError: an option out of range, or a call from a second thread while a step of the first runs.

    Examples:
        >>> model = nn.Linear(3, 2)
        >>> optimizer = gpunn.optim.SGD(model.parameters(), lr=0.1)
        >>> step = gpunn.train.CapturedStep(model, ops.cross_entropy, optimizer)
        >>> x, y = np.ones((4, 3), np.float32), np.zeros(4, np.int64)
        >>> first, second = step(x, y), step(x, y)
        >>> float(second) < float(first)
        True
        >>> step.captured
        False
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        *,
        grad_clip: float | None = None,
        accumulate: int = 1,
        ema: EMA | None = None,
        metrics: Mapping[str, Callable] | None = None,
        capture: bool | None = None,
        precision: str | None = None,
        ranks: Group | bool | None = None,
    ):
        self.model, self.loss_fn, self.optimizer = model, loss, optimizer
        who = "CapturedStep"
        check_parts(who, model, optimizer, loss, ema)
        self.grad_clip, self.ema, self.metrics = as_limit(who, grad_clip), ema, as_metrics(who, metrics or {})
        self.group = group_of(who, ranks, model)
        self.accumulation = sums_over(self.group, as_count(who, "accumulate", accumulate))
        join(who, self.group, model, optimizer, {"accumulate": accumulate, "grad_clip": grad_clip})
        self.steps = 0  # so far
        self.capture, self.loss_scale = capture, LossScale()
        self.precision = None if precision is None else checked(precision)
        self._unread: list[StepLoss] = []

    @property
    def captured(self) -> bool:
        """Whether steps of some shape are a graph now."""
        return self.graphs.captured

    def __call__(self, x: Operand | Batch, y: Operand | None = None) -> StepLoss:
        """Learn from one batch; its loss, for which nobody waits until it is read.

        Shape:
            x: what the model takes, (N, ...). y: what the loss takes beside the output. Both may be on the host.
            In place of the two a loader's batch, which the step itself gathers where a Resident data set gave it.

        Raises what the ops raise for a wrong shape or dtype; every 50 steps also what `float()` of a loss does.
        """
        given: Any = x
        graphs, kind = self._kind()
        batch = given
        if not hasattr(x, "load"):
            if y is None and not (isinstance(x, (tuple, list)) and len(x) == 2):
                raise UsageError("CapturedStep: y is missing; pass inputs and targets, step(x, y), or a pair of them")
            batch = _placed(graphs.frozen.parameters[0].array, *(given if y is None else (given, y)))
        calls = faults.last_serial() + 1
        with self._asking():
            self._batch = batch if current_precision() == "fp16" else None
            found = graphs.run(kind, batch, self._learn, self.steps + 1)
        self.steps += 1
        taken = StepLoss(self, found, self.steps, range(calls, faults.last_serial() + 1))
        self._unread.append(taken)
        if len(self._unread) >= EVERY:
            self.read()
        return taken

    def read(self) -> None:
        """Wait for all steps so far.

        TrainingError for the first whose loss or gradients' norm is not finite, IndexError for a label out of range.
        """
        unread, self._unread = self._unread, []
        self._look_at_scale()
        if not unread or _all_well(unread):
            return
        try:
            read([one.step for one in unread])
            wrong = next((one for one in unread if one.what_is_wrong()), None)
            if wrong is not None:
                self.graphs.clear_fault()
                faults.check()  # a wrong label's loss is NaN
        except RangeError as error:
            if met := [one.number for one in unread if error.call in one.step.calls]:
                error.in_step(met[0])
            raise
        if wrong is not None:
            raise wrong.error()

    def forget(self) -> None:
        """Capture anew: to be called where something was changed that nobody notices; see above."""
        self.graphs.forget()

    def _learn(self, x: Array, y: Array) -> dict[str, Any]:
        """All of a step; what it measures."""
        self.optimizer.zero_grad()
        taken, loss, _ = self._forward(x, y)
        due = self.accumulation.batches + 1 >= self.accumulation.every
        if self._gradients(loss, taken.counts.get("loss", len(x)), due):
            taken.norm = self._clipped()
            self._update()
        return {**taken.values, COUNT: taken.counts.get("loss"), NORM: taken.norm}


def _placed(weight: Any, *batch: Operand | None) -> tuple[Array, ...]:
    """A batch on the device of the model's weight."""
    arrays: list[Any] = [a.array if isinstance(a, Tensor) else a for a in batch]
    if not isinstance(weight, np.ndarray):  # CuPy's are most often there already
        kind, index = type(weight), weight.data.device_id
        if all([type(a) is kind and a.data.device_id == index for a in arrays]):
            return tuple(arrays)
    return tuple([backend.asarray(a, device=backend.device_of(weight)) for a in arrays])


def _all_well(taken: list[StepLoss]) -> bool:
    """Whether the device has watched all these steps, and has met no fault."""
    losses = [one.step.values["loss"] for one in taken]
    return all([type(loss) is Reading for loss in losses]) and losses[-1].measured.fault is None


class StepLoss:
    """What a step measured: `float()` of it is the loss, for which it waits.

    That raises TrainingError, naming the step, for the first loss or norm since the last read that was not finite, and
    IndexError for a label out of range. The mean of no labels, all of them ignored, is NaN and no error.
    """

    def __init__(self, owner: CapturedStep, found: Mapping[str, Any], number: int, calls: range):
        values = dict(found)
        count, norm = values.pop(COUNT), values.pop(NORM)
        rate = float(owner.optimizer.param_groups[0]["lr"])
        counts = {} if count is None else {"loss": count}
        self.step = Step(values, 0, norm, number=number, learning_rate=rate, calls=calls, counts=counts)
        self.number, self._owner = number, owner

    def __float__(self) -> float:
        self._owner.read()
        if self.what_is_wrong():
            raise self.error()
        return float(self.step.values["loss"])

    def item(self) -> float:
        """The loss."""
        return float(self)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec)

    def __repr__(self) -> str:
        return f"StepLoss(step {self.number})"

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name, waited for."""
        self._owner.read()
        return {name: float(value) for name, value in self.step.values.items() if name != "loss"}

    @property
    def norm(self) -> float | None:
        """The norm of the gradients before they were clipped; None where the step clipped none."""
        self._owner.read()
        return None if self.step.norm is None else float(self.step.norm)

    def what_is_wrong(self) -> str:
        """The first of loss and norm that is not finite, in words, once it was read; "" where both are."""
        return self.step.wrong()

    def error(self) -> TrainingError:
        """The error that says so."""
        rate = self.step.learning_rate
        clip = "" if self._owner.grad_clip is not None else ", or clip the gradients (grad_clip=1.0)"
        return TrainingError(
            f"CapturedStep: {self.what_is_wrong()} in step {self.number}, learning rate {rate:g}"
            f"{self._owner._overflow()}; go back to weights "
            f"saved before, and lower the learning rate, such as to {rate / 10:g}{clip}"
        )
