"""A picture, a bar or a line that cannot be had says so once, and the run goes on; what is saved is saved before."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from gpunn import pictures
from gpunn.train import History, ProgressBar, draw_curves, progress
from tests.train.runs import loaders, trainer

HISTORY = History([{"epoch": 1, "train_loss": 2.0, "val_loss": 1.0}])


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="pictures need matplotlib")


@pytest.mark.curves
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("latex\ncould not be found"), "RuntimeError: latex could not be found"),
        (MemoryError(), "MemoryError:"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_picture_that_cannot_be_drawn(tmp_path, monkeypatch, capsys, error, words):
    saved = []

    def fail(history, metric):
        saved.append(sorted(path.name for path in (tmp_path / "run").iterdir() if path.suffix != ".lock"))
        raise error

    monkeypatch.setattr(pictures, "learning_curves", fail)
    times = iter(range(0, 10_000, 11))  # a picture is due after every epoch
    monkeypatch.setattr("gpunn.train.callbacks.time", SimpleNamespace(monotonic=lambda: next(times)))
    assert len(trainer(tmp_path / "run").fit(*loaders(), 3)) == 3
    assert capsys.readouterr().err.splitlines() == [f"{tmp_path / 'run' / 'curves.png'} is not drawn: {words}"]
    assert len(saved) == 1 and {"best.npz", "last.npz", "checkpoint.npz", "history.csv"} <= set(saved[0])


def test_a_picture_that_cannot_be_written(tmp_path, matplotlib):
    (tmp_path / "curves.png").mkdir()
    assert "curves.png is not drawn: draw_curves: cannot write" in str(draw_curves(HISTORY, tmp_path / "curves.png"))


def test_a_style_that_cannot_be_drawn_by_gives_way_to_matplotlib_s_own(tmp_path, matplotlib, monkeypatch):
    with matplotlib.rc_context({"text.usetex": True, "font.size": 11, "savefig.dpi": 5000}):
        monkeypatch.setenv("PATH", "")  # and so no LaTeX
        assert draw_curves(HISTORY, tmp_path / "curves.png") is None
        assert matplotlib.rcParams["font.size"] == 11
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


RC = """
from gpunn.train import History, draw_curves
print(draw_curves(History([{"epoch": 1, "train_loss": 2.0, "val_loss": 1.0}]), "curves.png"))
"""


@pytest.mark.skipif("CI" not in os.environ, reason="a process and its imports: in CI")
def test_settings_that_cannot_be_read(tmp_path, matplotlib):
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe: 1\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLCONFIGDIR": str(tmp_path)}
    command = [sys.executable, "-c", RC]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=env, timeout=60, check=True)
    assert done.stdout.startswith("curves.png is not drawn: pictures: matplotlib does not import (UnicodeDecodeError: ")
    assert done.stdout.endswith("); mend its matplotlibrc\n")


BACKEND = """
import os
from gpunn import doctor
assert {finding.name: finding.ok for finding in doctor.examine()}["matplotlib"]
from gpunn.train import History, draw_curves
history = History([{"epoch": 1, "train_loss": 2.0, "val_loss": 1.0}])
assert draw_curves(history, "curves.png") is None
print(os.environ["MPLBACKEND"])
if os.environ["MPLBACKEND"] == "svg":
    import matplotlib
    assert matplotlib.rcParams["backend"] == "svg"
"""


@pytest.mark.parametrize("backend", ["svg", "rubbish", "module://matplotlib_inline.backend_inline"])
def test_any_backend(tmp_path, matplotlib, backend):
    """As a notebook's, which the commands that it starts inherit. One that is there stays the user's own."""
    if "CI" not in os.environ and backend != "svg":
        pytest.skip("a process and its imports: in CI")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": backend}
    command = [sys.executable, "-W", "error", "-c", BACKEND]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, backend + "\n", "")
    assert (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("bar", [True, False, None])
@pytest.mark.parametrize("method", ["write", "flush"])
def test_a_stream_that_fails(capsys, bar, method):
    class Full(io.StringIO):
        def isatty(self):
            return True

    def fail(*args):
        raise OSError(28, "No space left on device")

    file = Full()
    setattr(file, method, fail)
    assert len(trainer(early=False, callbacks=[ProgressBar(bar, file)]).fit(*loaders(), 2)) == 2
    assert capsys.readouterr().err == "progress is not shown (OSError: [Errno 28] No space left on device)\n"


def test_a_bar_that_fails_says_so_once(monkeypatch, capsys):
    def fail(*args, **options):
        raise TypeError("no such option")

    monkeypatch.setattr(progress, "bar", fail)
    file = io.StringIO()
    trainer(early=False, callbacks=[ProgressBar(True, file)]).fit(*loaders(), 3)
    assert capsys.readouterr().err == "progress is not shown (TypeError: no such option)\n"
    assert [line[:9] for line in file.getvalue().splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def run_by_the_clock(monkeypatch, seconds, epochs, loader=None, **options):
    """The lines of a run each of whose six steps an epoch takes so many seconds, by its bar's clock."""
    clock = SimpleNamespace(now=0.0)

    class Slow(ProgressBar):
        def on_batch_end(self, trainer):
            clock.now += seconds
            super().on_batch_end(trainer)

        def on_epoch_end(self, trainer):
            trainer.row["seconds"] = 6.0 * seconds
            super().on_epoch_end(trainer)

    for module in ("gpunn.train.progress.time", "gpunn.bars.time"):
        monkeypatch.setattr(module, SimpleNamespace(monotonic=lambda: clock.now))
    file = io.StringIO()
    training, validation = loaders()
    bar = Slow(file=file, **options)
    trainer(early=False, callbacks=[bar]).fit(loader(training) if loader else training, validation, epochs)
    return file.getvalue().splitlines()


def test_long_epochs_are_foreseen_once_and_a_log_has_a_line_a_minute(monkeypatch):
    lines = run_by_the_clock(monkeypatch, 25, 3)
    assert lines[0] == "an epoch takes about 2 min, 3 of them 8 min"
    assert [line[:9] for line in lines[1:]] == [part for n in (1, 2, 3) for part in (f"epoch {n}/3",) * 3]
    assert lines[1].startswith("epoch 1/3:  50% 3/6 [01:15<01:15, ") and "loss " in lines[1]
    assert lines[2].startswith("epoch 1/3: 100% 6/6 [02:30<00:00, ") and lines[3].startswith("epoch 1/3: loss ")
    assert run_by_the_clock(monkeypatch, 3000, 2, bar=False)[0] == "an epoch takes about 5.0 h, 2 of them 10.0 h"
    assert "an epoch takes about 2 min" in run_by_the_clock(monkeypatch, 25, 1, bar=True)  # on a line of its own
    assert run_by_the_clock(monkeypatch, 12, 1)[0] == "an epoch takes about 72 s"


def test_short_epochs_are_not_spoken_of(monkeypatch):
    assert [line[:16] for line in run_by_the_clock(monkeypatch, 9.9, 2)] == ["epoch 1/2: loss ", "epoch 2/2: loss "]


def test_the_length_of_an_epoch_of_unknown_batches_is_known_after_the_first(monkeypatch):
    lines = run_by_the_clock(monkeypatch, 30, 3, loader=lambda loader: Anew(loader), bar=False)
    assert lines[1] == "an epoch takes about 3 min, 2 of them 6 min" and len(lines) == 4


class Anew:
    """A loader that does not know its length."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)
