"""Run folders that are in use, that a kill left without a checkpoint, or that lead elsewhere."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from gpunn import files, train
from gpunn.cli import main
from gpunn.recipes.arrange import run_folder
from tests.dist.together import together

TRAIN = ["train", "mlp", "--batch-size", "40", "--epochs", "1"]


def in_use(folder):
    """Hold the folder in another thread until the returned function is called."""
    done, ready = threading.Event(), threading.Event()

    def hold():
        with train.alone_in(Path(folder)):
            ready.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(60)
    return lambda: (done.set(), thread.join())


def weights(folder):
    return train.load_checkpoint(folder / "last.npz")["model"]


@pytest.mark.skipif(os.name != "posix", reason="needs flock, which Windows does not have")
def test_a_folder_in_use_is_refused_untouched(here, capsys):
    assert main([*TRAIN, "--out", "a"]) == 0
    assert main([*TRAIN, "--ensemble", "2", "--out", "e"]) == 0
    (here / "e/member-2/checkpoint.npz").unlink()
    for held, commands in [
        ("a", [[*TRAIN, "--seed", "5", "--out", "a"], ["train", "--resume", "a", "--epochs", "3"]]),
        ("new", [[*TRAIN, "--out", "new"], [*TRAIN, "--ensemble", "2", "--out", "new"]]),
        ("e", [["train", "--resume", "e"]]),
        ("e/member-2", [["train", "--resume", "e"], ["train", "--resume", "e/member-2"]]),
    ]:
        release = in_use(held)
        before = {path: path.read_bytes() for path in Path(held).rglob("*") if path.is_file()}
        try:
            capsys.readouterr()
            for command in commands:
                assert main(command) == 2
                err = capsys.readouterr().err
                assert f"gpunn: error: Checkpoint: {held} is in use: process {os.getpid()} on " in err
                assert "trains into it; wait for its end, stop it, or choose another folder" in err
                after = {path: path.read_bytes() for path in Path(held).rglob("*") if path.is_file()}
                assert after == before
        finally:
            release()
    assert main(["train", "--resume", "e"]) == 0


def test_a_run_killed_before_its_checkpoint_is_started_by_resume(here, capsys):
    assert main([*TRAIN, "--seed", "3", "--out", "a"]) == 0
    (here / "b").mkdir()
    (here / "b/config.json").write_bytes((here / "a/config.json").read_bytes())
    assert main(["train", "--resume", "b"]) == 0
    assert all(np.array_equal(value, weights(here / "a")[name]) for name, value in weights(here / "b").items())
    (here / "c").mkdir()  # killed before even its configuration was there
    capsys.readouterr()
    assert main(["train", "--resume", "c"]) == 2
    words = "c is no run folder: config.json cannot be read (No such file or directory); start a run there with: "
    assert f"{words}gpunn train NAME --out c\n" in capsys.readouterr().err
    assert main([*TRAIN, "--out", "c"]) == 0


def test_a_run_without_a_step_has_nothing_to_show(here, capsys):
    assert main([*TRAIN, "--lr", "1e30", "--out", "a"]) == 2
    assert "a/checkpoint.npz (the start); start again with a lower learning rate" in capsys.readouterr().err
    assert main(["evaluate", "a"]) == 2
    assert "a has not trained a step yet; go on with: gpunn train --resume a\n" in capsys.readouterr().err
    assert main([*TRAIN, "--out", "a"]) == 0  # with the lower learning rate


@pytest.mark.skipif(os.name != "posix", reason="Windows wants a privilege for links")
def test_no_link_leads_out_of_the_folder(here, capsys):
    """Neither on --resume, nor in a report: files are replaced, a member's folder is refused."""
    pytest.importorskip("matplotlib", reason="a report needs matplotlib")
    assert main([*TRAIN, "--out", "a"]) == 0
    assert main([*TRAIN, "--ensemble", "2", "--out", "e"]) == 0
    (here / "outside").mkdir()
    names = [*os.listdir("a"), "report.html"]
    for name in names:
        (here / "outside" / name).write_bytes((here / "a" / name).read_bytes() if name != "report.html" else b"")
        (here / "a" / name).unlink(missing_ok=True)
        (here / "a" / name).symlink_to(f"../outside/{name}")
    before = {name: (here / "outside" / name).read_bytes() for name in names}
    assert main(["train", "--resume", "a", "--epochs", "3"]) == 0 and main(["report", "a"]) == 0
    for name in names:
        assert (here / "outside" / name).read_bytes() == before[name], name
        assert not (here / "a" / name).is_symlink() or name == "best.npz", name  # no later epoch was better
    (here / "e/member-2").rename("outside/member-2")
    (here / "e/member-2").symlink_to("../outside/member-2")
    capsys.readouterr()
    assert main(["train", "--resume", "e"]) == 2
    assert "train: e/member-2 is a symbolic link, and its network would be written where" in capsys.readouterr().err


def test_a_finished_run_without_its_history_is_concluded_again(here, capsys):
    assert main([*TRAIN, "--epochs", "2", "--out", "a"]) == 0
    before = capsys.readouterr().out.splitlines()
    (here / "a/history.csv").unlink()
    assert main(["train", "--resume", "a"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1:3] == before[1:3] and "a/history.csv lacks rows of the run's first 2" in err


def test_a_disk_that_fills_up_costs_an_epoch_and_the_error_says_how_to_go_on(here, capsys, monkeypatch):
    assert main([*TRAIN, "--epochs", "3", "--out", "whole"]) == 0
    original = files.put_in_place

    def full(temporary, path):
        if path.name == "checkpoint.npz" and (here / "a/last.npz").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        original(temporary, path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "put_in_place", full)
        capsys.readouterr()
        assert main([*TRAIN, "--epochs", "3", "--out", "a"]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert err == (
        f"gpunn: error: save_checkpoint: cannot write {here}/a/checkpoint.npz: No space left on device; what was there "
        "before is unchanged; free some space or choose another folder; then go on with: gpunn train --resume a"
    )
    assert main(["train", "--resume", "a"]) == 0
    assert all(np.array_equal(value, weights(here / "whole")[name]) for name, value in weights(here / "a").items())


def test_a_best_file_that_is_gone_is_made_of_the_last_weights(here, capsys):
    assert main([*TRAIN, "--epochs", "2", "--out", "a"]) == 0
    last = weights(here / "a")
    os.unlink("a/best.npz")
    assert main(["train", "--resume", "a"]) == 0
    assert "gpunn: a/best.npz is gone; the last epoch's weights are the best from now on" in capsys.readouterr().err
    best = train.load_checkpoint("a/best.npz")
    assert best["row"]["epoch"] == 2
    assert all(np.array_equal(best["model"][name], last[name]) for name in last)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_in_a_run_folder_is_not_waited_for(here, capsys):
    assert main([*TRAIN, "--out", "a"]) == 0
    no_file = "it is a pipe or a device, no file"
    for name, command, words in [
        ("best.npz", ["evaluate", "a"], f"load_checkpoint: cannot read a/best.npz: {no_file}; check the path"),
        ("config.json", ["train", "--resume", "a"], f"config.json cannot be read ({no_file})"),
        ("history.csv", ["report", "a"], f"report: a/history.csv cannot be read ({no_file}); remove it"),
        ("starts.jsonl", ["report", "a"], ""),
        ("picture.png", ["predict", "--run", "a", "a/picture.png"], f"cannot be read as a picture ({no_file}); give"),
    ]:
        kept = Path("a", name).read_bytes() if Path("a", name).exists() else None
        Path("a", name).unlink(missing_ok=True)
        os.mkfifo(Path("a", name))
        assert (main(command) != 0) == bool(words)
        assert words in capsys.readouterr().err
        os.unlink(Path("a", name))
        if kept is not None:
            Path("a", name).write_bytes(kept)


def test_a_run_of_several_ranks_goes_on_as_many(tmp_path):
    def stopped(group):
        group.local_size = group.size if group.size < 3 else 1
        with pytest.raises(KeyboardInterrupt) as stop, run_folder(tmp_path / str(group.size), None):
            raise KeyboardInterrupt("interrupted; saved it; go on with resume='x'")
        return str(stop.value)

    folder = tmp_path / "2"
    assert together(2, stopped) == [f"interrupted; saved it; go on with: gpunn launch -n 2 train --resume {folder}"] * 2
    assert together(3, stopped)[0].endswith(
        "gpunn train --resume {}, started as 3 ranks as before".format(tmp_path / "3")
    )
