"""What surrounds a Trainer's loop: batches and evaluation, the other ranks, callbacks and their folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from gpunn.dist.alike import share
from gpunn.engine.autograd import no_grad
from gpunn.errors import RangeError, UsageError
from gpunn.nn.state import evaluating
from gpunn.train.agreement import told
from gpunn.train.batches import Batch, batches, beginning
from gpunn.train.callbacks import Callback, HistoryFiles
from gpunn.train.given import as_count, check_loader
from gpunn.train.interrupts import Interrupts
from gpunn.train.learning import Learning
from gpunn.train.lock import alone_in
from gpunn.train.metrics import Running
from gpunn.train.ranks import join, together, use_own_numbers
from gpunn.train.saving import Checkpoint


class Run(Learning):
    """A Trainer, but for what its loop does in turn."""

    seed: int | None
    val_loader: Any
    _interrupts: Interrupts

    def evaluate(self, loader: Iterable) -> dict[str, float]:
        """Mean loss and metrics over a loader, in evaluation mode and without gradients."""
        check_loader("Trainer.evaluate", "loader", loader)
        running, unread = Running(), []
        self._agree("the start of an evaluation")
        share([b.array for b in self.model.buffers()], self.group)  # which each rank has of its own batches
        with self.device or nullcontext(), self._asking(), evaluating(self.model), no_grad():
            for number, (batch, _) in enumerate(self._batches(loader, 0, "loader")):
                self._agree(f"batch {number + 1} of an evaluation", number, batch)
                unread.append(self.measure(batch))
                if len(unread) >= self._every(batch):
                    running.take(unread)
            running.take(unread)
        running = together(running, self.group)
        if not running.count:
            raise UsageError("Trainer.evaluate: the loader gave no samples; pass one with at least one batch")
        return running.means()

    # batches, checks, callbacks

    def _batches(self, loader, start: int, what: str) -> Iterator[tuple[Batch, Any]]:
        return batches(loader, self.epoch, start, what, self.device, self.group)

    def _in_all(self, epochs: int, resumes: bool) -> int:
        """How many epochs there are to be, checked; a warning where all of them are done."""
        epochs = as_count("Trainer.fit", "epochs", epochs)
        if self.epoch >= epochs and not resumes:
            words = (
                f"Trainer.fit: {self.epoch} epochs are done, and epochs={epochs} counts all: nothing is left to train"
            )
            warnings.warn(f"{words}; pass epochs={self.epoch + 1} for one more", UserWarning, stacklevel=3)
        return epochs

    def _check_optimizer(self) -> None:
        own = {id(p) for p in self.model.parameters()}
        strange = sum(id(p) not in own for p in self.optimizer.parameters())
        if strange:
            raise UsageError(
                f"Trainer.fit: {strange} of the optimizer's parameters are not the model's: their updates would "
                "be lost; build the optimizer over model.parameters() of this very model"
            )

    # the other ranks

    def _join(self) -> None:
        """Begin as the other ranks do: alike, from rank 0's weights, with random numbers of one's own."""
        if self.group.size == 1:
            return
        own: dict[str, Any] = {"accumulate": self.accumulation.every}
        for name in ("seed", "epochs", "epoch", "steps", "read_every", "grad_clip"):
            own[name] = getattr(self, name)
        own |= {"precision": self.precision_name(), "ema": None if self.ema is None else self.ema.decay}
        for what, loader in (("loader", self.train_loader), ("validation loader", self.val_loader)):
            own |= {f"{what}'s {name}": value for name, value in beginning(loader).items()}
        join("Trainer", self.group, self.model, self.optimizer, own, self.schedule)
        use_own_numbers(self.group)

    def _agree(self, doing: str, number: int = 0, batch: Batch | None = None) -> None:
        """Raise what a signal stands for that came to any of the ranks; with a batch only before every so many.

        A `stop_reason` of one is all ranks'. DistError where they are at different places.
        """
        if self.group.size > 1:
            if batch is not None and number % self._every(batch):
                return
            found = told(self.group, doing, [self._interrupts.pending, self.stop_reason])
            self._interrupts.pending = max(pending for pending, _ in found)
            self.stop_reason = self.stop_reason or next((reason for _, reason in found if reason), None)
            self.agreed = self._interrupts.pending != 0
        self._interrupts.check()

    def _name_step(self, error: BaseException) -> None:
        """Add to the error of a number out of range the step that met it, whoever read it."""
        if isinstance(error, RangeError) and error.call:
            met = [step.number for step in self.unread if error.call in step.calls]
            if met or (not self.between_steps and error.call >= self.first_call):
                error.in_step(met[0] if met else self.steps + 1)
            self.unread = []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folders that callbacks write a run into."""
        with ExitStack() as held:
            for callback in self.callbacks if self.writes else ():
                if isinstance(callback, (Checkpoint, HistoryFiles)):
                    held.enter_context(alone_in(callback.folder))
            yield

    def _call(self, event: str, *args) -> None:
        for callback in self.callbacks:
            if self.writes or not callback.tells:
                getattr(callback, event)(self, *args)


def in_order(given: list[Callback], out: str | os.PathLike | None) -> list[Callback]:
    """The callbacks, then the one that saves, as what it saves includes what they learnt; then tables and pictures."""
    saving: list[Callback] = [c for c in given if isinstance(c, Checkpoint)]
    others = [c for c in given if not isinstance(c, Checkpoint)]
    if out is None:
        return others + saving
    return [*others, *(saving or [Checkpoint(out)]), HistoryFiles(out)]
