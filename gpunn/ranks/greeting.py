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
    start, pause = time.monotonic(), 0.05
    while True:
        left = start + timeout - time.monotonic()
        try:
            return _try(address, secret, rank, size, min(PROOF, max(left, 0.1)))
        except OSError as error:  # nobody there yet, or too busy, or a name that is not known yet
            reason = one_line(error.strerror or str(error))
        left = start + timeout - time.monotonic()
        if left <= 0:
            raise DistError(
                f"rank {rank} has found no store at {address[0]}:{address[1]} in {timeout:g} s ({reason}); see whether "
                "rank 0, or the launcher, runs there, and whether a firewall closes that port"
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


def _try(
    address: tuple[str, int], secret: str, rank: int, size: int, seconds: float
) -> tuple[socket.socket, Wire, dict]:
    until = time.monotonic() + seconds
    sock = own(socket.create_connection(address, seconds))
    try:
        if sock.getsockname() == sock.getpeername():  # nobody listens: on its own host a socket can meet itself
            raise ConnectionRefusedError("Connection refused")
        try:
            return sock, *_introduce(sock, f"{address[0]}:{address[1]}", secret, rank, size, until)
        except ValueError as error:
            raise DistError(
                f"rank {rank}: what listens at {address[0]}:{address[1]} is no store of gpunn's ({error} came from "
                "it); set MASTER_PORT to a port that is free, on all ranks"
            ) from None
    except BaseException:
        sock.close()
        raise


def _introduce(sock: socket.socket, where: str, secret: str, rank: int, size: int, until: float) -> tuple[Wire, dict]:
    wire, nonce = Wire("rank"), token_hex(16)
    greeting = receive(sock, wire, until)
    if greeting.get("gpunn store") != VERSION:
        raise ValueError("another greeting")
    nonces = f"{greeting.get('nonce')} {nonce}"
    sock.sendall(wire.pack({"nonce": nonce, "proof": proof(secret, "rank", nonces)}))
    answer = receive(sock, wire, until)
    if not same(answer.get("proof"), proof(secret, "store", nonces)):
        raise DistError(
            f"rank {rank} and the store at {where} have not the same secret; start all ranks of a run with one "
            "GPUNN_DIST_SECRET, and another run on another port"
        )
    wire.seal(secret, nonces)
    hello = {"rank": rank, "size": size, "host": socket.gethostname(), "pid": os.getpid()}
    sock.sendall(wire.pack(hello))
    welcome = receive(sock, wire, until)
    if "error" in welcome:
        raise DistError(welcome["error"])
    return wire, welcome


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
        if not host and socket.has_dualstack_ipv6():
            sock = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        else:
            family = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0][0]
            sock = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise DistError(_refusal(host, port, error)) from error
    sock.setblocking(False)
    return own(sock)


def _refusal(host: str, port: int, error: OSError) -> str:
    where = host or "this machine"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {where} is in use; end the run that has it, or set MASTER_PORT to another on all ranks"
    if error.errno == errno.EACCES:
        return f"port {port} of {where} is not for this user; set MASTER_PORT to one from 1024 to 65535 on all ranks"
    return f"nothing can be served at {where}, port {port} ({one_line(str(error))}); give an address of this machine"
