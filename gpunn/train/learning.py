"""What a Trainer does with one batch: learns from it, or measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.errors import TrainingError
from gpunn.ops.counts import Count, counting
from gpunn.optim import clip_grad_norm_
from gpunn.train.readings import Step, counts_nothing, every, may_count_nothing, measured, read
from gpunn.train.standing import Standing


class Learning(Standing):
    """The steps of a Trainer."""

    loss_fn: Callable
    read_every: int | None

    def step(self, x: Operand, y: Operand, last: bool = True, given: Any = None) -> dict[str, Any]:
        """Learn from one batch; returns its loss and metrics, taken before.

        These are numbers, or with `read_every` above 1 what the device will know. The weights are updated by each batch
        or, with `accumulate`, by each so many and the epoch's `last`; by none whose labels are all ignored. For labels
        on a GPU this is known by `given`, the same on the host: else such a batch has gradients of 0.
        """
        self.taken, self.updated = self._learn(x, y, last, given)
        if self.updated and self.schedule is not None and self.schedule.per_step:
            self.schedule.step()
        return self.taken.values

    def _learn(self, x: Operand, y: Operand, last: bool, given: Any) -> tuple[Step, bool]:
        """All of a step that is the device's work: what it measured, and whether it updated the weights."""
        self.optimizer.zero_grad()
        # Running statistics have taken the batch in before the loss says whether anything counts.
        before = [(b, b.copy()) for b in self.model.buffers()] if may_count_nothing(y, given) else []
        taken, loss, counts = self._forward(x, y)
        nothing = counts_nothing(counts, y, given)
        for buffer, value in before if nothing else ():
            buffer[...] = value
        weight = None if nothing else taken.counts.get("loss", len(x))
        if nothing:
            taken.counts = dict.fromkeys(taken.values, 0)
        now = every(self.read_every, x) == 1
        if now:
            read([taken])
            self._check(taken)
        if not nothing:
            loss.backward()
        updated = self._gradients_ready(weight, last)
        if updated:
            self._update(taken, now)
        return taken, updated

    def _forward(self, x: Operand, y: Operand) -> tuple[Step, Tensor, Sequence[Count]]:
        """The loss and metrics of a batch as a step, the loss with its history, and what its mean is of."""
        output = self.model(x)
        with counting() as counts:
            loss = self.loss_fn(output, y)
        values, weights = measured(self.metrics, loss, output, y, counts)
        return Step(values, len(x), None, *self._at(), counts=weights), loss, counts

    def _gradients_ready(self, weight: Any, last: bool) -> bool:
        """Whether the parameters' gradients are those of an update; if not, they were put aside. None: of nothing."""
        parts = self.accumulation
        if parts.every == 1:
            return weight is not None
        if weight is None:
            parts.skip()
        else:
            parts.add(self.optimizer.parameters(), weight)
        if parts.batches < parts.every and not last:
            return False
        return parts.release(self.optimizer.parameters())

    def _update(self, taken: Step, now: bool) -> None:
        if self.grad_clip is not None:
            taken.norm = self.grad_norm = clip_grad_norm_(self.model.parameters(), self.grad_clip)
            if now:
                self._check(Step({}, 0, float(taken.norm), *self._at()))
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model)

    def _check(self, step: Step) -> None:
        if problem := step.problem():
            raise TrainingError(f"Trainer.fit: {problem}; {self.advice()}")
