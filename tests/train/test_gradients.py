"""Gradient norms layer by layer: what is logged, when, and over a resume."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn.errors import UsageError
from gpunn.train import Callback, History, LayerGradientLog
from tests.train.runs import loaders, trainer


class Watch(Callback):
    """The norms of all steps, computed anew."""

    def __init__(self):
        self.seen = {}

    def on_batch_end(self, trainer):
        self.seen[trainer.steps] = [np.linalg.norm(trainer.model[i].weight.gradient) for i in (0, 5)]


def test_rows_hold_each_layers_norm(tmp_path):
    log, watch = LayerGradientLog(tmp_path / "gradients.csv", every=4), Watch()
    trainer(early=False, callbacks=[log, watch]).fit(*loaders(), epochs=2)
    assert [row["step"] for row in log.rows] == [1, 5, 9]
    for row in log.rows:
        assert list(row) == ["step", "0", "5"]  # the convolution and the linear layer; no batch norm, no bias
        assert [row["0"], row["5"]] == pytest.approx(watch.seen[row["step"]], rel=1e-5)
    saved = History.read_csv(tmp_path / "gradients.csv").rows
    assert [row["step"] for row in saved] == [1, 5, 9]
    assert [row["0"] for row in saved] == pytest.approx([row["0"] for row in log.rows])


def test_accumulated_gradients_are_logged_when_they_are_whole():
    """12 batches in 2 epochs of updates after batches 4, 6, 10 and 12: one row for each begun 5."""
    log, watch = LayerGradientLog(every=5), Watch()
    trainer(early=False, accumulate=4, callbacks=[log, watch]).fit(*loaders(), epochs=2)
    assert [row["step"] for row in log.rows] == [4, 6, 12]
    for row in log.rows:
        assert [row["0"], row["5"]] == pytest.approx(watch.seen[row["step"]], rel=1e-5)


def test_a_frozen_layer_has_none():
    log, run = LayerGradientLog(), trainer(early=False)
    run.model[0].weight.requires_grad = False
    run.callbacks.append(log)
    run.fit(*loaders(), epochs=1)
    assert log.rows[0]["0"] is None and log.rows[0]["5"] > 0
    again = LayerGradientLog()
    again.load_state_dict(log.state_dict())
    assert again.rows == log.rows


def test_resume_continues_the_table(tmp_path):
    whole, first, second = (LayerGradientLog(every=5) for _ in range(3))
    trainer(early=False, callbacks=[whole]).fit(*loaders(), epochs=4)
    trainer(early=False, out=tmp_path, callbacks=[first]).fit(*loaders(), epochs=2)
    trainer(early=False, out=tmp_path, callbacks=[second]).fit(*loaders(), epochs=4, resume=tmp_path)
    assert first.rows == whole.rows[: len(first.rows)] and len(first.rows) < len(whole.rows)
    assert second.rows == whole.rows


def test_every():
    with pytest.raises(UsageError, match="LayerGradientLog: every must be >= 1, got 0"):
        LayerGradientLog(every=0)
