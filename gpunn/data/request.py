"""One HTTP request that ends: its headers come in time, its body keeps a pace, and it is sent on to http alone."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

PIECE = 1 << 16
SLOWEST = 10_000  # bytes a second on average, below which a mirror is given up
PATIENCE = 4  # times the timeout: how long headers may take, and how far a body may fall behind that pace
SCHEMES = ("http", "https")


class TooSlow(OSError):
    """A server that says too little to be waited for."""


def answer_of(url: str, headers: Mapping[str, str], timeout: float) -> Any:
    """The response to a request, its body still to come.

    What urllib raises; TooSlow where no whole header comes in PATIENCE timeouts.

    `timeout` is how long one wait for a byte may take: a server that drips one now and then never reaches it.
    """
    if urllib.parse.urlsplit(url).scheme not in SCHEMES:
        raise ValueError(f"{url!r:.100} is no http or https address")
    sockets: list[socket.socket] = []
    late = threading.Event()

    def end() -> None:
        late.set()
        for each in sockets:
            with suppress(OSError):  # closed in time
                each.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(PATIENCE * timeout, end)
    watch.daemon = True
    watch.start()
    try:
        response = _opener(sockets).open(urllib.request.Request(url, headers=dict(headers)), timeout=timeout)
        if not late.is_set():
            return response
        response.close()  # of headers that were cut off, which end as whole ones do
        raise TooSlow(f"no answer within {PATIENCE * timeout:g} s")
    except (OSError, http.client.HTTPException) as error:
        if late.is_set() and not isinstance(error, TooSlow):
            raise TooSlow(f"no answer within {PATIENCE * timeout:g} s") from error
        raise
    finally:
        watch.cancel()
        for each in sockets:
            each.close()  # a second handle: the connection's own stays open


def body(response: Any, timeout: float) -> Iterator[bytes]:
    """The response's body in pieces as they come. TooSlow where it falls behind SLOWEST, and what reading raises."""
    started, got = time.monotonic(), 0
    while piece := response.read1(PIECE):
        yield piece
        got += len(piece)
        took = time.monotonic() - started
        if took > PATIENCE * timeout + got / SLOWEST:
            raise TooSlow(f"too slow: {got:,} bytes in {took:.0f} s")


def length(headers: Any, name: str = "Content-Length") -> int | None:
    """A header's number; None where it is missing or no plain number."""
    text = (headers.get(name) or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in SCHEMES:
            raise urllib.error.HTTPError(req.full_url, code, "a redirect to no http or https address", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(sockets: list[socket.socket]) -> urllib.request.OpenerDirector:
    """What opens addresses and keeps a second handle of every connection's socket, by which it can be ended."""

    class Watched(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock.dup())

    class Secure(http.client.HTTPSConnection, Watched):
        """Its connect is Watched's, then the handshake."""

    class Plainly(urllib.request.HTTPHandler):
        def http_open(self, req: Any) -> Any:
            return self.do_open(Watched, req)  # type: ignore[arg-type]

    class Securely(urllib.request.HTTPSHandler):
        def https_open(self, req: Any) -> Any:
            return self.do_open(Secure, req, context=self._context)  # type: ignore[arg-type, attr-defined]

    return urllib.request.build_opener(Plainly, Securely, _Redirects)
