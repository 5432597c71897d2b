"""The progress of a run on the terminal."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from tqdm import tqdm

from gpunn.train.callbacks import Callback
from gpunn.train.standing import Standing


class ProgressBar(Callback):
    """A tqdm bar an epoch with loss, accuracy, images/s and device; at its end a line with these and the validation.

    Args:
        bar: None shows bars on a terminal alone, where the output is a file or a pipe the lines; True always shows
            bars, False never.
        file: where to write; stderr.
    """

    def __init__(self, bar: bool | None = None, file: TextIO | None = None):
        self.wanted, self.given = bar, file
        self.bar: Any = None

    @property
    def file(self) -> TextIO:
        return self.given or sys.stderr

    def on_epoch_start(self, trainer: Standing) -> None:
        if self.wanted is False or (self.wanted is None and not self.file.isatty()):
            return
        total = len(trainer.train_loader) if hasattr(trainer.train_loader, "__len__") else None
        self.bar = tqdm(
            total=total,
            initial=trainer.batch,
            desc=f"epoch {trainer.epoch + 1}/{trainer.epochs}",
            file=self.file,
            leave=False,
            ncols=_columns(self.file),
            nrows=20,  # else tqdm asks the terminal, and one that reports no size would show nothing
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )

    def on_batch_end(self, trainer: Standing) -> None:
        if self.bar is not None:
            # The text first and without a redraw: update() draws, at most ten times a second.
            self.bar.set_postfix_str(self._words(trainer, trainer.running.means(), ""), refresh=False)
            self.bar.update(1)

    def on_epoch_end(self, trainer: Standing) -> None:
        words = self._words(trainer, trainer.row, "train_")
        if trainer.row.get("val_loss") is not None:
            val = {k: v for k, v in trainer.row.items() if k.startswith("val_") and v is not None}
            words += "; " + ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in val.items())
        self._close()
        print(f"epoch {trainer.row['epoch']}/{trainer.epochs}: {words}", file=self.file, flush=True)

    def on_fit_end(self, trainer: Standing) -> None:
        if trainer.stop_reason:
            print(f"stopped early: {trainer.stop_reason}", file=self.file, flush=True)

    def on_exception(self, trainer: Standing, error: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    @staticmethod
    def _words(trainer: Standing, values, prefix: str) -> str:
        names = ["loss", *trainer.metrics]
        parts = [f"{name} {values[prefix + name]:.4f}" for name in names if values.get(prefix + name) is not None]
        speed = values.get("images_per_second", trainer.images_per_second())  # the row's, once the epoch is over
        return ", ".join([*parts, f"{speed:,.0f} images/s", trainer.device_name()])


def _columns(file: TextIO) -> int:
    """Width of the terminal behind `file`; 100 where there is none or it does not say."""
    try:
        return os.get_terminal_size(file.fileno()).columns or 100
    except (OSError, ValueError):
        return 100
