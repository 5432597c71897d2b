"""How a rank and its store meet, and each shows the other that it knows the secret."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from secrets import token_hex

from gpunn.errors import DistError
from gpunn.ranks.wire import PROOF, VERSION, Wire, own, proof, same
from gpunn.text import one_line


def join(
    address: tuple[str, int], secret: str, rank: int, size: int, timeout: float
) -> tuple[socket.socket, Wire, dict]:
    """The connection, its wire and the store's welcome; until `timeout` seconds have gone the store may still come."""
    end, pause = time.monotonic() + timeout, 0.05
    place = f"{address[0]}:{address[1]}"
    hello = {"rank": rank, "size": size, "host": socket.gethostname(), "pid": os.getpid()}
    while True:
        try:
            return _try(address, secret, hello, end)
        except (OSError, UnicodeError, OverflowError) as error:  # nobody yet, or too busy, or a name not known yet
            reason = one_line(getattr(error, "strerror", None) or str(error))
        except ValueError as error:
            raise DistError(
                f"rank {rank}: what listens at {place} is no store of gpunn's ({error} came from it); set MASTER_PORT "
                "to a port that is free, on all ranks"
            ) from None
        left = end - time.monotonic()
        if left <= 0:
            raise DistError(
                f"rank {rank} has found no store at {place} in {timeout:g} s ({reason}); see whether rank 0, or the "
                "launcher, runs there, and whether a firewall closes that port"
            )
        time.sleep(min(pause, left))
        pause = min(2 * pause, 1.0)


def receive(sock: socket.socket, wire: Wire, until: float | None = None) -> dict:
    """The next message; OSError where the connection ends, or none has come at `until`, ValueError for rubbish."""
    while (message := wire.next()) is None:
        if until is not None:
            sock.settimeout(max(until - time.monotonic(), 0.001))
        chunk = sock.recv(1 << 16)
        if not chunk:
            raise ConnectionResetError("the connection has ended")
        wire.feed(chunk)
    return message


def _try(address: tuple[str, int], secret: str, hello: dict, end: float) -> tuple[socket.socket, Wire, dict]:
    seconds = max(min(PROOF, end - time.monotonic()), 0.1)
    until = time.monotonic() + seconds
    sock = socket.create_connection(address, seconds)
    try:
        if sock.getsockname() == sock.getpeername():  # nobody listens: on its own host a socket can meet itself
            raise ConnectionRefusedError("Connection refused")
        own(sock)
        wire = _introduce(sock, secret, until)
        sock.sendall(wire.pack(hello))
        welcome = receive(sock, wire, end + PROOF)  # the store takes an end of the connection for a death from here on
        if "error" in welcome:
            raise DistError(welcome["error"])
        return sock, wire, welcome
    except BaseException:
        sock.close()
        raise


def _introduce(sock: socket.socket, secret: str, until: float) -> Wire:
    """The wire to a store that knows the secret, as this rank does."""
    wire, nonce = Wire("rank"), token_hex(16)
    greeting = receive(sock, wire, until)
    if greeting.get("gpunn store") != VERSION:
        raise ValueError("another greeting")
    nonces = f"{greeting.get('nonce')} {nonce}"
    sock.sendall(wire.pack({"nonce": nonce, "proof": proof(secret, "rank", nonces)}))
    answer = receive(sock, wire, until)
    if not same(answer.get("proof"), proof(secret, "store", nonces)):
        raise DistError(
            "this rank and the store have not the same secret; start all ranks of a run with one GPUNN_DIST_SECRET, "
            "and another run on another port"
        )
    wire.seal(secret, nonces)
    return wire


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: str) -> tuple[Wire, dict]:
    """The store's side: the wire of one who knows the secret, and what it says of itself; ValueError for others."""
    wire, nonce = Wire("store"), token_hex(16)
    writer.write(wire.pack({"gpunn store": VERSION, "nonce": nonce}))
    answer = await read(reader, wire)
    nonces = f"{nonce} {answer.get('nonce')}"
    if not same(answer.get("proof"), proof(secret, "rank", nonces)):
        writer.write(wire.pack({"error": "secret"}))
        raise ValueError("a wrong secret")
    writer.write(wire.pack({"proof": proof(secret, "store", nonces)}))
    wire.seal(secret, nonces)
    return wire, await read(reader, wire)


async def read(reader: asyncio.StreamReader, wire: Wire) -> dict:
    """As `receive`, on the store's side."""
    while (message := wire.next()) is None:
        chunk = await reader.read(1 << 16)
        if not chunk:
            raise ConnectionResetError("the connection has ended")
        wire.feed(chunk)
    return message


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; for "" at all addresses, old and new ones."""
    try:
        if not 0 <= port < 1 << 16:
            raise OSError("a port is 0 to 65535")
        if not host and socket.has_dualstack_ipv6():
            sock = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        else:
            family = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0][0]
            sock = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        raise DistError(_refusal(host, port, error)) from error
    sock.setblocking(False)
    return own(sock)


def _refusal(host: str, port: int, error: Exception) -> str:
    where, number = host or "this machine", getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} of {where} is in use; end the run that has it, or set MASTER_PORT to another on all ranks"
    if number == errno.EACCES:
        return f"port {port} of {where} is not for this user; set MASTER_PORT to one from 1024 to 65535 on all ranks"
    return f"nothing can be served at {where}, port {port} ({one_line(str(error))}); give an address of this machine"
