"""Early stopping, gradient norms, history files, curves, the progress bar."""

import io
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from gpunn.errors import UsageError
from gpunn.nn.state import copied
from gpunn.train import EarlyStopping, GradientNormLog, History, HistoryFiles, ProgressBar, draw_curves
from gpunn.train.history import COLUMNS
from tests.train.runs import At, equal, loaders, trainer


class Feed:
    """A trainer as EarlyStopping sees it: a row an epoch, and weights that are that epoch's number."""

    def __init__(self):
        self.stop_reason, self.weight, self.row = None, None, {}

    @property
    def model(self):
        return self

    def weights(self):
        return {"w": np.array(float(self.row["epoch"]))}

    def load_state_dict(self, saved):
        self.weight = float(saved["w"])


def stopped(values, monitor="val_loss", **options):
    """Epoch after which it stops, and the epoch whose weights it restores."""
    stopping, feed = EarlyStopping(monitor, **options), Feed()
    stopping.on_fit_start(feed)
    for epoch, value in enumerate(values, 1):
        feed.row = {"epoch": epoch, monitor: value}
        stopping.on_epoch_end(feed)
        if feed.stop_reason:
            break
    stopping.on_fit_end(feed)
    return (epoch if feed.stop_reason else None), feed.weight


def test_when_it_stops():
    assert stopped([3, 2, 2.5, 2.2, 1], patience=2) == (4, 2)
    assert stopped([3, 2, 2.5, 1, 1.5], patience=2) == (None, 4)
    assert stopped([3, 2.95, 2.9], patience=2, min_delta=0.1) == (3, 1)
    assert stopped([0.5, 0.6, 0.55, 0.6], "val_accuracy", patience=2) == (4, 2)
    assert stopped([0.5, 0.6], "val_error", mode="min", patience=1) == (2, 1)
    assert stopped([2, math.nan, math.nan], patience=2) == (3, 1)
    assert stopped([2, 1, 3], patience=1, restore_best=False) == (3, None)


def test_it_restores_the_best_weights_of_a_real_run():
    run = trainer(early=False, callbacks=[EarlyStopping("val_loss", patience=2)], lr=0.3, schedule=False)
    seen = {}
    for epoch in range(1, 31):
        run.callbacks.append(At(lambda e=epoch: seen.update({e: copied(run.model)}), epoch=epoch))
    history = run.fit(*loaders(), 30)
    best = 1 + int(np.argmin(history.column("val_loss")))
    assert len(history) == best + 2 < 30
    assert run.stop_reason == (
        f"val_loss has not improved for 2 epochs; best {history[best - 1]['val_loss']:.6g} in epoch {best}"
    )
    assert equal(copied(run.model), seen[best]) and not equal(seen[best], seen[len(history)])


def test_a_stopped_run_that_is_resumed_stays_stopped_until_patience_is_raised(tmp_path):
    def build(patience):
        stopping = EarlyStopping("train_loss", patience=patience, mode="max")
        return trainer(tmp_path / "run", early=False, callbacks=[stopping])

    epochs = len(build(1).fit(*loaders(), 9))
    assert epochs < 9
    assert len(build(1).fit(*loaders(), 9, resume=tmp_path / "run")) == epochs
    assert len(build(2).fit(*loaders(), 9, resume=tmp_path / "run")) == epochs + 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("before", [0, 2])
def test_a_value_that_is_no_number_stops_by_its_name(value, before):
    stopping, feed = EarlyStopping("val_loss", patience=2), Feed()
    for epoch in range(1, before + 3):
        feed.row = {"epoch": epoch, "val_loss": 1 / epoch if epoch <= before else value}
        assert feed.stop_reason is None
        stopping.on_epoch_end(feed)
    if before:
        assert feed.stop_reason == f"val_loss has not improved for 2 epochs, now {value}; best 0.5 in epoch 2"
    else:
        assert feed.stop_reason == (
            "val_loss was NaN or infinite in each of 2 epochs; look at what it is computed from"
        )


def test_early_stopping_arguments():
    with pytest.raises(UsageError, match=r"expected patience >= 1 and min_delta >= 0, got 0 and 0"):
        EarlyStopping(patience=0)


def test_gradient_norms(tmp_path):
    log = GradientNormLog(tmp_path / "norms.csv")
    run = trainer(early=False, callbacks=[log])
    values = []
    run.callbacks.append(At(lambda: None))
    run.callbacks[-1].on_batch_end = lambda t: values.append(  # type: ignore[method-assign]
        math.sqrt(sum(float((p.gradient.astype(np.float64) ** 2).sum()) for p in t.model.parameters()))
    )
    run.fit(*loaders(), 2)
    assert [row["epoch"] for row in log.rows] == [1, 2]
    for row, part in zip(log.rows, (values[:6], values[6:]), strict=True):
        assert row["mean"] == pytest.approx(np.mean(part), rel=1e-5)
        assert row["largest"] == pytest.approx(max(part), rel=1e-5)
    assert (tmp_path / "norms.csv").read_text().startswith("epoch,mean,largest\n1,")
    with pytest.raises(UsageError, match="every must be >= 1, got 0"):
        GradientNormLog(every=0)


def test_history_csv(tmp_path):
    history = trainer(tmp_path / "run", early=False).fit(*loaders(), 2)
    path = tmp_path / "run" / "history.csv"
    lines = path.read_text().splitlines()
    names = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second"
    assert lines[0] == names and len(lines) == 3
    again = History.read_csv(path)
    assert [list(row) for row in again] == [list(COLUMNS)] * 2
    for row, other in zip(history, again, strict=True):
        assert other == pytest.approx(row, rel=1e-7)
    assert again.column("epoch") == [1, 2] and repr(history).startswith("History(2 epochs; epoch 2, train_loss ")
    with pytest.raises(KeyError, match="no column 'loss'; it has"):
        history.column("loss")


def test_history_without_validation(tmp_path):
    trainer(tmp_path / "run", early=False).fit(loaders()[0], epochs=1)
    row = History.read_csv(tmp_path / "run" / "history.csv")[0]
    assert row["val_loss"] is None and row["val_accuracy"] is None and row["train_loss"] > 0


def test_curves(tmp_path):
    pytest.importorskip("matplotlib", reason="curves.png needs matplotlib")
    history = History([{"epoch": 1, "train_loss": 2.0, "val_loss": None}, {"epoch": 2, "train_loss": 1.0}])
    assert draw_curves(history, tmp_path / "curves.png") is None
    assert (tmp_path / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("pause", "rows"),
    [(3, [3]), (11, [1, 2, 3]), (6, [2, 3])],
    ids=["once, at the end", "every epoch, the last one once", "ten seconds apart"],
)
def test_when_the_curves_are_drawn(tmp_path, monkeypatch, pause, rows):
    drawn, clock = [], itertools.count(0, pause)
    monkeypatch.setattr("gpunn.train.callbacks.draw_curves", lambda history, path, metric: drawn.append(len(history)))
    files = HistoryFiles(tmp_path)
    run = trainer(early=False)
    run.callbacks.append(files)
    monkeypatch.setattr("gpunn.train.callbacks.time", SimpleNamespace(monotonic=lambda: next(clock)))
    run.fit(*loaders(), 3)
    assert drawn == rows


@pytest.mark.curves
def test_without_matplotlib_the_run_goes_on(tmp_path, without_matplotlib, capsys):
    assert len(trainer(tmp_path / "run").fit(*loaders(), 2)) == 2
    said = capsys.readouterr().err
    assert said.count("matplotlib is missing") == 1 and 'pip install "gpunn[plot]"' in said
    assert not (tmp_path / "run" / "curves.png").exists() and (tmp_path / "run" / "history.csv").exists()


def test_progress_in_a_pipe_is_a_line_an_epoch():
    out = io.StringIO()
    history = trainer(early=False, callbacks=[ProgressBar(file=out)]).fit(*loaders(), 2)
    first, second = out.getvalue().splitlines()
    assert first.startswith("epoch 1/2: loss ") and second.startswith("epoch 2/2: loss ")
    speed = f"{history[0]['images_per_second']:,.0f} images/s, cpu; val loss "
    for part in (", accuracy ", speed, ", val accuracy "):
        assert part in first


def test_progress_bar_shows_the_means():
    out = io.StringIO()
    trainer(early=False, callbacks=[ProgressBar(bar=True, file=out)]).fit(*loaders(), 1)
    *drawn, line = [part.strip() for part in out.getvalue().replace("\n", "").split("\r")]
    assert any(part.startswith("epoch 1/1   0%|") and "0/6" in part for part in drawn)
    assert line.startswith("epoch 1/1: loss ") and " images/s, cpu; val loss " in line and " 0 images/s" not in line


@pytest.mark.parametrize("size", ["0", "80"])
def test_progress_bar_on_a_terminal(size):
    """Also on one that does not report its size."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    import fcntl
    import os
    import select
    import struct
    import termios

    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 0, int(size), 0, 0))
    with open(far, "w") as terminal:
        trainer(early=False, callbacks=[ProgressBar(file=terminal)]).fit(*loaders(), 1)
        shown = ""
        while select.select([near], [], [], 0.2)[0]:
            shown += os.read(near, 10_000).decode()
    os.close(near)
    assert "epoch 1/1   0%|" in shown and "epoch 1/1: loss " in shown


def test_progress_bar_says_why_it_stopped_and_never_divides_by_zero():
    out = io.StringIO()
    stopping = EarlyStopping("train_loss", patience=1, mode="max")
    trainer(early=False, callbacks=[ProgressBar(bar=False, file=out), stopping]).fit(*loaders(), 9)
    assert "stopped early: train_loss has not improved for 1 epochs; best" in out.getvalue()
