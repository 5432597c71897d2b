"""Ranks that are started wrongly: one line, on one of them, and none that waits for the others."""

import os
import sys

import pytest

from gpunn import dist, nn
from gpunn.cli import main
from gpunn.errors import DistError
from gpunn.ranks import environment, start
from tests.dist.mpi import under_mpi

JOIN = """
import sys
from gpunn import dist
from gpunn.ranks import ending
try:
    dist.init("cpu", timeout=120)
except dist.DistError as error:
    if ending.speaks():
        print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "1", "WORLD_SIZE": "2"}, True),  # left over in a shell
        ({"RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"}, False),
        ({"RANK": "1"}, True),
        ({"RANK": "one", "WORLD_SIZE": "2"}, True),
        ({"WORLD_SIZE": "2"}, True),
        ({"PMI_RANK": "1", "WORLD_SIZE": "2"}, False),
        ({"PMI_RANK": "1", "RANK": "0"}, False),
        ({"PMI_RANK": "0", "RANK": "1", "SLURM_PROCID": "1"}, True),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}, False),
        ({"SLURM_PROCID": "2"}, True),
    ],
)
def test_one_of_the_processes_started_together_is_the_first(variables, first):
    assert environment.is_first(variables) is first


@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_ranks_that_all_meet_a_mistyped_command_one_says_so(monkeypatch, capfd, rank):
    monkeypatch.setenv("PMI_RANK", rank)
    with pytest.raises(SystemExit) as stop:
        main(["trian"])
    assert stop.value.code == 2
    assert ("did you mean 'train'?" in capfd.readouterr().err) is (rank == "0")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_scripts_that_all_meet_a_mistake_one_says_so(monkeypatch, capsys, rank):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    for name in ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with pytest.raises(DistError, match="but on cpu ranks are MPI's") as met:
        start.init("cpu")
    for error in (met.value, ValueError("another")):
        sys.excepthook(type(error), error, None)
    said = capsys.readouterr().err
    assert ("but on cpu ranks are MPI's" in said) is (rank == "0") and "ValueError: another" in said


def test_a_rank_of_nothing_is_said_aloud(monkeypatch, capfd):
    """Such as a variable that somebody has left in a shell: no other process would say why nothing happens."""
    monkeypatch.setenv("RANK", "1")
    assert main(["train", "mlp", "--limit", "100"]) == 2
    assert "RANK is '1' but WORLD_SIZE is not set; set both" in capfd.readouterr().err


def test_a_network_of_ranks_that_were_not_joined_is_refused(monkeypatch):
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(dist.DistError, match=r"is rank 1 of 4, by MPI.s variables, but the ranks were not joined"):
        dist.DataParallel(nn.Linear(3, 2))


@pytest.mark.skipif("CI" not in os.environ, reason="seconds of several ranks: in CI")
def test_ranks_whose_launchers_disagree_all_end_and_one_says_so():
    """All have the number 0 by torchrun's variables: two would wait for the first inside MPI."""
    done = under_mpi(3, "-c", JOIN, env={"RANK": "0", "WORLD_SIZE": "3"})
    assert done.returncode == 2
    assert done.stdout == (
        "dist.init: torchrun says rank 0 of 3, MPI rank 1 of 3; start the ranks by one launcher: "
        "gpunn launch -n 3 train NAME, or mpiexec -n 3 gpunn train NAME\n"
    )
