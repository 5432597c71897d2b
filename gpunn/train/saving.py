"""The Checkpoint callback: the files of a run folder from which weights are taken and runs go on."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpunn import backend
from gpunn.errors import CheckpointError, TrainingError, UsageError
from gpunn.files import link_atomically
from gpunn.kinds import COUNT, TEXT, maybe, record
from gpunn.stopping import STOPS
from gpunn.terminal import say
from gpunn.train.callbacks import Best, Callback
from gpunn.train.checkpoint import load_checkpoint, save_checkpoint
from gpunn.train.history import VALUE
from gpunn.train.readings import Step, read
from gpunn.train.resume import TABLE, capture
from gpunn.train.standing import Standing


class Checkpoint(Callback):
    """Saves into `folder` before the first step, after every epoch, and on Ctrl-C or SIGTERM between two steps.

    `checkpoint.npz` is, beside `history.csv`, everything that a run needs to go on; `last.npz` the weights alone
    (averaged, with an EMA), `best.npz` the weights of the epoch whose `monitor` is best: by default val_accuracy, else
    val_loss, else train_loss, the first that the run has. `every` saves checkpoint.npz each so many steps as well. An
    epoch costs the same however many there were: the history grows by a line. Weights that are not finite are never
    saved.
    """

    STATE = record({"monitor": TEXT, "value": maybe(VALUE), "epoch": COUNT})

    def __init__(
        self,
        folder: str | os.PathLike,
        monitor: str | None = None,
        mode: str | None = None,
        every: int | None = None,
    ):
        if every is not None and every < 1:
            raise UsageError(f"Checkpoint: every must be at least 1 step, got {every}")
        self.folder, self.mode, self.every = Path(folder), mode, every
        self.path, self.table = self.folder / "checkpoint.npz", self.folder / TABLE
        self.best = Best(monitor, mode) if monitor else None
        self.saved = False

    def on_fit_start(self, trainer: Standing) -> None:
        fresh = not self.saved and trainer.resumed_from != self.path.resolve()
        if fresh and trainer.writes and has_begun(self.folder):
            raise UsageError(
                f"Checkpoint: {self.folder} already holds a run, which would be overwritten; "
                f"go on with it (resume={str(self.folder)!r}) or choose another folder"
            )
        if trainer.writes:
            trainer.history.keep_csv(self.table)  # a killed run may have left half a line, or one that is not saved
        if not fresh:
            self._replace_best(trainer)
        if fresh:
            self.save(trainer)  # before the first step, so that a run killed at any time can be gone on with

    def _replace_best(self, trainer: Standing) -> None:
        """Where best.npz is gone, let the last epoch's weights be the best, and say so."""
        best, last = self.folder / "best.npz", self.folder / "last.npz"
        here = trainer.writes and self.best is not None and last.exists()
        if not here or os.path.lexists(best) or not len(trainer.history):
            return
        say(f"gpunn: {best} is gone; the last epoch's weights are the best from now on")
        save_checkpoint(best, load_checkpoint(last))
        self.best = Best(self.best.monitor, self.mode)  # pyright: ignore[reportOptionalMemberAccess]: here
        self.best.improved(trainer.history[-1], "Checkpoint")

    def on_batch_end(self, trainer: Standing) -> None:
        if self.every and trainer.steps % self.every == 0:
            self.save(trainer)

    def on_epoch_end(self, trainer: Standing) -> None:
        check_finite(trainer)
        if self.best is None:
            columns = ("val_accuracy", "val_loss", "train_loss")
            self.best = Best(next(name for name in columns if trainer.row.get(name) is not None), self.mode)
        better = self.best.improved(trainer.row, "Checkpoint")
        if trainer.writes:
            self._keep_weights(trainer, better)
        self.save(trainer)

    def _keep_weights(self, trainer: Standing, better: bool) -> None:
        """Write last.npz, and best.npz where these are the best."""
        weights = {"info": trainer.info, "row": trainer.row, "model": trainer.weights()}
        save_checkpoint(self.folder / "last.npz", weights)
        if better:
            try:
                link_atomically(self.folder / "last.npz", self.folder / "best.npz")  # the same weights once on the disk
            except (OSError, AttributeError):  # a file system, or a system, without links
                save_checkpoint(self.folder / "best.npz", weights)

    def on_exception(self, trainer: Standing, error: BaseException) -> None:
        # Between two steps the state is whole; within one, the last checkpoint is the better one.
        if isinstance(error, STOPS) and trainer.between_steps and (trainer.agreed or trainer.group.size == 1):
            self.save(trainer)

    def save(self, trainer: Standing) -> None:
        """Write checkpoint.npz; TrainingError, and the previous one kept, where a loss or a weight is not finite."""
        trainer.read()
        check_finite(trainer)
        if trainer.writes:
            trainer.history.keep_csv(self.table)
        state = capture(trainer, self.table)
        if trainer.writes:
            save_checkpoint(self.path, state)
        self.saved = True
        trainer.last_saved = f"{self.path} ({trainer.position()})"
        if trainer.writes and trainer.group.client is not None:
            trainer.group.client.put("checkpoint", trainer.last_saved)

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.best.monitor, **self.best.state_dict()} if self.best else {}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        if saved and (self.best is None or self.best.monitor == saved["monitor"]):
            self.best = Best(saved["monitor"], self.mode)
            self.best.load_state_dict(saved)


def has_begun(folder: Path) -> bool:
    """Whether the run in `folder` has taken a step, which starting anew would lose."""
    path = folder / "checkpoint.npz"
    if not path.exists():
        return False
    try:
        return load_checkpoint(path)["position"]["steps"] != 0
    except (CheckpointError, KeyError, TypeError):  # damaged, or a later version's
        return True


def check_finite(trainer: Standing) -> None:
    """TrainingError that names the first weight or buffer with a NaN or an infinity."""
    values = {name: a for name, a in trainer.model.named_arrays().items() if a.dtype.kind not in "iub"}
    counted = Step({name: a.size - backend.array_module(a).isfinite(a).sum() for name, a in values.items()}, 1)
    read([counted])  # of all weights at once
    for name, bad in counted.values.items():
        if bad:
            raise TrainingError(
                f"Trainer.fit: {name} holds {bad:.0f} of {values[name].size} values that are not finite at "
                f"{trainer.position()}, learning rate {trainer.learning_rate():g}; not saved; {trainer.advice()}"
            )


def new_run_folder(root: str | os.PathLike = "runs") -> Path:
    """Make and return the folder `<root>/<date>-<time>`, with a number behind it where two runs start in one second."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        folder = Path(root) / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise CheckpointError(
                f"new_run_folder: cannot make {folder}: {error.strerror}; choose another, as by gpunn train --out"
            ) from error
        return folder
    raise CheckpointError(f"new_run_folder: {root} holds 999 runs of {stamp}; choose another folder")
