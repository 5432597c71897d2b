"""What passes between the store and a rank: lines of JSON, which carry a seal once both know the secret.

Greeting: the store sends a nonce; the rank answers with one of its own and a proof, an HMAC-SHA256 of both nonces under
the secret; the store proves the same. From then on each line begins with an HMAC of its direction, its number and its
text under a key made of the secret and the nonces: a line that somebody else wrote, changed, repeated or left out is
refused. Nothing is encrypted. No socket is touched here.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import weakref
from dataclasses import dataclass

VERSION = 1
GREETING = 4096  # bytes of a line from somebody who has proved nothing
LINE = 1 << 20  # bytes of a line from a rank
REPLY = 1 << 28  # bytes of a line from the store: what all ranks have sent
PROOF = 5.0  # seconds within which a connection proves itself
SILENCE = 20.0  # seconds without a sign of life after which a process counts as dead


@dataclass(frozen=True)
class Member:
    """A rank that is there: its number, and the process that it is."""

    rank: int
    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True)
class End:
    """Why a run ended: the rank that died or gave up, in words, and the exit code for the others."""

    rank: int
    host: str
    pid: int
    words: str
    code: int


class Wire:
    """One side of a connection, `me` being "store" or "rank": messages as bytes, and bytes that come as messages."""

    def __init__(self, me: str):
        self._me, self._other = (me, "rank") if me == "store" else (me, "store")
        self._most = GREETING
        self._key = b""
        self._sent = self._heard = 0
        self._rest = bytearray()
        self._looked = 0  # bytes of the rest without an end of line

    def seal(self, secret: str, nonces: str) -> None:
        """From here on lines carry seals, and may be long."""
        self._key = bytes.fromhex(proof(secret, "key", nonces))
        self._most = LINE if self._me == "store" else REPLY

    def pack(self, message: dict) -> bytes:
        """A message as a line."""
        text = json.dumps(message, separators=(",", ":")).encode()
        if self._key:
            text = self._mark(self._me, self._sent, text) + b" " + text
            self._sent += 1
        return text + b"\n"

    def feed(self, chunk: bytes) -> None:
        """Take what has come."""
        self._rest += chunk

    def next(self) -> dict | None:
        """The next message that is there whole; ValueError for a line that is too long, no JSON or not sealed."""
        end = self._rest.find(b"\n", self._looked)
        if (len(self._rest) if end < 0 else end) > self._most:
            raise ValueError(f"a line of more than {self._most} bytes")
        self._looked = len(self._rest) if end < 0 else 0
        if end < 0:
            return None
        text = bytes(self._rest[:end])
        del self._rest[: end + 1]
        if self._key:
            mark, _, text = text.partition(b" ")
            if not hmac.compare_digest(mark, self._mark(self._other, self._heard, text)):
                raise ValueError("a line without the seal of this connection")
            self._heard += 1
        return _parse(text)

    def _mark(self, who: str, number: int, text: bytes) -> bytes:
        return hmac.digest(self._key, f"{who} {number} ".encode() + text, "sha256").hex().encode()


def proof(secret: str, who: str, nonces: str) -> str:
    """What only one who knows the secret can say of these nonces; one side's proof, `who`, is not the other's."""
    return hmac.digest(secret.encode(), f"{who} {nonces}".encode(), "sha256").hex()


def same(got: object, expected: str) -> bool:
    """Whether a proof is the expected one, in a time that tells nothing."""
    return hmac.compare_digest(str(got).encode("utf-8", "replace"), expected.encode())


def _parse(text: bytes) -> dict:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("a line that is no JSON") from None
    if not isinstance(message, dict):
        raise ValueError("a line that is no message")
    return message


# Sockets of this process. A forked child, such as a loader's worker, would keep the connections of a killed parent
# open, so that nobody heard of its death.
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def own(sock: socket.socket) -> socket.socket:
    """A socket that is this process's alone; the kernel finds within SILENCE that the other host has vanished."""
    _sockets.add(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_NODELAY", 1),
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(1000 * SILENCE)),
    ):
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def _close_in_child() -> None:
    for sock in list(_sockets):
        if (handle := sock.detach()) >= 0:
            os.close(handle)  # no shutdown, which would end the parent's connection, too


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
