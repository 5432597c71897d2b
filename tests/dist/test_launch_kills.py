"""gpunn train as several ranks: errors, and a few kills; python -m tests.dist.kills makes more."""

import os
from pathlib import Path

import numpy as np
import pytest

from gpunn.dist.launch_starts import Plan
from gpunn.dist.launching import launch
from tests.dist import kills
from tests.dist.mpi import needs_mpi

slow = pytest.mark.skipif(not os.environ.get("CI"), reason="takes up to 20 seconds; CI=1 runs it")


@slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds ranks in /proc, which this system has not")
def test_killed_ranks_are_named_and_runs_go_on_to_the_same_weights(tmp_path):
    needs_mpi()
    runs, wrong = kills.disturb(2, seed=3, each=2, stops=0, folder=tmp_path)
    assert not wrong
    assert sum(len(run.kills) for run in runs) == 2


@slow
def test_an_error_that_all_ranks_meet_is_said_by_one_and_not_started_again(capfd, tmp_path, monkeypatch):
    needs_mpi()
    monkeypatch.chdir(tmp_path)
    assert launch(Plan(["train", "lenet5", "--data", "digit"], 2, restarts=1)) == 2
    out, err = capfd.readouterr()
    assert not out and err.startswith("gpunn: error: load: no data set is called 'digit'") and err.count("\n") == 1


def test_what_is_wrong_with_a_run_is_found(tmp_path):
    """Kills that would prove nothing if nobody looked."""
    for name, value in (("calm", 1.0), ("same", 1.0), ("other", 1.0 + 2**-52)):
        (tmp_path / name).mkdir()
        for file in ("last.npz", "best.npz"):
            np.savez(tmp_path / name / file, w=np.array([value]))
    good = kills.Kill(1, 99, 9, 0.5, seconds=1.0, named=(1, 99))
    late, unnamed = (kills.Kill(1, 99, 9, 0.5, *rest) for rest in ((31.0, (1, 99)), (1.0, (2, 99))))

    def found(folder, *them, status=0):
        return " ".join(kills.complaints(kills.Run(tmp_path / folder, list(them), status), tmp_path / "calm"))

    assert not found("same", good)
    assert "SIGKILL of rank 1 after 0.50 s: its run had not ended after 31.0 s" in found("same", late)
    assert "the launcher named (2, 99), not (1, 99)" in found("same", good, unnamed)
    assert "exit status 137" in found("same", good, status=137)
    assert (
        found("other", good)
        == "best.npz: w differs from the undisturbed run's last.npz: w differs from the undisturbed run's"
    )
