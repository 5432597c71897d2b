"""The progress of a run on the terminal."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm import tqdm

from gpunn.train.callbacks import Callback


class ProgressBar(Callback):
    """One tqdm bar an epoch with loss, accuracy, images/s and device.

    Args:
        bar: None shows bars on a terminal and, where the output is a file or a pipe, one plain line an epoch; True
            always shows bars, False never.
        file: where to write; stderr.
    """

    def __init__(self, bar: bool | None = None, file: TextIO | None = None):
        self.wanted, self.given = bar, file
        self.bar: Any = None

    @property
    def file(self) -> TextIO:
        return self.given or sys.stderr

    def on_epoch_start(self, trainer):
        if self.wanted is False or (self.wanted is None and not self.file.isatty()):
            return
        total = len(trainer.train_loader) if hasattr(trainer.train_loader, "__len__") else None
        self.bar = tqdm(
            total=total,
            initial=trainer.batch,
            desc=f"epoch {trainer.epoch + 1}/{trainer.epochs}",
            file=self.file,
            dynamic_ncols=True,
            unit="batch",
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}] {postfix}",
        )

    def on_batch_end(self, trainer):
        if self.bar is not None:
            # The text first and without a redraw: update() draws, at most ten times a second.
            self.bar.set_postfix_str(self._words(trainer, trainer.running.means(), ""), refresh=False)
            self.bar.update(1)

    def on_epoch_end(self, trainer):
        words = self._words(trainer, trainer.row, "train_")
        if trainer.row.get("val_loss") is not None:
            val = {k: v for k, v in trainer.row.items() if k.startswith("val_") and v is not None}
            words += "; " + ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in val.items())
        if self.bar is not None:
            self.bar.set_postfix_str(words, refresh=True)
            self._close()
        else:
            print(f"epoch {trainer.row['epoch']}/{trainer.epochs}: {words}", file=self.file, flush=True)

    def on_fit_end(self, trainer):
        if trainer.stop_reason:
            print(f"stopped early: {trainer.stop_reason}", file=self.file, flush=True)

    def on_exception(self, trainer, error):
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    @staticmethod
    def _words(trainer, values, prefix: str) -> str:
        names = ["loss", *trainer.metrics]
        parts = [f"{name} {values[prefix + name]:.4f}" for name in names if values.get(prefix + name) is not None]
        return ", ".join([*parts, f"{trainer.images_per_second():,.0f} images/s", trainer.device_name()])
