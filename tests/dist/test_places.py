"""Which rank a process is, by its environment; and what is refused with one line before ranks start."""

import os
import re
import subprocess
import sys
from datetime import timedelta

import pytest

from gpunn import dist
from gpunn.errors import DistError
from gpunn.ranks import start
from gpunn.ranks.environment import Place, first_host, place
from tests.dist.mpi import found_by

MASTER = {"MASTER_ADDR": "node1", "MASTER_PORT": "29511"}
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", **MASTER}
SLURM = {"SLURM_PROCID": "2", "SLURM_NTASKS": "3", "SLURM_LOCALID": "0", "SLURM_STEP_NODELIST": "n[07-09]"}
OPEN_MPI = {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "5"}
PMI = {"PMI_RANK": "1", "PMI_SIZE": "2"}


@pytest.mark.parametrize(
    ("env", "want"),
    [
        ({}, Place(0, 1, "")),
        (TORCHRUN, Place(1, 4, "torchrun", ("node1", 29511))),
        ({**TORCHRUN, "TORCHELASTIC_USE_AGENT_STORE": "True"}, Place(1, 4, "torchrun", ("node1", 29512))),
        ({"RANK": "0", "WORLD_SIZE": "2"}, Place(0, 2, "torchrun", ("127.0.0.1", 29500))),
        ({**SLURM, **MASTER}, Place(2, 3, "Slurm", ("node1", 29511))),
        (OPEN_MPI, Place(3, 5, "MPI")),
        (PMI, Place(1, 2, "MPI")),
        ({**PMI, **SLURM, **OPEN_MPI, **TORCHRUN}, Place(1, 4, "torchrun", ("node1", 29511))),
        ({"PMI_RANK": "2", "PMI_SIZE": "3", **SLURM, **MASTER}, Place(2, 3, "Slurm", ("node1", 29511))),
        ({**PMI, **SLURM}, Place(1, 2, "MPI")),  # mpiexec's own processes, one a node, are a step of Slurm's
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "7"}, Place(0, 1, "")),  # a job's script
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Place(0, 1, "")),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1", **PMI}, Place(1, 2, "MPI")),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, Place(0, 1, "")),
    ],
    ids=str,
)
def test_places(env, want):
    """torchrun's variables first, then those of a step of Slurm's, then MPI's; a job's own script is alone."""
    assert place(env) == want


def test_slurms_first_host_serves():
    assert place(SLURM).address[0] == "n07"
    for hosts, first in (
        ("a", "a"),
        ("a,b", "a"),
        ("n[1,3-5],m2", "n1"),
        ("gpu-[09-12]", "gpu-09"),
        ("r1n[2-3]i", "r1n2i"),
    ):
        assert first_host(hosts) == first


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is '2' but RANK is not set; set both, or start the ranks with: gpunn launch"),
        ({"RANK": "0"}, "RANK is '0' but WORLD_SIZE is not set; set both, or start the ranks with: gpunn launch"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2, expected 0 to 1, below WORLD_SIZE; start the ranks anew"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK is '-1', expected a whole number; set it to one"),
        ({"RANK": "0", "WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', expected a whole number; set it to one"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "WORLD_SIZE is 0, expected 1 at least; start the ranks anew"),
        ({**TORCHRUN, "MASTER_PORT": "x"}, "MASTER_PORT is 'x', expected a whole number; set it to one"),
        ({"PMI_RANK": "0"}, "PMI_RANK is '0' but PMI_SIZE is not set; set both, or start the ranks with: gpunn launch"),
        (TORCHRUN, "torchrun's variables say rank 1 of 4, but on cpu ranks are MPI's, which joins only what it "
         "started itself; start them with: gpunn launch -n 4 train NAME, or mpiexec -n 4 gpunn train NAME"),
        (SLURM, "Slurm's variables say rank 2 of 3, but on cpu ranks are MPI's, which joins only what it"),
    ],
    ids=str,
)  # fmt: skip
def test_an_environment_that_makes_no_rank_is_refused(env, words, monkeypatch):
    alone(monkeypatch, env)
    with pytest.raises(DistError) as error:
        dist.init("cpu", timeout=5)
    assert str(error.value).startswith(f"dist.init: {words}") and "\n" not in str(error.value)
    assert not dist.is_initialized()


def alone(monkeypatch, env):
    """An environment of these variables alone, of those that make ranks."""
    for name in list(os.environ):
        if name.startswith(
            ("RANK", "WORLD", "LOCAL_", "MASTER", "SLURM", "PMI", "OMPI", "TORCHELASTIC", "GPUNN_STORE")
        ):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def test_a_rank_that_gives_up_in_mpis_start_leaves_no_names_of_shared_memory(monkeypatch, capsys):
    done = []
    monkeypatch.setattr(start.mpi_loading, "forget_names", lambda: done.append("names"))
    monkeypatch.setattr(start.os, "_exit", done.append)
    start._give_up(Place(1, 2, "MPI"), 3)
    assert done == ["names", 1] and "rank 1: MPI has waited 3 s" in capsys.readouterr().err


def test_without_mpi_its_pip_line_is_said(monkeypatch):
    alone(monkeypatch, PMI)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(DistError, match=r'need MPI, which is missing .*; install it with: pip install "gpunn\[mpi\]"$'):
        dist.init("cpu", timeout=5)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon"])
def test_a_time_limit_that_is_none(timeout, monkeypatch):
    alone(monkeypatch, {})
    with pytest.raises((DistError, TypeError), match=r"dist\.init: timeout is .*, expected (a number|seconds above 0)"):
        dist.init("cpu", timeout)


def test_a_process_that_nobody_started_is_alone_and_joins_once(monkeypatch):
    alone(monkeypatch, {})
    group = dist.init("cpu")
    try:
        assert (group.rank, group.size, dist.get_world_size(), dist.is_initialized()) == (0, 1, 1, True)
        with pytest.raises(DistError, match=r"the ranks were joined already; call it once, or dist\.destroy_process_"):
            dist.init_process_group("cpu")
    finally:
        dist.destroy_process_group()
    assert not dist.is_initialized()


@pytest.mark.parametrize(
    "options",
    [("gloo",), ("mpi", "env://"), (), ("emulator", None, 5), (None, None, timedelta(seconds=5), 1, 0)],
    ids=str,
)
def test_pytorchs_way_to_join(options, monkeypatch):
    alone(monkeypatch, {})
    group = dist.init_process_group(*options)
    dist.destroy_process_group()
    assert (group.rank, group.size) == (0, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"init_method": "tcp://node0:29500"},
            "init_method is 'tcp://node0:29500', expected None or 'env://'; start the",
        ),
        (
            {"world_size": 2, "rank": 1},
            "rank is 1 and world_size 2, but the launcher started this process as rank 0 of 1",
        ),
    ],
    ids=["meeting", "numbers"],
)
def test_pytorchs_ways_that_are_none_here(options, words, monkeypatch):
    alone(monkeypatch, {})
    with pytest.raises(DistError, match=f"^dist.init_process_group: {re.escape(words)}"):
        dist.init_process_group("gloo", **options)
    assert not dist.is_initialized()


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts processes: in CI")
@pytest.mark.parametrize(
    ("env", "lines"),
    [
        ({"WORLD_SIZE": "2"}, 1),
        ({**TORCHRUN, "RANK": "0"}, 1),
        ({**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}, 0),
        ({**OPEN_MPI, "OMPI_COMM_WORLD_RANK": "0"}, 1),
    ],
    ids=["half", "torchrun's rank 0", "torchrun's rank 1", "another MPI's rank 0"],
)
def test_the_command_exits_with_2_and_rank_0_says_one_line(env, lines, tmp_path, monkeypatch):
    """The others meet the same mistake; the last: to MPICH a process that it has not started is a world of one."""
    if "OMPI_COMM_WORLD_RANK" in env:
        pytest.importorskip("mpi4py", reason="MPI is asked who the process is")
    alone(monkeypatch, env)
    command = [sys.executable, "-m", "gpunn", "train", "mlp", "--data", "digits", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    said = [line for line in done.stderr.splitlines() if line.startswith("gpunn: error: dist.init: ")]
    assert done.returncode == 2 and len(said) == lines and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts three processes: in CI")
def test_ranks_that_differ_are_told_and_go_on_together(tmp_path):
    found = found_by(3, "refusing", tmp_path, "differ")
    assert len({found_of["other_networks"][0] for found_of in found}) == 1
    for checks in found:
        words, _ = checks["other_networks"]
        assert words.startswith("DataParallel: rank 1 has another network than rank 0: weight float32 (3, 3), expected")
        assert checks["other_seeds"][0].startswith("DataParallel: rank 1 has the seed 1, rank 0 0; call gpunn.manual_")
        for (said, seconds), differ in zip(
            checks["other_calls"], ("broadcast of", "of float64 (3,) sum", "(3,) max", "(3,) 1", ""), strict=True
        ):
            assert seconds < 30 and bool(said) == bool(differ)
            assert not differ or ("differs: rank 1: " in said and differ in said.split("; the others: ")[0])
        assert checks["parted"][0] == "dist: the ranks have parted; call dist.init() again"
        assert "JSON holds: Python's numbers, words, lists and dicts; convert arrays" in checks["not_json"]
        *differing, (same, _) = checks["other_arrays"]
        assert same == "" and all("others in another call, or with other arrays; " in said for said, _ in differing)


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts three processes: in CI")
@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("late", r"MPI has waited 3 s for the others to start; see whether they could, or start them with"),
        ("missing", r"has waited 3 s in all_reduce number 2;.* rank 1: past exchange number 1;"),
    ],
)
def test_a_rank_that_does_not_come_ends_the_others_in_time(when, words, tmp_path):
    with pytest.raises(AssertionError, match=words):
        found_by(3, "refusing", tmp_path, when)
    assert not list(tmp_path.iterdir())
