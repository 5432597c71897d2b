"""The end of a rank beside others that go on: it waits for those that need nothing of it, and fails the rest."""

import os
import sys
import time
from contextlib import suppress
from threading import Thread

import numpy as np
import pytest

from gpunn.errors import DistError
from gpunn.ranks import ending
from gpunn.ranks.group import Group, inside
from tests.dist import clients
from tests.dist.mpi import under_mpi
from tests.dist.together import together

END = """
import os, sys, time
from gpunn import dist
group = dist.init("cpu", timeout=120)
group.barrier()
if os.path.exists("/proc/self/maps"):
    kept = [line for line in open("/proc/self/maps") if "/dev/shm/mpich_shm" in line and "(deleted)" not in line]
    sys.stdout.write("".join(kept))
if os.fork() == 0:
    # Each into a file of its own: into one pipe two processes write their tracebacks in pieces, between each other's.
    os.dup2(os.open(os.path.join(sys.argv[1], f"fork-{group.rank}"), os.O_WRONLY | os.O_CREAT), 2)
    raise ValueError("of a fork")
os.wait()
group.barrier()
if group.rank == 1:
    raise KeyboardInterrupt("of rank 1")
group.barrier()
"""


@pytest.fixture
def pair(monkeypatch):
    """Two ranks, the first of which is this process, at its end after three calls."""
    monkeypatch.setattr(ending, "PARTING", 0.05)
    with clients.ranks(2) as (_, (mine, other)):
        monkeypatch.setattr(ending.here, "client", mine)
        group = Group(0, 2, client=mine)
        group.calls = 3
        with inside(group):
            yield mine, other
        ending.here.failed = ending.here.asked = 0


@pytest.mark.parametrize("doing", ["past all_reduce number 3", "starting", "at its end"])
def test_a_rank_at_its_end_waits_for_one_that_still_works(pair, doing, capsys):
    _, other = pair
    other.doing = doing
    late = Thread(target=lambda: (time.sleep(0.3), other.put("end of 1", ""), other.gather("end", "")))
    late.start()
    assert ending.part()
    late.join()
    assert not capsys.readouterr().err


def test_a_rank_at_its_end_for_which_another_waits_has_failed(pair, capsys):
    mine, other = pair
    other.doing = "all_reduce number 4"
    assert not ending.part()
    assert capsys.readouterr().err == (
        "gpunn: rank 0 has ended, and others have not: rank 1: all_reduce number 4, for which it is needed; all ranks "
        "must make the same calls; where they have unequal numbers of batches take DataParallel.join\n"
    )
    assert mine.where()[0] == "at its end"


def end_quietly():
    """End a thread, and that alone."""
    with suppress(SystemExit):
        sys.exit(9)


@pytest.mark.parametrize(
    "given, code", [(3, 3), (0, 1), (None, 1), ("words", 1), (True, 1), (300, 44), (-1, 255), (256, 1)]
)
def test_who_ends_alone_ends_with_what_it_gave_to_sys_exit_if_that_is_no_success(pair, given, code, monkeypatch):
    codes = []
    pair[1].doing = "all_reduce number 4"
    monkeypatch.setattr(ending, "_end", codes.append)
    monkeypatch.setattr(sys, "exit", sys.exit)
    ending._note_what_is_asked()
    with pytest.raises(SystemExit) as met:
        sys.exit(given)
    thread = Thread(target=end_quietly)
    thread.start()
    thread.join()
    ending._at_exit(os.getpid())
    assert (met.value.code, codes) == (given, [code])


@pytest.mark.parametrize("launched", [True, False])
def test_where_a_launcher_names_the_rank_the_rank_says_its_error_alone(pair, launched, monkeypatch, capsys):
    pair[0].launched = launched
    monkeypatch.setattr(ending, "_end", lambda code: None)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(sys, "exit", sys.exit)
    monkeypatch.setattr(ending.atexit, "register", lambda *_: None)
    ending.watch_the_end()
    sys.excepthook(ValueError, ValueError("a mistake"), None)
    said = ["ValueError: a mistake"] + ["gpunn: rank 0 has failed; there is no checkpoint"] * (not launched)
    assert capsys.readouterr().err.splitlines() == said


@pytest.mark.skipif("CI" not in os.environ, reason="seconds of several ranks: in CI")
def test_an_error_of_one_rank_is_named_and_one_of_a_fork_is_no_ranks(tmp_path):
    done = under_mpi(2, "-c", END, tmp_path)
    assert done.returncode and "/dev/shm" not in done.stdout  # which nothing would remove
    for rank in range(2):
        assert (tmp_path / f"fork-{rank}").read_text().endswith("\nValueError: of a fork\n")
    assert done.stderr.count("KeyboardInterrupt: of rank 1") == 1
    assert "gpunn: rank 1 has failed; there is no checkpoint\n" in done.stderr


def test_calls_that_meet_others_are_told_so():
    """A barrier under GPUNN_DIST_DEBUG beside a sum."""

    def run(group):
        with pytest.raises(DistError) as error:
            group.barrier() if group.rank else group.all_reduce(np.zeros(3)).wait()
        return str(error.value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPUNN_DIST_DEBUG", "1")
        words = together(2, run)
    for one in words:
        assert one.endswith(
            "differs: rank 1: barrier; the others: all_reduce of float64 (3,) sum; all ranks must make the same calls "
            "in the same order"
        )


@pytest.mark.parametrize("rank", [0, 1])
def test_who_ends_the_run_is_told_last_and_nobody_is_left_to_speak(rank, monkeypatch):
    """Its process may keep the store: the others took the end of that for a death, and said so in a second line."""
    with clients.ranks(3) as (server, ranks):
        lasts, tell = [], server._roll.tell
        monkeypatch.setattr(server._roll, "tell", lambda message, last=None: (lasts.append(last), tell(message, last)))
        ranks[rank].abort(2, "the loss is not finite")
        for other in ranks:
            if other.rank != rank:
                end, speaks = other.told.get(timeout=5)
                assert (end.code, speaks, other._pause) == (2, False, 0)
        assert lasts == [rank]


def test_ranks_leave_a_moment_to_the_one_that_speaks_of_a_death():
    with clients.ranks(3) as (_, ranks):
        ranks[1].die()
        told = {other.rank: (other.told.get(timeout=5)[1], other._pause > 0) for other in (ranks[0], ranks[2])}
        assert told == {0: (True, True), 2: (False, True)}
