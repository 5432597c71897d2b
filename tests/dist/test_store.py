"""The store and its clients: values, claims, gatherings, who is where, and how a run is ended."""

import os
import socket
import threading
import time

import pytest

from gpunn.errors import DistError
from gpunn.ranks import client as client_module
from gpunn.ranks import roll
from gpunn.ranks import store as store_module
from gpunn.ranks.shelf import ranks_in_words
from gpunn.ranks.store import Store
from tests.dist.clients import Rank, at_once, ranks, store


def test_a_value_is_there_for_all_until_another_takes_its_place():
    with ranks(2) as (server, (zero, one)):
        zero.put("run", "runs/1")
        assert one.get("run") == "runs/1"
        one.put("run", "runs/ü\n\0" + "x" * 70_000)
        assert zero.get("run") == "runs/ü\n\0" + "x" * 70_000 == server.values["run"]


def test_a_value_is_a_short_text():
    with ranks(1) as (_, (zero,)):
        zero.put("a", "\U0001f600" * 80_000)  # 12 bytes each in JSON
        with pytest.raises(DistError, match=r"^put: value has 80,001 letters, expected 80,000 at most; pass the"):
            zero.put("a", "x" * 80_001)
        with pytest.raises(DistError, match=r"^gather: value is 1, expected a str; pass json.dumps of it$"):
            zero.gather("a", 1)
        assert zero.get("a") == "\U0001f600" * 80_000


def test_get_waits_until_somebody_puts():
    with ranks(3) as (_, clients):
        threading.Timer(0.1, clients[0].put, ("id", "42")).start()
        assert at_once(lambda client: client.get("id"), clients) == ["42"] * 3


def test_get_says_that_nobody_puts():
    with ranks(1) as (_, (zero,)):
        with pytest.raises(DistError, match=r"nobody has put 'id' in 0.05 s; see what the rank that should is doing"):
            zero.get("id", timeout=0.05)
        zero.put("id", "7")  # and the next finds it
        assert zero.get("id") == "7"


def test_one_rank_gets_the_claim_for_good():
    with ranks(5) as (_, clients):
        got = at_once(lambda client: client.claim("error"), clients)
        assert sorted(got) == [False] * 4 + [True]
        assert [client.claim("error") for client in clients] == got
        assert clients[3].claim("another")


def test_gather_gives_all_values_in_rank_order_and_the_key_serves_again():
    with ranks(4) as (_, clients):
        for turn in range(3):
            got = at_once(lambda client, turn=turn: client.gather("seed", f"{client.rank} {turn}"), clients[::-1])
            assert got == [[f"{rank} {turn}" for rank in range(4)]] * 4


def test_gather_names_the_ranks_that_have_not_come():
    with ranks(4) as (_, clients):
        with pytest.raises(DistError, match=r"^ranks 1, 2 and 3 have not come in 0.05 s$"):
            clients[0].gather("start", "", timeout=0.05)
        with pytest.raises(DistError, match=r"^rank 3 has not come in 0.5 s$"):
            at_once(lambda client: client.gather("again", "", timeout=0.5), clients[:3])
    assert ranks_in_words([5, 7]) == "ranks 5 and 7"


def test_sixty_four_ranks_at_once():
    with store(64) as server:
        clients = at_once(lambda rank: Rank(server.address, rank, 64), range(64))
        assert sorted(server.members) == list(range(64))
        member = server.members[5]
        assert (member.rank, member.host, member.pid) == (5, socket.gethostname(), os.getpid())
        got = at_once(lambda client: client.gather("all", str(client.rank)), clients)
        assert got == [[str(rank) for rank in range(64)]] * 64
        at_once(lambda client: client.leave(), clients)
        assert not server.members


def test_where_says_what_each_rank_does(monkeypatch):
    monkeypatch.setattr(roll, "ANSWER", 0.1)
    with store(5) as server:
        zero, one, two, three = clients = [Rank(server.address, rank, 5) for rank in range(4)]
        one.doing = "all_reduce number\n41"
        two.leave()
        three.doing = "barrier number 2"
        zero.where()
        three._hear = lambda message: None  # a process that is stopped
        assert zero.where() == {
            0: "starting",
            1: "all_reduce number 41",
            2: "has left",
            3: "does not answer (last: barrier number 2)",
            4: "has not come",
        }
        del three._hear
        for client in clients:
            client.leave()


def test_a_death_is_told_to_all_and_the_lowest_survivor_speaks():
    with ranks(4) as (server, clients):
        clients[3].put("checkpoint", "runs/1/checkpoint.npz (epoch 2)")
        clients[0].die()
        for client in clients[1:]:
            end, speaks = client.told.get(timeout=5)
            assert (end.rank, end.host, end.pid, end.code) == (0, socket.gethostname(), os.getpid(), 1)
            assert end.words == f"rank 0 (process {os.getpid()} on {socket.gethostname()}) has died"
            assert speaks == (client.rank == 1)
            assert client.checkpoint == "runs/1/checkpoint.npz (epoch 2)"
        with pytest.raises(DistError, match=r"rank 0 .* has died"):
            clients[1].get("anything")
        with pytest.raises(DistError, match=r"rank 0 .* has died"):  # nobody joins a run that has ended
            Rank(server.address, 0, 4)


def test_a_wait_ends_when_a_rank_dies():
    with ranks(2) as (_, (zero, one)):
        threading.Timer(0.1, one.die).start()
        with pytest.raises(DistError, match=r"rank 1 .* has died"):
            zero.gather("start", "")


def test_under_a_launcher_it_is_told_once_and_no_rank_speaks():
    ends = []
    with ranks(3, on_end=ends.append) as (_, clients):
        clients[1].die()
        assert [clients[rank].told.get(timeout=5)[1] for rank in (0, 2)] == [False, False]
    assert [(end.rank, end.code) for end in ends] == [(1, 1)]


def test_a_farewell_is_no_death():
    ends = []
    with ranks(2, on_end=ends.append) as (server, (zero, one)):
        one.leave()
        one.leave()  # twice is once
        assert list(server.members) == [0]
        zero.put("a", "1")
        again = Rank(server.address, 1, 2)
        assert again.get("a") == "1"
        again.leave()
        assert zero.told.empty()
    assert ends == []


def test_abort_ends_the_others_with_its_code():
    ends = []
    with ranks(3, on_end=ends.append) as (_, clients):
        clients[1].abort(3, "rank 1: the loss is not finite")
        for rank in (0, 2):
            end, speaks = clients[rank].told.get(timeout=5)
            assert (end.rank, end.code, end.words, speaks) == (1, 3, "rank 1: the loss is not finite", False)
        assert clients[1].told.empty()
    assert len(ends) == 1


def test_the_rank_whose_error_is_printed_is_not_ended_while_it_prints():
    with ranks(3) as (_, (zero, one, _)):
        assert zero.claim("error") and not one.claim("error")
        second = threading.Thread(target=one.abort, args=(2, "second"))
        second.start()
        time.sleep(0.1)
        assert zero.told.empty() and second.is_alive()
        zero.abort(1, "first")
        second.join(5)
        assert not second.is_alive()


def test_an_abort_does_not_wait_for_one_that_has_left():
    with ranks(2) as (_, (zero, one)):
        assert zero.claim("error")
        zero.leave()
        start = time.monotonic()
        one.abort(2, "second")
        assert time.monotonic() - start < 2


def test_a_store_that_closes_ends_nobody():
    with store(2) as server:
        zero = Rank(server.address, 0, 2)
        server.close()
        server.close()
        with pytest.raises(DistError, match=r"rank 0 \(process .*, which keeps the ranks together, has left"):
            for _ in range(100):  # until it has heard
                zero.put("a", "1")
        assert zero.told.empty()
        zero.leave()


def test_a_rank_that_does_not_answer_is_dead(monkeypatch):
    monkeypatch.setattr(store_module, "BEAT", 0.1)
    with ranks(3) as (_, clients):
        time.sleep(0.8)  # those that answer are not
        assert clients[0].told.empty()
        clients[2]._hear = lambda message: None
        end, speaks = clients[0].told.get(timeout=5)
        assert end.rank == 2 and speaks
        assert end.words.endswith(") does not answer: it is stopped, or its host is not reached")
        clients[2].told.get(timeout=5)  # is told, too, for when it goes on


@pytest.mark.parametrize("launched", [False, True])
def test_a_store_that_is_stopped_ends_the_ranks_unless_it_is_the_launchers(launched, monkeypatch):
    """Ctrl-Z stops a launcher, and is no reason to end a run; where rank 0 is stopped nothing goes on."""
    monkeypatch.setattr(client_module, "SILENCE", 0.2)
    with store(2, on_end=(lambda end: None) if launched else None) as server:
        one = Rank(server.address, 1, 2)
        if not launched:
            end, speaks = one.told.get(timeout=5)
            assert end.rank == 0 and speaks
            assert end.words.endswith("not been heard of for 0.2 s: it is stopped, or its host is not reached")
        else:
            time.sleep(0.4)
            assert one.told.empty() and one.claim("a")
        one.leave()


def test_the_store_needs_a_secret():
    with pytest.raises(DistError, match=r"the store's secret is empty.*set GPUNN_DIST_SECRET on all ranks"):
        Store(1, "")
