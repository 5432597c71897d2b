"""What a Trainer does with one batch: learns from it, or measures it; on `cuda` by replaying what it captured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpunn.asked import current_precision
from gpunn.backend import Array
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.errors import TrainingError
from gpunn.terminal import say
from gpunn.train.batches import Batch, samples
from gpunn.train.one_step import COUNT, NORM, OneStep
from gpunn.train.readings import EVERY, Step, counts_nothing, every, may_count_nothing, read
from gpunn.train.standing import Standing

UPDATED = "updated"  # beside what it measures in what a graph gives


class Learning(OneStep, Standing):
    """The steps of a Trainer."""

    read_every: int | None

    def step(self, x: Operand, y: Operand, last: bool = True, given: Any = None) -> dict[str, Any]:
        """Learn from one batch; returns its loss and metrics, taken before.

        These are numbers, or with `read_every` above 1 what the device will know. The weights are updated by each batch
        or, with `accumulate`, by each so many and the epoch's `last`; by none whose labels are all ignored. For labels
        on a GPU this is known by `given`, the same on the host: else such a batch has gradients of 0.
        """
        with self._asking():
            self._step((data_of(x), data_of(y)), last, given)
        return self.taken.values

    def _step(self, batch: Batch, last: bool, given: Any, alike: bool = False) -> None:
        due = last or self.accumulation.batches + 1 >= self.accumulation.every
        self._batch = batch if current_precision() == "fp16" else None
        # Where the host reads in the middle of a step, and may go on otherwise, there is nothing to replay.
        if self._every(batch) == 1 or self._may_stop_short(batch[1] if isinstance(batch, tuple) else None, given):
            x, y = batch
            self.taken, self.updated = self._learn(x, y, due, given)
        else:
            # Among ranks the epoch's last batch is a kind of its own: it may be smaller on some of them.
            (graphs, kind), number = self._kind("train", due, last and self.group.size > 1), self.steps + 1
            found = graphs.run(kind, batch, lambda x, y: _flat(*self._learn(x, y, due, given)), number, alike)
            self.taken, self.updated = self._whole(found, batch)
        if self.updated:
            self.grad_norm = self.taken.norm
            if self.schedule is not None and self.schedule.per_step:
                self.schedule.step()

    def _every(self, batch: Batch) -> int:
        return every(self.read_every, batch[0]) if isinstance(batch, tuple) else self.read_every or EVERY

    def measure(self, batch: Batch) -> Step:
        """The loss and metrics of a batch, which nobody learns from."""
        if self._every(batch) == 1:
            x, y = batch
            return self._forward(x, y)[0]
        graphs, kind = self._kind("evaluate")
        found = graphs.run(kind, batch, lambda x, y: _flat(self._forward(x, y)[0]), 0)
        return self._whole(found, batch)[0]

    # ---------------------------------------------------------------- the device's work
    def _learn(self, x: Array, y: Array, due: bool, given: Any) -> tuple[Step, bool]:
        """All of a step that is the device's work: what it measured, and whether it updated the weights."""
        self.optimizer.zero_grad()
        # Running statistics have taken the batch in before the loss says whether anything counts.
        before = [(b.array, b.array.copy()) for b in self.model.buffers()] if self._may_stop_short(y, given) else []
        taken, loss, counts = self._forward(x, y)
        taken.epoch, taken.number, taken.batch, taken.learning_rate = self._at()
        nothing = counts_nothing(counts, y, given)
        for buffer, value in before if nothing else ():
            buffer[...] = value
        weight = taken.counts.get("loss", len(x))
        if nothing:
            taken.counts = dict.fromkeys(taken.values, 0)
            weight = None if self.group.size == 1 else 0  # among ranks all run backward, for what passes between them
        now = self._every((x, y)) == 1
        if now:
            read([taken])
            self._check(taken)
        updated = self._gradients(loss, weight, due)
        if updated:
            taken.norm = self._clipped()
            if now:
                self._check(Step({}, 0, taken.norm if taken.norm is None else float(taken.norm), *self._at()))
            self._update()
        return taken, updated

    def _may_stop_short(self, y: Any, given: Any) -> bool:
        """Whether nothing may count in a batch, which then ends before backward: not among ranks, who need this one."""
        return self.group.size == 1 and may_count_nothing(y, given)

    def _check(self, step: Step) -> None:
        if problem := step.problem():
            raise TrainingError(f"Trainer.fit: {problem}{self._overflow()}; {self.advice()}")

    # ---------------------------------------------------------------- graphs of it
    def _say_eager(self, words: str) -> None:
        if self.writes:
            say(f"gpunn: {words}")

    def stated_precision(self) -> str:
        """The precision of its steps in words; "" for fp32."""
        name = self.precision_name()
        return "" if name == "fp32" else f"fp16, {self.loss_scale.words()}" if name == "fp16" else name

    def way(self) -> str:
        """How steps on a GPU run, "captured" or "eager"; "" elsewhere."""
        if not self.device_name().startswith("cuda"):
            return ""
        return "captured" if self._graphs is not None and self._graphs.captured else "eager"

    def _whole(self, found: Mapping[str, Any], batch: Batch) -> tuple[Step, bool]:
        """What `_flat` took apart."""
        values = dict(found)
        count, norm, updated = values.pop(COUNT), values.pop(NORM), values.pop(UPDATED)
        return Step(values, samples(batch), norm, *self._at(), counts={} if count is None else {"loss": count}), updated


def _flat(taken: Step, updated: bool = False) -> dict[str, Any]:
    """What a step gives by name, as graphs take it."""
    return {**taken.values, COUNT: taken.counts.get("loss"), NORM: taken.norm, UPDATED: updated}
