"""What becomes of a run of three processes when one of them comes to harm: the others end, and one of them says why."""

import json
import os
import subprocess
import sys

import pytest

HARMS = ("kill", "worker", "stop", "abort", "launched", "served", "launcher", "left")
SAVED = "the last checkpoint is runs/1/checkpoint.npz (epoch 2)"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork: not on this system")


@pytest.fixture(scope="module")
def runs():
    """All runs, of one process that forks the ranks."""
    command = [sys.executable, "-m", "tests.dist.programs.deaths", *HARMS]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=400).stdout)


def said(rank, number):
    """A rank's line of an end; what it had printed before comes out, too, though nothing had flushed it."""
    start = f"rank {number}, not flushed;"
    assert start in rank["words"]
    return rank["words"].replace(start, "")


def who(rank, number):
    return f"rank {number} (process {rank['pid']} on {os.uname().nodename})"


@pytest.mark.parametrize("harm", ["kill", "worker"])
def test_a_killed_rank_ends_the_others_though_its_worker_lives_on(runs, harm):
    zero, one, two = runs[harm]["ranks"]
    assert [rank["code"] for rank in (zero, one, two)] == [1, 1, -9]
    assert said(zero, 0) == f"gpunn: {who(two, 2)} has died; {SAVED}\n"
    assert said(one, 1) == ""


def test_a_stopped_rank_ends_the_others_and_itself_when_it_goes_on(runs):
    zero, one, two = runs["stop"]["ranks"]
    assert [rank["code"] for rank in (zero, one, two)] == [1, 1, 1]
    words = f"gpunn: {who(two, 2)} does not answer: it is stopped, or its host is not reached; {SAVED}\n"
    assert said(zero, 0) == words
    assert said(one, 1) == said(two, 2) == ""


def test_a_rank_that_gives_up_ends_the_others_with_its_code(runs):
    zero, one, two = runs["abort"]["ranks"]
    assert [rank["code"] for rank in (zero, one, two)] == [7, 7, 7]
    assert said(zero, 0) == said(two, 2) == "" and one["words"] == ""


def test_under_a_launcher_the_ranks_are_silent(runs):
    zero, one, two = runs["launched"]["ranks"]
    assert [rank["code"] for rank in (zero, one, two)] == [1, 1, -9]
    assert said(zero, 0) == said(one, 1) == ""
    (end,) = runs["launched"]["ends"]
    assert (end["rank"], end["pid"], end["words"]) == (2, two["pid"], f"{who(two, 2)} has died")


def test_the_rank_that_keeps_the_store_dies(runs):
    zero, one, two = runs["served"]["ranks"]
    assert [rank["code"] for rank in (zero, one, two)] == [-9, 1, 1]
    words = sorted([said(one, 1), said(two, 2)])
    assert words == ["", f"gpunn: {who(zero, 0)}, which keeps the ranks together, has died; {SAVED}\n"]


def test_the_launcher_dies(runs):
    *ranks, launcher = runs["launcher"]["ranks"]
    assert [rank["code"] for rank in (*ranks, launcher)] == [1, 1, 1, -9]
    words = sorted(said(rank, number) for number, rank in enumerate(ranks))
    where = f"process {launcher['pid']} on {os.uname().nodename}"
    assert words == ["", "", f"gpunn: the launcher ({where}), which keeps the ranks together, has died; {SAVED}\n"]


def test_ranks_that_leave_end_one_by_one(runs):
    zero, one, two = runs["left"]["ranks"]
    assert [rank["code"] for rank in (zero, one, two)] == [0, 0, 0]
    assert zero["seconds"] < one["seconds"] < two["seconds"]


def test_ends_come_soon(runs):
    """A beat is 0.3 s here, the others leave the one that speaks half a second, and the machine has other work."""
    assert all(rank["seconds"] < 20 for run in runs.values() for rank in run["ranks"])
