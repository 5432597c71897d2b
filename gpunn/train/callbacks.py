"""Callbacks: what a run does beside training. Each gets the Trainer, and ends the run by setting its `stop_reason`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from gpunn.errors import UsageError
from gpunn.kinds import COUNT, Kind, array, maybe, record, table_of
from gpunn.optim import grad_norm
from gpunn.stopping import STOPS
from gpunn.terminal import say
from gpunn.text import brief
from gpunn.train.history import STATE as ROWS
from gpunn.train.history import VALUE, History
from gpunn.train.plots import draw_curves
from gpunn.train.readings import EVERY, Step, read
from gpunn.train.standing import Standing

BEST = record({"value": maybe(VALUE), "epoch": COUNT})


class Callback:
    """Base class; every method does nothing.

    During a run the Trainer holds `epoch` and `batch` (finished ones, from 0), `steps`, `running` (the epoch's means as
    far as they were read from the device; `trainer.read()` reads the rest), `row` (the last epoch's history row),
    `history`, `model`, `optimizer`. What a callback has to remember over a resume it gives in `state_dict`: numbers,
    words, arrays, lists and dicts of them. `STATE` says what that is: a damaged checkpoint is refused before it is
    taken.
    """

    STATE: Kind | None = None
    tells = False  # whether it only tells people of the run: rank 0's does, those of other ranks are not called

    def on_fit_start(self, trainer: Standing) -> None: ...
    def on_epoch_start(self, trainer: Standing) -> None: ...
    def on_batch_end(self, trainer: Standing) -> None: ...
    def on_epoch_end(self, trainer: Standing) -> None: ...
    def on_fit_end(self, trainer: Standing) -> None: ...

    def on_exception(self, trainer: Standing, error: BaseException) -> None:
        """Called when the run ends by an error, by Ctrl-C or by SIGTERM, before that is raised."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None: ...


class Best:
    """The best value of a history column so far. NaN is never better."""

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0):
        if mode not in (None, "min", "max"):
            raise UsageError(f"mode is {mode!r}, expected 'min', 'max' or None (minimise a loss, maximise the rest)")
        self.monitor, self.min_delta = monitor, min_delta
        self.sign = -1.0 if (mode or ("min" if "loss" in monitor else "max")) == "min" else 1.0
        self.value: float | None = None
        self.epoch = 0

    def improved(self, row: Mapping[str, Any], caller: str) -> bool:
        """Whether the row beats the best by more than `min_delta`; if so it is the best from now on."""
        value = row.get(self.monitor)
        if value is None:
            there = [name for name, v in row.items() if v is not None]
            raise UsageError(
                f"{caller}: no {self.monitor!r} in the epoch's row, which has {there}; "
                "monitor one of these, or pass a val_loader to fit"
            )
        best = -math.inf if self.value is None else self.sign * self.value
        if not self.sign * value > best + self.min_delta:
            return False
        self.value, self.epoch = value, row["epoch"]
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "epoch": self.epoch}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.value, self.epoch = saved["value"], saved["epoch"]


class EarlyStopping(Callback):
    """Stops after `patience` epochs in which `monitor` did not improve by `min_delta`, and restores the best weights.

    NaN is no improvement, and `stop_reason` says so.
    The weights are restored at the end of every fit, stopped early or not, unless `restore_best` is False. Cost: one
    copy of the weights, on the model's device.
    """

    STATE = record({"best": BEST, "waited": COUNT, "weights": table_of(array())})

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ):
        if not isinstance(monitor, str):
            raise UsageError(f"EarlyStopping: monitor is {brief(monitor)}, expected a name such as 'val_loss'")
        if not (isinstance(patience, Integral) and patience >= 1 and isinstance(min_delta, Real) and min_delta >= 0):
            got = f"{brief(patience)} and {brief(min_delta)}"
            raise UsageError(f"EarlyStopping: expected patience >= 1 and min_delta >= 0, got {got}")
        self.best, self.patience, self.restore_best = Best(monitor, mode, min_delta), patience, restore_best
        self.waited = 0
        self.weights: dict[str, Any] = {}

    def on_fit_start(self, trainer: Standing) -> None:
        self._stop_if_due(trainer)

    def on_epoch_end(self, trainer: Standing) -> None:
        if self.best.improved(trainer.row, "EarlyStopping"):
            self.waited = 0
            self.weights = trainer.weights() if self.restore_best else {}
        else:
            self.waited += 1
        self._stop_if_due(trainer)

    def on_fit_end(self, trainer: Standing) -> None:
        if self.weights:
            trainer.model.load_state_dict(self.weights)

    def _stop_if_due(self, trainer: Standing) -> None:
        if self.waited >= self.patience:
            trainer.stop_reason = self._reason(trainer.row.get(self.best.monitor, 0.0))

    def _reason(self, value: float) -> str:
        monitor, best, epochs = self.best.monitor, self.best, f"{self.waited} epochs"
        if best.value is None:
            return f"{monitor} was NaN or infinite in each of {epochs}; look at what it is computed from"
        now = "" if math.isfinite(value) else f", now {value}"
        return f"{monitor} has not improved for {epochs}{now}; best {best.value:.6g} in epoch {best.epoch}"

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.state_dict(), "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.best.load_state_dict(saved["best"])
        self.waited, self.weights = saved["waited"], saved["weights"]


class GradientNormLog(Callback):
    """The gradients' common 2-norm, before clipping: each epoch's mean and largest, in `rows` and, given `path`, a CSV.

    Cost: one pass over all gradients a step, read by the host once in many; `every` skips steps. Without `path` each
    checkpoint carries the rows.
    """

    tells = True
    STATE = record({"rows": ROWS, "count": COUNT, "total": VALUE, "largest": VALUE})

    def __init__(self, path: str | os.PathLike | None = None, every: int = 1):
        if every < 1:
            raise UsageError(f"GradientNormLog: every must be >= 1, got {every}")
        self.path, self.every = path, every
        self.history = History()
        self._start()

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.history.rows

    def _start(self) -> None:
        self.count, self.total, self.largest = 0, 0.0, 0.0
        self.unread: list[Step] = []

    def on_epoch_start(self, trainer: Standing) -> None:
        if trainer.batch == 0:  # else the epoch is a resumed one, and its first part counts
            self._start()

    def on_batch_end(self, trainer: Standing) -> None:
        if trainer.updated and trainer.steps % self.every == 0:
            norm = grad_norm(trainer.model.parameters()) if trainer.grad_norm is None else trainer.grad_norm
            self.unread.append(Step({}, 1, norm))
            if len(self.unread) >= EVERY:
                self._read()

    def _read(self) -> None:
        read(self.unread)
        for step in self.unread:
            self.count, self.total, self.largest = self.count + 1, self.total + step.norm, max(self.largest, step.norm)
        self.unread = []

    def on_epoch_end(self, trainer: Standing) -> None:
        self._read()
        mean = self.total / self.count if self.count else None
        largest = self.largest if self.count else None
        self.history.append({"epoch": trainer.row["epoch"], "mean": mean, "largest": largest})
        if self.path is not None:
            self.history.keep_csv(self.path, ["epoch", "mean", "largest"])

    def state_dict(self) -> dict[str, Any]:
        self._read()
        rows = self.history.state_dict(self.path)
        return {"rows": rows, "count": self.count, "total": self.total, "largest": self.largest}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.history, self.unread = History.resumed(saved["rows"], self.path), []
        self.count, self.total, self.largest = saved["count"], saved["total"], saved["largest"]


class HistoryFiles(Callback):
    """Keeps `history.csv` and `curves.png` of a run folder.

    The table gets a line after every epoch, the picture ten seconds after the one before and at the end, however that
    comes. A picture that cannot be drawn, as without matplotlib, ends no run: a line says so once.
    """

    tells = True

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.drawn_at, self.drawn_rows = math.inf, 0  # drawing takes 0.2 s: what is drawn already is not drawn again
        self.problem: str | None = None

    def on_fit_start(self, trainer: Standing) -> None:
        self.drawn_at, self.drawn_rows = time.monotonic(), 0

    def on_epoch_end(self, trainer: Standing) -> None:
        trainer.history.keep_csv(self.folder / "history.csv")
        if time.monotonic() - self.drawn_at > 10:
            self._draw(trainer)

    def on_fit_end(self, trainer: Standing) -> None:
        self._draw(trainer)

    def on_exception(self, trainer: Standing, error: BaseException) -> None:
        if isinstance(error, STOPS):
            self._draw(trainer)

    def _draw(self, trainer: Standing) -> None:
        if self.problem is None and len(trainer.history) > self.drawn_rows:
            metric = next(iter(trainer.metrics), "accuracy")
            self.problem = draw_curves(trainer.history, self.folder / "curves.png", metric)
            if self.problem:
                say(self.problem)
            self.drawn_at, self.drawn_rows = time.monotonic(), len(trainer.history)
