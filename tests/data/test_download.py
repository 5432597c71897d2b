"""Downloads from mirrors on the loopback interface, in every way that they go wrong."""

import contextlib
import gzip
import hashlib
import http.client
import itertools
import os
import socket
import sys
import threading
import time
import urllib.error

import pytest

from gpunn.data import download
from gpunn.data.download import DownloadError, Wanted, fetch
from tests.data.mirror import Mirror

CONTENT = os.urandom(150_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT)
WRONG = gzip.compress(b"another file" * 10_000, compresslevel=0)
DEAD = "http://127.0.0.1:9/"  # the discard port: nothing listens there


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy between the test and the loopback interface."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "folder" / "set.gz"


WANTED = Wanted(MD5, len(CONTENT))


def get(target, *mirrors, md5=MD5, timeout=5):
    urls = [(m if isinstance(m, str) else m.url) + "set.gz" for m in mirrors]
    return fetch(urls, target, Wanted(md5, len(CONTENT)), timeout=timeout)


def assert_whole(target):
    assert target.read_bytes() == PACKED
    assert [p.name for p in target.parent.iterdir()] == ["set.gz"]


def test_first_mirror(target):
    with Mirror({"set.gz": PACKED}) as first, Mirror({"set.gz": PACKED}) as second:
        assert get(target, first, second) == target
    assert first.requests == [("/set.gz", None)] and second.requests == []
    assert_whole(target)


def test_without_a_length(target):
    with Mirror({"set.gz": PACKED}, length=False) as mirror:
        get(target, mirror)
    assert_whole(target)


def test_shows_a_bar(target, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Mirror({"set.gz": PACKED}) as mirror:
        get(target, mirror)
    assert "set.gz" in capsys.readouterr().err


def test_resumes_where_it_broke_off(target):
    with Mirror({"set.gz": PACKED}, breaks=2, after=40_000) as mirror:
        get(target, mirror)
    assert [asked for _, asked in mirror.requests] == [None, "bytes=40000-", "bytes=80000-"]
    assert_whole(target)


def test_resumes_at_another_mirror_and_in_a_later_call(target):
    with Mirror({"set.gz": PACKED}, breaks=9, after=10_000) as weak:
        with pytest.raises(DownloadError, match=f"broke off after 30000 of {len(PACKED)} bytes"):
            get(target, weak)
        assert not target.exists() and target.with_name("set.gz.part").stat().st_size == 30_000
        with Mirror({"set.gz": PACKED}) as strong:
            get(target, weak, strong)
    assert strong.requests == [("/set.gz", "bytes=60000-")]
    assert_whole(target)


def test_mirror_that_ignores_ranges_starts_anew(target):
    with Mirror({"set.gz": PACKED}, ranges=False, breaks=1, after=40_000) as mirror:
        get(target, mirror)
    assert_whole(target)


@pytest.mark.parametrize("part", [b"rubbish", WRONG, PACKED[:-1] + b"x", PACKED + b"xx"], ids=len)
def test_wrong_leftover_is_dropped(target, part):
    target.parent.mkdir(parents=True)
    target.with_name("set.gz.part").write_bytes(part)
    with Mirror({"set.gz": PACKED}) as mirror:
        get(target, mirror)
    assert mirror.requests[0][1] == f"bytes={len(part)}-" and mirror.requests[-1][1] is None
    assert_whole(target)


def test_whole_leftover_needs_no_body(target):
    target.parent.mkdir(parents=True)
    target.with_name("set.gz.part").write_bytes(PACKED)
    with Mirror({"set.gz": PACKED}) as mirror:
        get(target, mirror)
    assert len(mirror.requests) == 1
    assert_whole(target)


@pytest.mark.parametrize("bad", [{"set.gz": WRONG}, {"set.gz": b"<html>"}, {"set.gz": PACKED[:-99]}, {}], ids=len)
def test_bad_mirror_then_good(target, bad):
    with Mirror(bad) as first, Mirror({"set.gz": PACKED}) as second:
        get(target, first, second)
    assert second.requests == [("/set.gz", None)], "nothing of the bad mirror may be left"
    assert_whole(target)


def test_all_mirrors_fail(target):
    with Mirror({"set.gz": WRONG}) as first, Mirror({}) as second, Mirror({"set.gz": PACKED[:-9]}) as third:
        with pytest.raises(DownloadError) as caught:
            get(target, first, second, third, DEAD)
        text = str(caught.value)
        assert text.startswith("download: no mirror delivered set.gz (")
        host = first.url.split("/")[2]
        assert f"{host}: checksum {hashlib.md5(gzip.decompress(WRONG)).hexdigest()} differs from {MD5}" in text
        assert "HTTP status 404" in text and "(not a whole gzip file)" in text
        assert "127.0.0.1:9: Connection refused" in text
        assert text.endswith(f"try again with a network, or put the file at {target}") and "\n" not in text
    assert list(target.parent.iterdir()) == []


def test_no_mirror_and_an_address_of_no_kind(target):
    with pytest.raises(DownloadError, match="no mirror was given"):
        fetch([], target, WANTED)
    with pytest.raises(DownloadError, match="'nowhere' is no http or https address"):
        fetch(["nowhere"], target, WANTED)


def test_without_a_name_server_one_mirror_is_enough(target, monkeypatch):
    asked = []

    def refuse(url, headers, timeout):
        asked.append(url)
        raise urllib.error.URLError(download.socket.gaierror(download.socket.EAI_AGAIN, "Temporary failure"))

    monkeypatch.setattr(download, "answer_of", refuse)
    with pytest.raises(DownloadError, match=r"no mirror delivered set\.gz .*Temporary failure"):
        get(target, "http://one.invalid/", "http://two.invalid/")
    assert asked == ["http://one.invalid/set.gz"]


def test_stalled_mirror_is_given_up(target, monkeypatch):
    class Stalled:
        status, headers = 200, http.client.HTTPMessage()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read1(self, size):
            raise TimeoutError("timed out")

    monkeypatch.setattr(download, "answer_of", lambda url, headers, timeout: Stalled())
    with pytest.raises(DownloadError, match=r"one\.invalid: timed out"):
        get(target, "http://one.invalid/")


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"cannot store .*set\.gz: (Not a directory|File exists); free some space"):
        fetch([DEAD], tmp_path / "file" / "set.gz", WANTED)


def test_two_processes_do_not_write_one_part(target):
    fcntl = pytest.importorskip("fcntl", reason="this system has no folder locks")
    target.parent.mkdir(parents=True)
    other = os.open(target.parent, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with Mirror({"set.gz": PACKED}) as mirror:
        waiting = threading.Thread(target=get, args=(target, mirror))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive() and mirror.requests == []
        target.write_bytes(PACKED)
        os.close(other)
        waiting.join(5)
        assert not waiting.is_alive() and mirror.requests == [], "what the other process fetched is used"


def test_full_disk(target, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        Mirror({"set.gz": PACKED}) as mirror,
        pytest.raises(DownloadError, match="No space left on device; free some space there or set XDG_CACHE_HOME"),
    ):
        get(target, mirror)
    assert not target.exists()


class Script:
    """A server that answers the n-th request with the n-th of `answers`: functions of the socket. Then it closes."""

    def __init__(self, *answers):
        self.answers, self.requests, self.ended = list(answers), [], threading.Event()

    def __enter__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def serve(self):
        for answer in self.answers:
            with contextlib.suppress(OSError):  # the client leaves when it has had enough, and the test at its end
                connection, _ = self.server.accept()
                with connection:
                    self.requests.append(connection.recv(4096))
                    answer(connection, self.ended)

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown(socket.SHUT_RDWR)  # which ends its wait
        self.server.close()
        self.thread.join()


def say(text, *pieces, every=0.0):
    """Send a header, then each piece after so many seconds, for as long as the client listens."""

    def answer(connection, ended):
        connection.sendall(text.encode())
        for piece in itertools.chain(*pieces):
            connection.sendall(piece)
            if every and ended.wait(every):
                return

    return answer


OK = "HTTP/1.1 200 OK\r\n"
FOREVER = itertools.repeat
HOSTILE = {
    "drips a body": (say(f"{OK}Content-Length: 999\r\n\r\n", FOREVER(b"x"), every=0.02), "too slow: "),
    "drips a header": (say("", (bytes([c]) for c in (OK * 99).encode()), every=0.02), "no answer within 0.4 s"),
    "drips headers": (say(OK, FOREVER(b"X-A: b\r\n"), every=0.02), "no answer within 0.4 s"),
    "never answers": (say("", FOREVER(b""), every=0.02), "timed out"),
    "has no end": (say(f"{OK}\r\n", FOREVER(bytes(1 << 16))), "it sends more than the 152,524 bytes that the file has"),
    "announces too much": (say(f"{OK}Content-Length: {10**12}\r\n\r\n", []), "it announces 1,000,000,000,000 bytes, m"),
    "a length that is none": (say(f"{OK}Content-Length: \u00b2\r\n\r\n", [b"x"]), "not a whole gzip file"),
    "a long length": (say(f"{OK}Content-Length: {'9' * 5000}\r\n\r\n", [b"x"]), "not a whole gzip file"),
    "a negative length": (say(f"{OK}Content-Length: -5\r\n\r\n", [b"x"]), "not a whole gzip file"),
    "416 without a range": (say("HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n"), "HTTP status 416"),
    "206 without a range": (say("HTTP/1.1 206 Part\r\nContent-Range: bytes 9-9/10\r\n\r\n", [b"x"]), "it sent another"),
    "204": (say("HTTP/1.1 204 None\r\n\r\n"), "HTTP status 204"),
    "chunks that are none": (say(f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), ""),
    "a chunk of -5": (say(f"{OK}Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n"), ""),
    "no HTTP": (say("SSH-2.0-OpenSSH\r\n"), "SSH-2.0-OpenSSH"),
    "a file": (say("HTTP/1.1 302 There\r\nLocation: file:///etc/hostname\r\n\r\n"), "HTTP status 302"),
    "ftp": (say("HTTP/1.1 302 There\r\nLocation: ftp://127.0.0.1/x\r\n\r\n"), "HTTP status 302"),
    "a thousand headers": (say(OK + "A: b\r\n" * 1000 + "\r\n"), "got more than 100 headers"),
    "a bomb": (say(f"{OK}\r\n", [gzip.compress(bytes(10**8))]), "it unpacks to more than 152,524 bytes"),
}


@pytest.mark.parametrize(("answer", "words"), HOSTILE.values(), ids=HOSTILE)
def test_after_a_hostile_mirror_comes_the_next(target, answer, words):
    started = time.monotonic()
    with Script(*[answer] * 3) as bad, Mirror({"set.gz": PACKED}) as good:
        with pytest.raises(DownloadError, match="no mirror delivered") as caught:
            get(target, bad, timeout=0.1)
        assert words in str(caught.value) and "\n" not in str(caught.value)
        get(target, good)
    assert_whole(target)
    assert time.monotonic() - started < 2


def test_a_part_that_is_longer_than_the_file_starts_anew(target):
    target.parent.mkdir(parents=True)
    target.with_name("set.gz.part").write_bytes(bytes(200_000))
    with Mirror({"set.gz": PACKED}) as mirror:
        get(target, mirror)
    assert mirror.requests == [("/set.gz", None)]
    assert_whole(target)
