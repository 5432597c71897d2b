"""Ctrl-C, SIGTERM and SIGHUP at any line: a state between two steps is saved, and no signal is lost."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gpunn import files, stopping
from gpunn.nn.state import copied
from gpunn.stopping import ENDING, STOPS, Terminated
from gpunn.train import EMA, Callback, EarlyStopping, load_checkpoint
from tests.train.runs import At, equal, loaders, timeless, trainer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGTERM")
SIGNALS = [signal.SIGINT, *ENDING]


def send(*signals):
    for each in signals:
        os.kill(os.getpid(), each)


@pytest.mark.parametrize("signum", ENDING)
@pytest.mark.parametrize("cut", [1, 8, 12])
def test_it_saves_and_the_status_is_the_shells(tmp_path, signum, cut):
    straight = trainer()
    straight.fit(*loaders(), 2)
    with pytest.raises(SystemExit) as caught:
        trainer(tmp_path, callbacks=[At(lambda: send(signum), steps=cut)]).fit(*loaders(), 2)
    assert caught.value.code == 128 + signum and signal.getsignal(signum) == signal.SIG_DFL
    assert isinstance(caught.value, Terminated)
    where = {1: "epoch 1, after batch 1", 8: "epoch 2, after batch 2", 12: "epoch 2, after batch 6"}[cut]
    words = f"terminated; saved {tmp_path}/checkpoint.npz ({where}); go on with resume={str(tmp_path)!r}"
    assert caught.value.words == words
    assert load_checkpoint(tmp_path)["position"]["steps"] == cut
    resumed = trainer(tmp_path)
    resumed.fit(*loaders(), 2, resume=tmp_path)
    assert equal(copied(resumed.model), copied(straight.model))
    assert timeless(resumed.history) == timeless(straight.history)


@pytest.mark.parametrize("signum", ENDING)
def test_copies_of_a_signal_that_a_rank_gets_by_several_ways_are_one(tmp_path, monkeypatch, signum):
    """A scheduler's, by itself, from mpiexec and from the launcher: the second must not stop the saving."""
    monkeypatch.setattr(stopping, "_came", {})
    monkeypatch.setattr(stopping, "_moment", 60.0)
    original = os.fsync

    def syncing(handle):
        if run.steps == 8:
            send(signum)
        original(handle)

    run = trainer(tmp_path, callbacks=[At(lambda: send(signum, signum), steps=8)])
    monkeypatch.setattr(files.os, "fsync", syncing)
    with stopping.raised(), pytest.raises(Terminated) as caught:
        run.fit(*loaders(), 2)
    assert "; saved " in caught.value.words and load_checkpoint(tmp_path)["position"]["steps"] == 8
    monkeypatch.setattr(stopping, "_moment", 0.0)
    assert not stopping.is_copy(signum) and not stopping.is_copy(signal.SIGINT)


@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_while_saving_keeps_the_file_before(tmp_path, monkeypatch, second):
    original = os.fsync

    def syncing(handle):
        if run.steps == 8:
            send(second)
        original(handle)

    run = trainer(tmp_path, callbacks=[At(lambda: send(signal.SIGTERM), steps=8)])
    monkeypatch.setattr(files.os, "fsync", syncing)
    with pytest.raises(STOPS) as caught:
        run.fit(*loaders(), 2)
    assert isinstance(caught.value, Terminated) == (second != signal.SIGINT)
    assert load_checkpoint(tmp_path)["position"]["steps"] == 6
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("signum", SIGNALS)
def test_one_that_comes_after_the_last_step_is_not_lost(tmp_path, signum, averaged):
    """Nor does it save what the model is given at the end: averaged, or the best weights."""

    class AtTheEnd(Callback):
        def on_fit_end(self, trainer):
            send(signum)

    def with_ends(out=None, *more):
        first_is_best = EarlyStopping("learning_rate", mode="max", patience=9)
        return trainer(out, ema=EMA(0.9) if averaged else None, early=False, callbacks=[first_is_best, *more])

    run = with_ends(tmp_path, AtTheEnd())
    with pytest.raises(STOPS):
        run.fit(*loaders(), 2)
    straight, resumed = with_ends(), with_ends(tmp_path)
    straight.fit(*loaders(), 3)
    resumed.fit(*loaders(), 3, resume=tmp_path)
    assert timeless(resumed.history) == timeless(straight.history)
    run.evaluate(loaders()[1])  # the signal is over


def test_a_second_one_while_averaged_weights_are_given_back_saves_the_trained_ones(tmp_path):
    straight = trainer(ema=EMA(0.9))
    straight.fit(*loaders(), 2)
    run = trainer(tmp_path, ema=EMA(0.9))
    original, calls = run.model.load_state_dict, []

    def halfway(state):
        calls.append(state)
        if len(calls) == 2:  # the first validation's end
            send(signal.SIGINT)
        original(state)

    run.model.load_state_dict = halfway
    evaluate = run.evaluate
    run.evaluate = lambda loader: (send(signal.SIGINT), evaluate(loader))[1]
    with pytest.raises(KeyboardInterrupt):
        run.fit(*loaders(), 2)
    assert load_checkpoint(tmp_path)["position"]["steps"] == 6
    resumed = trainer(tmp_path, ema=EMA(0.9))
    resumed.fit(*loaders(), 2, resume=tmp_path)
    assert equal(copied(resumed.model), copied(straight.model))


@pytest.mark.parametrize("signum", ENDING)
def test_a_programs_own_handler_stays(signum):
    came = []
    for handler in (lambda *args: came.append(args), signal.SIG_IGN):
        before = signal.signal(signum, handler)
        try:
            assert len(trainer(callbacks=[At(lambda: send(signum), steps=2)]).fit(*loaders(), 1)) == 1
            assert signal.getsignal(signum) == handler
        finally:
            signal.signal(signum, before)
    assert len(came) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, from Python 3.12 on
@pytest.mark.parametrize("signum", SIGNALS)
def test_a_fork_of_a_run_ends_as_usual(signum):
    """Such as a worker that loads images: what its parent makes of a signal is not its business."""
    pids = []

    def fork():
        ready, say = os.pipe()
        pids.append(os.fork())
        if not pids[-1]:
            try:
                os.write(say, b"!")
                time.sleep(30)
            except KeyboardInterrupt:
                os._exit(130)
            finally:
                os._exit(99)
        os.read(ready, 1)
        os.kill(pids[-1], signum)
        os.close(ready)
        os.close(say)

    trainer(callbacks=[At(fork, steps=2)]).fit(*loaders(), 1)
    code = os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1])
    assert code == (130 if signum == signal.SIGINT else -signum)


HOOK = """
import os, signal, sys
def hook(event, args):
    global hook
    if event == "import" and args[0] == os.environ["AT"] and hook:
        hook = None
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
sys.addaudithook(lambda *args: hook and hook(*args))
"""


@pytest.mark.parametrize(
    ("at", "signum"),
    [
        ("threading", signal.SIGINT),
        ("numpy", signal.SIGINT),
        ("gpunn.cli.train", signal.SIGTERM),
        ("gpunn.nn", signal.SIGINT),
    ],
)
def test_during_the_imports_a_command_leaves_in_one_line(tmp_path, at, signum):
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    env = {**os.environ, "AT": at, "SIGNAL": str(int(signum)), "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    command = [sys.executable, "-m", "gpunn", "train", "mlp"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    word = "interrupted" if signum == signal.SIGINT else "terminated"
    assert (done.returncode, done.stderr, done.stdout) == (128 + signum, f"gpunn: {word}\n", "")


def test_a_program_that_imports_gpunn_keeps_its_signals():
    code = "import signal; before = signal.getsignal(2), signal.getsignal(15); import gpunn; " \
           "assert before == (signal.getsignal(2), signal.getsignal(15))"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
