"""A run folder: one training at a time in it, a checkpoint in it before the first step, no link followed out of it."""

import os
import platform
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from gpunn import files
from gpunn.errors import CheckpointError, UsageError
from gpunn.nn.state import copied
from gpunn.train import alone_in, load_checkpoint
from gpunn.train.lock import LOCK
from tests.train.runs import At, equal, loaders, timeless, trainer

posix = pytest.mark.skipif(os.name != "posix", reason="needs flock, which Windows does not have")
HOLDER = """
import sys
from pathlib import Path
from gpunn.train import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder):
    """The folder in the hands of another process, which is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


@posix
def test_a_second_training_is_told_of_the_first_and_a_killed_one_is_in_nobodys_way(tmp_path):
    folder = tmp_path / "run"
    with held(folder) as process:
        for resume in (None, folder):
            with pytest.raises(UsageError) as caught:
                trainer(folder).fit(*loaders(), 1, resume=resume)
            who = f"process {process.pid} on {platform.node()}, since 20"
            assert f"Checkpoint: {folder} is in use: {who}" in str(caught.value)
            assert "trains into it; wait for its end, stop it, or choose another folder" in str(caught.value)
        assert os.listdir(folder) == [LOCK]
        process.kill()
        process.wait()
        assert os.listdir(folder) == [LOCK]
        trainer(folder).fit(*loaders(), 1)
    assert LOCK not in os.listdir(folder)


@posix
def test_another_thread_is_refused_the_same_thread_enters_again(tmp_path):
    caught = []

    def other():
        try:
            with alone_in(tmp_path):
                pass
        except UsageError as error:
            caught.append(str(error))

    with alone_in(tmp_path), alone_in(tmp_path / ".." / tmp_path.name):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert f"process {os.getpid()} on" in caught[0] and not os.listdir(tmp_path)
    other()
    assert len(caught) == 1


@posix
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, from Python 3.12 on
def test_a_fork_does_not_hold_what_its_parent_holds(tmp_path):
    with alone_in(tmp_path):
        child = os.fork()
        if not child:
            try:
                with alone_in(tmp_path):
                    os._exit(1)
            except UsageError:
                os._exit(0)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@posix
@pytest.mark.parametrize("text", [b"", b"process 1 on here, since 1970,", b"\x1b[31m\xff\n" * 1000])
def test_a_stale_lock_is_taken_over_whatever_it_says(tmp_path, text):
    (tmp_path / LOCK).write_bytes(text)
    with alone_in(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} on {platform.node()}, since 20")
    assert not os.listdir(tmp_path)


@posix
def test_a_lock_that_is_a_link_is_replaced(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to("../precious")
    with alone_in(tmp_path / "run"):
        pass
    assert (tmp_path / "precious").read_text() == "precious" and not os.listdir(tmp_path / "run")


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "try_lock", lambda handle: None)
    trainer(tmp_path / "run").fit(*loaders(), 1)
    words = f"gpunn: the file system of {tmp_path}/run has no locks: see to it that nothing else trains into it\n"
    assert words in capsys.readouterr().err and LOCK not in os.listdir(tmp_path / "run")


def stop():
    raise OSError("the power fails")


def test_there_is_a_checkpoint_before_the_first_step(tmp_path):
    straight = trainer()
    straight.fit(*loaders(), 2)
    first = trainer(tmp_path / "run", callbacks=[At(stop, steps=1)])
    with pytest.raises(OSError, match="the power fails"):
        first.fit(*loaders(), 2)
    assert load_checkpoint(tmp_path / "run")["position"] == {"epoch": 0, "batch": 0, "steps": 0}
    assert first.last_saved == f"{tmp_path}/run/checkpoint.npz (the start)"
    second = trainer(tmp_path / "run", lr=0.7)
    second.fit(*loaders(seed=0), 2, resume=tmp_path / "run")
    assert equal(copied(second.model), copied(straight.model))
    assert timeless(second.history) == timeless(straight.history)


def test_a_run_without_a_step_loses_nothing_by_starting_anew(tmp_path):
    with pytest.raises(OSError, match="the power fails"):
        trainer(tmp_path, callbacks=[At(stop, steps=1)]).fit(*loaders(), 1)
    trainer(tmp_path, lr=0.01).fit(*loaders(), 1)
    with pytest.raises(UsageError, match="already holds a run, which would be overwritten"):
        trainer(tmp_path).fit(*loaders(), 1)
    (tmp_path / "checkpoint.npz").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="already holds a run, which would be overwritten"):
        trainer(tmp_path).fit(*loaders(), 1)


@posix
def test_no_link_leads_out_of_the_folder(tmp_path):
    """Whatever a run writes, fresh or resumed, replaces a link that stands in its place."""
    trainer(tmp_path / "run").fit(*loaders(), 1)
    names = os.listdir(tmp_path / "run")
    assert {"best.npz", "last.npz", "checkpoint.npz", "history.csv"} <= {*names}
    (tmp_path / "outside").mkdir()
    for name in names:
        (tmp_path / "run" / name).rename(tmp_path / "outside" / name)
        (tmp_path / "run" / name).symlink_to(f"../outside/{name}")
    before = {name: (tmp_path / "outside" / name).read_bytes() for name in names}
    trainer(tmp_path / "run").fit(*loaders(), 3, resume=tmp_path / "run")
    for name in names:
        assert (tmp_path / "outside" / name).read_bytes() == before[name], name
        assert not (tmp_path / "run" / name).is_symlink(), name


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match=r"cannot write into the folder .*: Permission denied; choose another"):
        trainer(tmp_path).fit(*loaders(), 1)
    tmp_path.chmod(0o700)
