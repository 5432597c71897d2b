"""The training loop: fit -> epoch -> step, with callbacks, evaluation and exact resume."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from gpunn import backend, ops, random
from gpunn.asked import checked
from gpunn.backend import faults
from gpunn.errors import RangeError, UsageError
from gpunn.nn import Module
from gpunn.nn.state import copied
from gpunn.optim import Optimizer
from gpunn.optim.schedules import Schedule
from gpunn.ranks.group import Group
from gpunn.scalars import as_int
from gpunn.stopping import STOPS, with_words
from gpunn.train.batches import are_alike, with_last
from gpunn.train.callbacks import Callback
from gpunn.train.ema import EMA
from gpunn.train.given import (
    as_callbacks,
    as_count,
    as_limit,
    as_metrics,
    check_loader,
    check_parts,
    check_schedule,
)
from gpunn.train.history import History
from gpunn.train.interrupts import Interrupts
from gpunn.train.loss_scale import LossScale
from gpunn.train.metrics import Running, accuracy
from gpunn.train.ranks import common_numbers_after, group_of, sums_over, together
from gpunn.train.readings import read
from gpunn.train.resume import restore
from gpunn.train.run import Run, in_order
from gpunn.train.saving import check_finite

# Stream of gpunn.random for a run's dropout masks: apart from the initial weights, which are drawn from stream 0.
STREAM = 1


class Trainer(Run):
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
        who = "Trainer"
        check_parts(who, model, optimizer, loss_fn, ema)
        check_schedule(who, schedule)
        if read_every is not None:
            read_every = as_count(who, "read_every", read_every, "; leave it out for the default")
        clip = as_limit(who, grad_clip)
        super().__init__(model, optimizer, None if device is None else backend.device(device), out, clip)
        self.group = group_of(who, ranks, model)
        self.loss_fn, self.schedule = loss_fn, schedule
        self.metrics = {"accuracy": accuracy} if metrics is None else as_metrics(who, metrics)
        if self.device is not None:
            model.to(self.device)
        self.seed, self.info = None if seed is None else as_int(who, "seed", seed), dict(info or {})
        self.accumulation, self.ema = sums_over(self.group, as_count(who, "accumulate", accumulate)), ema
        self.callbacks = in_order(as_callbacks(who, callbacks), out)

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
        epochs = self._in_all(epochs, resume is not None)
        check_loader("Trainer.fit", "train_loader", train_loader)
        if val_loader is not None:
            check_loader("Trainer.fit", "val_loader", val_loader)
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
