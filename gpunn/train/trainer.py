"""The training loop: fit -> epoch -> step, with callbacks, evaluation and exact resume."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from gpunn import backend, ops, random
from gpunn.asked import checked
from gpunn.backend import faults
from gpunn.dist.alike import share
from gpunn.engine.autograd import no_grad
from gpunn.errors import RangeError, UsageError
from gpunn.nn import Module
from gpunn.nn.state import copied, evaluating
from gpunn.optim import Optimizer
from gpunn.optim.schedules import Schedule
from gpunn.ranks.group import Group
from gpunn.stopping import STOPS, with_words
from gpunn.train.agreement import told
from gpunn.train.batches import Batch, are_alike, batches, beginning, with_last
from gpunn.train.callbacks import Callback, HistoryFiles
from gpunn.train.ema import EMA
from gpunn.train.history import History
from gpunn.train.interrupts import Interrupts
from gpunn.train.learning import Learning
from gpunn.train.lock import alone_in
from gpunn.train.loss_scale import LossScale
from gpunn.train.metrics import Running, accuracy
from gpunn.train.one_step import limit
from gpunn.train.ranks import (
    common_numbers_after,
    group_of,
    join,
    sums_over,
    together,
    use_own_numbers,
)
from gpunn.train.readings import read
from gpunn.train.resume import restore
from gpunn.train.saving import Checkpoint, check_finite

# Stream of gpunn.random for a run's dropout masks: apart from the initial weights, which are drawn from stream 0.
STREAM = 1


class Trainer(Learning):
    """Trains `model` with `optimizer` on batches (x, y) from a loader.

    Args:
        loss_fn: `loss_fn(model(x), y)` -> scalar Tensor.
        schedule: stepped after every epoch, or after every update where it is `per_step`, as OneCycleLR is;
            ReduceLROnPlateau with the epoch's validation loss, or without validation the training loss.
        callbacks: called in order; see Callback.
        metrics: name -> function(output, target) -> mean over the batch: a number, or what holds one and has not been
            waited for, an array or a Tensor of one element. Default: {"accuracy": accuracy}. Labels that the loss
            ignores are left out of it and of all means; a batch of nothing else changes no weight and no state.
        device: where model and batches go; None leaves them where they are.
        seed: starts gpunn.random's stream (dropout) anew at the beginning of a run; None leaves it as it is.
        out: run folder, made if missing, for best.npz, last.npz, checkpoint.npz, history.csv, curves.png; or None.
        grad_clip: limit of the gradients' common norm.
        accumulate: batches an update, by their gradients' mean over all samples; an epoch's last one takes the rest.
        ema: an EMA, which then is what validates and what is kept.
        read_every: steps between two reads of losses and metrics by the host; None: 1 on `cpu`, 50 on devices, which
            never wait in between. Means are the same. A loss that is not finite, or a label out of range, is found at
            the next read and its own step named; checkpoints are written after a read alone, so that none holds what
            came of it. `running` and the progress bar are as far behind as that.
        capture: on `cuda` steps and evaluation are captured into CUDA graphs, one launch a step, bit for bit the same
            results: the first two steps of a kind (a shape, a mode) run as usual, the third is captured. False captures
            nothing, nor does None where the environment has GPUNN_CAPTURE=0, nor `read_every=1`. An op that cannot be
            captured is named once, and steps run as usual. CapturedStep says which changes are noticed: after others
            call `trainer.graphs.forget()`.
        precision: "fp32", "tf32", "bf16" or "fp16", in which steps and evaluation multiply (see gpunn.precision);
            None: what holds where they run. Parameters, their gradients, checkpoints and losses stay float32.
        info: what a reader of the saved files should know (model name, data, options): numbers, words, lists, dicts.
        ranks: the processes that train together, as dist.init() returns them; None: those that it joined, if any;
            False: this process alone. The loader gives the batches of all ranks, of which each takes its part, the
            same on all ranks; where its sampler is a DistributedSampler, it gives a rank's own. Gradients are averaged
            over all samples: n ranks give on `cpu`, without batch normalisation, the bits of `accumulate=n` of batches
            an n-th as large. Weights start as rank 0's, which logs, draws and saves; history and validation are of all
            ranks, what `step` returns of this one. `fit`, `evaluate` and resuming are for all ranks to call.

    A loader is iterable anew each epoch and yields (x, y). If it has `set_epoch(epoch)` and `iter_from(batch)`, as
    gpunn.data.DataLoader, they choose the order and the first batch; else the batches before are read and dropped.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer | None,
        loss_fn: Callable = ops.cross_entropy,
        schedule: Schedule | None = None,
        callbacks: Iterable[Callback] = (),
        metrics: Mapping[str, Callable] | None = None,
        device: str | backend.Device | None = None,
        seed: int | None = None,
        out: str | os.PathLike | None = None,
        grad_clip: float | None = None,
        info: Mapping[str, Any] | None = None,
        accumulate: int = 1,
        ema: EMA | None = None,
        read_every: int | None = None,
        capture: bool | None = None,
        precision: str | None = None,
        ranks: Group | bool | None = None,
    ):
        if read_every is not None and read_every < 1:
            raise UsageError(
                f"Trainer: read_every must be at least 1 step, got {read_every}; leave it out for the default"
            )
        clip = limit("Trainer", grad_clip)
        super().__init__(model, optimizer, None if device is None else backend.device(device), out, clip)
        self.group = group_of("Trainer", ranks, model)
        self.loss_fn, self.schedule = loss_fn, schedule
        self.metrics = dict(metrics) if metrics is not None else {"accuracy": accuracy}
        if self.device is not None:
            model.to(self.device)
        self.seed, self.info = seed, dict(info or {})
        self.accumulation, self.ema = sums_over(self.group, accumulate), ema
        self.callbacks = _in_order(list(callbacks), out)

        self.read_every, self.capture, self.loss_scale = read_every, capture, LossScale()
        self.precision = None if precision is None else checked(precision)
        self.train_loader: Any = None
        self.val_loader: Any = None
        self.updated = False  # whether the last batch ended in an update of the weights
        self.grad_norm: Any = None
        self._interrupts = Interrupts()

    # fit -> epoch -> step

    def fit(
        self,
        train_loader: Iterable,
        val_loader: Iterable | None = None,
        epochs: int = 1,
        resume: str | os.PathLike | None = None,
    ) -> History:
        """Train until `epochs` epochs are done in all, and return the history.

        `resume` is a checkpoint or a run folder to go on from. Ctrl-C ends the current step, saves, and raises
        KeyboardInterrupt; SIGTERM and SIGHUP raise SystemExit with the status 143 or 129. A loss that is not finite
        raises TrainingError, a label out of range IndexError, and both leave the last good checkpoint.
        """
        if epochs < 1:
            raise UsageError(f"Trainer.fit: epochs must be >= 1, got {epochs}")
        self._check_optimizer()
        if self.ema is not None:
            self.ema.take_back(self.model)
        self.train_loader, self.val_loader, self.epochs, self.stop_reason = train_loader, val_loader, epochs, None
        where = self.device or nullcontext()
        with self._alone(), self._interrupts, where, self._asking(), common_numbers_after(self.group):
            if resume is not None:
                self.unread = []
                restore(self, resume)
            elif self.seed is not None and self.steps == 0:
                random.set_state(random.Generator(self.seed, STREAM).get_state())
            self._join()
            try:
                self._call("on_fit_start")
                while self.epoch < epochs and not self.stop_reason:
                    self._run_epoch()
                    self._agree(f"the end of epoch {self.epoch}")
                self.between_steps = False  # what the model gets now is to be kept, and not to be trained on
                if self.ema is not None:
                    self.ema.put_into(self.model)
                self._call("on_fit_end")
                self._agree("the end of the run")
                self.between_steps = True
            except BaseException as error:
                if self.ema is not None:
                    self.ema.take_back(self.model)  # a second Ctrl-C may have come while the weights were exchanged
                self._name_step(error)
                self._call("on_exception", error)
                if isinstance(error, STOPS):
                    raise with_words(error, self._stopped(error)) from None
                raise
        return self.history

    def _run_epoch(self) -> None:
        """Train on what is left of the epoch, validate, write the history row, and move on to the next epoch."""
        self.model.train()
        self._call("on_epoch_start")
        now, alike = time.perf_counter(), are_alike(self.train_loader)
        for (batch, given), last in with_last(self._batches(self.train_loader, self.batch, "train_loader")):
            self._agree(f"batch {self.batch + 1} of epoch {self.epoch + 1}", self.steps, batch)
            self.between_steps, self.first_call = False, faults.last_serial() + 1
            self._step(batch, last, given, alike)
            self.taken.calls = range(self.first_call, faults.last_serial() + 1)
            self.unread.append(self.taken)
            self.batch, self.steps, self.between_steps = self.batch + 1, self.steps + 1, True
            if last or len(self.unread) >= self._every(batch):
                self.read()
            before, now = now, time.perf_counter()
            self.running.seconds += now - before
            self._call("on_batch_end")
        self._agree(f"the end of epoch {self.epoch + 1}'s batches")
        check_finite(self)  # the last update, which no loss has shown yet
        with nullcontext() if self.ema is None else self.ema.inside(self.model):
            val = {} if self.val_loader is None else self.evaluate(self.val_loader)
        self.between_steps = False
        self._close_epoch(val, time.perf_counter() - now)
        self._call("on_epoch_end")
        self.between_steps = True

    def read(self) -> None:
        """Take the losses and metrics of the steps since the last read into `running`.

        TrainingError for the first loss or norm that is not finite, IndexError for a label out of range; each names
        the step.
        """
        try:
            read(self.unread)
        except RangeError as error:
            self._name_step(error)
            raise
        unread, self.unread = self.unread, []
        for step in unread:
            self._check(step)
            self.running.add(step.values, step.samples, step.counts, step.shares)
        self._look_at_scale()

    def _close_epoch(self, val: Mapping[str, float], val_seconds: float) -> None:
        self.running, self.seen_by_all = together(self.running, self.group), True
        means = self.running.means()
        if not means:
            raise UsageError(
                "Trainer.fit: train_loader gave no batches; it has to give some each time it is iterated "
                "(a generator is empty the second time)"
            )
        self.row = {"epoch": self.epoch + 1}
        for name in dict.fromkeys(["loss", "accuracy", *self.metrics]):
            self.row[f"train_{name}"], self.row[f"val_{name}"] = means.get(name), val.get(name)
        self.row["learning_rate"] = self.learning_rate()
        self.row["seconds"] = self.running.seconds + val_seconds
        self.row["images_per_second"] = self.images_per_second()
        self.history.append(self.row)
        if self.schedule is not None and not self.schedule.per_step:
            loss = self.row["train_loss"] if self.row["val_loss"] is None else self.row["val_loss"]
            self.schedule.step(*[loss] * self.schedule.watches)
        self.epoch, self.batch, self.running, self.seen_by_all = self.epoch + 1, 0, Running(), False

    def weights(self) -> dict[str, Any]:
        """A copy of the weights that the run is to keep: the averaged ones where it averages, else the model's."""
        return copied(self.model) if self.ema is None else self.ema.state_of(self.model)

    # evaluation

    def evaluate(self, loader: Iterable) -> dict[str, float]:
        """Mean loss and metrics over a loader, in evaluation mode and without gradients."""
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


def _in_order(given: list[Callback], out) -> list[Callback]:
    """The callbacks, then the one that saves, as what it saves includes what they learnt; then tables and pictures."""
    saving: list[Callback] = [c for c in given if isinstance(c, Checkpoint)]
    others = [c for c in given if not isinstance(c, Checkpoint)]
    if out is None:
        return others + saving
    return [*others, *(saving or [Checkpoint(out)]), HistoryFiles(out)]
