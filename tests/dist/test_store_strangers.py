"""The store among strangers: wrong secrets, rubbish, two ranks of one number, ports that others have."""

import os
import socket
import stat
import threading
import time
from contextlib import closing, contextmanager

import pytest

from gpunn.errors import DistError
from gpunn.ranks import greeting
from gpunn.ranks import store as store_module
from gpunn.ranks.secret import local_secret
from gpunn.ranks.store import Store
from gpunn.ranks.wire import Wire
from tests.dist.clients import SECRET, Rank, at_once, ranks, store


def test_a_wrong_secret_is_said_on_both_sides():
    with store(1) as server:
        with pytest.raises(DistError, match=r"have not the same secret; start all ranks of a run with one"):
            Rank(server.address, 0, 1, secret="another")
        assert not server.members
        rank = Rank(server.address, 0, 1)  # and disturbs nobody
        rank.leave()


def test_a_store_that_does_not_know_the_secret_is_not_believed():
    """It asks for the rank's proof, and sends that back, or something."""

    def answer(sock):
        sock.sendall(Wire("store").pack({"gpunn store": 1, "nonce": "1"}))
        said = Wire("store")
        said.feed(sock.recv(4096))
        sock.sendall(Wire("store").pack({"proof": said.next()["proof"]}))

    with (
        listener(answer) as address,
        pytest.raises(DistError, match="this rank and the store have not the same secret"),
    ):
        Rank(address, 0, 1)


@pytest.mark.parametrize(
    "rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100_000, b"{}\n{}\n", b'{"nonce":1,"proof":2}\n', b""]
)
def test_strangers_are_shown_out_and_disturb_nobody(rubbish):
    with ranks(2) as (server, (zero, one)):
        stranger = socket.create_connection(server.address)
        with closing(stranger):
            stranger.settimeout(5)
            stranger.sendall(rubbish)
            if not rubbish:
                stranger.shutdown(socket.SHUT_WR)
            until_closed(stranger)
        zero.put("a", "1")
        assert one.get("a") == "1" and zero.told.empty()


def test_a_stranger_that_says_nothing_has_little_time(monkeypatch):
    monkeypatch.setattr(store_module, "PROOF", 0.1)
    with store(1) as server, closing(socket.create_connection(server.address)) as stranger:
        start = time.monotonic()
        stranger.settimeout(5)
        until_closed(stranger)
        assert time.monotonic() - start < 3


def test_strangers_leave_room_for_ranks(monkeypatch):
    monkeypatch.setattr(store_module, "STRANGERS", 3)
    monkeypatch.setattr(store_module, "PROOF", 0.3)
    with store(1) as server:
        crowd = [socket.create_connection(server.address) for _ in range(50)]
        rank = Rank(server.address, 0, 1)  # tries again until they have gone
        assert rank.where() == {0: "starting"}
        rank.leave()
        for stranger in crowd:
            stranger.close()


def test_a_rank_whose_lines_are_touched_is_said_to_be():
    with ranks(2) as (_, (zero, one)):
        one._sock.sendall(b"rubbish\n")
        end, _ = zero.told.get(timeout=5)
        assert end.words.endswith(") cannot be understood: a line without the seal of this connection came from it")
        one.told.get(timeout=5)


def test_two_ranks_of_one_number():
    with ranks(2) as (server, (zero, _)):
        with pytest.raises(DistError) as raised:
            Rank(server.address, 1, 2)
        process = f"process {os.getpid()} on {socket.gethostname()}"
        assert (
            str(raised.value)
            == f"two processes have the number 1, {process} and {process}; give each rank its own RANK"
        )
        assert zero.told.empty()


def test_ranks_that_count_otherwise():
    with store(2) as server:
        with pytest.raises(DistError, match="rank 1 counts 3 ranks, the store 2; set one WORLD_SIZE on all ranks"):
            Rank(server.address, 1, 3)
        with pytest.raises(DistError, match="a rank has the number 2, expected 0 to 1; correct its RANK"):
            Rank(server.address, 2, 2)
        with pytest.raises(DistError, match="a rank has the number -1, expected 0 to 1; correct its RANK"):
            Rank(server.address, -1, 2)


def test_nobody_listens():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(DistError) as raised:
        Rank(("127.0.0.1", port), 3, 4, timeout=0.2)
    assert str(raised.value) == (
        f"rank 3 has found no store at 127.0.0.1:{port} in 0.2 s (Connection refused); see whether rank 0, or the "
        "launcher, runs there, and whether a firewall closes that port"
    )


def test_the_store_may_come_later():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    later = []
    threading.Timer(0.2, lambda: later.append(Store(1, SECRET, port=port))).start()
    rank = Rank(("127.0.0.1", port), 0, 1)
    rank.leave()
    later[0].close()


def test_something_else_listens_there():
    with (
        listener(lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as address,
        pytest.raises(DistError, match=r"no store of gpunn's \(a line that is no JSON came from it\); set MASTER_PORT"),
    ):
        Rank(address, 0, 1)


def test_something_silent_listens_there(monkeypatch):
    monkeypatch.setattr(greeting, "PROOF", 0.1)
    with (
        listener(lambda sock: time.sleep(0.5)) as address,
        pytest.raises(DistError, match=r"found no store at .* in 0.3 s \(timed out\)"),
    ):
        Rank(address, 0, 1, timeout=0.3)


@pytest.mark.parametrize("address", [("no.such.host.invalid", 29500), ("." * 70, 1), ("127.0.0.1", 70000)])
def test_an_address_that_is_none(address):
    with pytest.raises(DistError, match=f"found no store at {address[0]}:{address[1]} in 0.1 s"):
        Rank(address, 0, 1, timeout=0.1)


def test_a_port_in_use_and_addresses_that_are_not_ours():
    with store(1) as server:
        port = server.address[1]
        with pytest.raises(DistError) as raised:
            Store(1, SECRET, port=port)
        assert str(raised.value) == (
            f"port {port} of 127.0.0.1 is in use; end the run that has it, or set MASTER_PORT to another on all ranks"
        )
    with store(1, port=port) as server:  # at once again
        assert server.address == ("127.0.0.1", port)
    for host, port in (("203.0.113.1", 0), ("." * 70, 0), ("127.0.0.1", 70000), ("127.0.0.1", -1)):
        with pytest.raises(
            DistError, match=f"^nothing can be served at {host}, port {port} .*; give an address of this"
        ):
            Store(1, SECRET, host, port)


def test_a_store_for_all_addresses():
    with store(1, host="") as server:
        assert server.address[0] == socket.gethostname()
        for host in ("127.0.0.1", "localhost"):
            rank = Rank((host, server.address[1]), 0, 1)
            rank.leave()


def test_ranks_of_one_host_share_a_secret_that_nobody_else_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    secrets = set(at_once(local_secret, [29500] * 8))
    assert len(secrets) == 1 and len(secrets.pop()) == 64
    folder = tmp_path / "gpunn" / "ranks"
    assert [path.name for path in folder.iterdir()] == ["secret-29500"]
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (folder, folder / "secret-29500")] == [0o700, 0o600]
    assert local_secret(29501) != local_secret(29500)

    os.chmod(folder / "secret-29500", 0o644)
    with pytest.raises(DistError, match=r"secret-29500 is not this user's alone, .*; remove it, or set GPUNN_DIST"):
        local_secret(29500)
    os.chmod(folder, 0o755)
    with pytest.raises(DistError, match=r"gpunn/ranks is not this user's alone"):
        local_secret(29501)


def test_a_secret_that_cannot_be_kept(tmp_path, monkeypatch):
    (tmp_path / "gpunn").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DistError, match=r"cannot be kept in .*secret-1 \(Not a directory\); set GPUNN_DIST_SECRET"):
        local_secret(1)


@contextmanager
def listener(answer):
    """The address of something that is no store: `answer(socket)` for each that comes."""

    def serve():
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            with closing(sock):
                answer(sock)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def until_closed(sock):
    """Read until the other side has closed, within the socket's time."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
