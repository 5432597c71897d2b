"""The progress of a run on the terminal, or in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from gpunn.bars import MINUTE, Lines, bar
from gpunn.terminal import say
from gpunn.train.callbacks import Callback
from gpunn.train.standing import Standing

LONG = 10.0  # seconds after which an epoch's length is foreseen


class ProgressBar(Callback):
    """A tqdm bar an epoch with loss, accuracy, images/s and device; at its end a line with these and the validation.

    Where epochs take over a minute, a line says so early, with an estimate. What cannot be shown ends no run: it is
    left out, and if the stream still takes words, they say so once.

    Args:
        bar: None shows bars on a terminal alone; where the output is a file or a pipe, the lines, and in long epochs
            one a minute. True always shows bars, False never.
        file: where to write; stderr.
    """

    tells = True

    def __init__(self, bar: bool | None = None, file: TextIO | None = None):
        self.wanted, self.given = bar, file
        self.bar: Any = None  # a tqdm or Lines
        self.failed = self.foreseen = self.warm = False
        self.first, self.started = 0, 0.0  # finished batches and the time, where the estimate is measured from

    @property
    def file(self) -> TextIO:
        return self.given or sys.stderr

    def on_fit_start(self, trainer: Standing) -> None:
        self.foreseen = False

    def on_epoch_start(self, trainer: Standing) -> None:
        self.warm, self.first, self.started = False, trainer.batch, time.monotonic()
        if self.wanted is not False:
            self._show(lambda: self._open(trainer))

    def _open(self, trainer: Standing) -> None:
        self.bar = bar(
            f"epoch {trainer.epoch + 1}/{trainer.epochs}",
            self.file,
            forced=bool(self.wanted),
            last=False,  # the epoch has a line of its own
            total=_batches(trainer),
            initial=trainer.batch,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )

    def on_batch_end(self, trainer: Standing) -> None:
        if not self.foreseen:
            self._foresee(trainer)
        if self.bar is not None:
            self._show(lambda: self._move(trainer))

    def _move(self, trainer: Standing) -> None:
        assert self.bar is not None
        if not isinstance(self.bar, Lines) or self.bar.due():
            # The text first and without a redraw: update() draws, at most ten times a second.
            self.bar.set_postfix_str(self._words(trainer, trainer.running.means(), ""), refresh=False)
        self.bar.update(1)

    def _foresee(self, trainer: Standing) -> None:
        """Say once a run, some seconds into it, how long its epochs will be."""
        total, taken = _batches(trainer), time.monotonic() - self.started
        if not self.warm and taken < MINUTE:  # the first batch may build kernels: measured from its end on
            self.warm, self.first, self.started = True, trainer.batch, time.monotonic()
        elif total is not None and taken > LONG:
            self._say_length(trainer, taken / (trainer.batch - self.first) * total)

    def _say_length(self, trainer: Standing, epoch: float) -> None:
        """A line where an epoch of so many seconds is over a minute."""
        self.foreseen = True
        if epoch > MINUTE:
            if self.bar is not None:
                self._show(self.bar.clear)
            left = trainer.epochs - trainer.epoch
            more = f", {left} of them {_spelled(left * epoch)}" if left > 1 else ""
            self._line(f"an epoch takes about {_spelled(epoch)}{more}")

    def on_epoch_end(self, trainer: Standing) -> None:
        self._close()
        words = self._words(trainer, trainer.row, "train_")
        if trainer.row.get("val_loss") is not None:
            val = {k: v for k, v in trainer.row.items() if k.startswith("val_") and v is not None}
            words += "; " + ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in val.items())
        self._line(f"epoch {trainer.row['epoch']}/{trainer.epochs}: {words}")
        if not self.foreseen and trainer.epoch < trainer.epochs:
            self._say_length(trainer, trainer.row["seconds"])

    def on_fit_end(self, trainer: Standing) -> None:
        if trainer.stop_reason:
            self._line(f"stopped early: {trainer.stop_reason}")

    def on_exception(self, trainer: Standing, error: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self._show(self.bar.close)
            self.bar = None

    def _line(self, words: str) -> None:
        trouble = say(words, self.file)
        if trouble is not None and self.given is not None:
            self._fail(trouble)

    def _show(self, draw: Callable[[], object]) -> None:
        try:
            draw()
        except Exception as error:
            self.bar = None
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self.failed:
            say(f"progress is not shown ({type(error).__name__}: {error})")
        self.failed = True

    @staticmethod
    def _words(trainer: Standing, values: Mapping[str, Any], prefix: str) -> str:
        names = ["loss", *trainer.metrics]
        parts = [f"{name} {values[prefix + name]:.4f}" for name in names if values.get(prefix + name) is not None]
        speed = values.get("images_per_second", trainer.images_per_second())  # the row's, once the epoch is over
        where = filter(None, (trainer.device_name(), trainer.way(), trainer.stated_precision()))
        return ", ".join([*parts, f"{speed:,.0f} images/s", *where])


def _batches(trainer: Standing) -> int | None:
    """How many batches an epoch has, where the loader knows."""
    try:
        return len(trainer.train_loader)
    except Exception:  # TypeError, or what the loader's own raises
        return None


def _spelled(seconds: float) -> str:
    """A time in the unit that it is talked of in."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 1.5 else f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
