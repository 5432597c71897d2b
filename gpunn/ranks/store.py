"""The store of a run, a TCP server: keys and values, who is there, and who has died.

It runs in the launcher's process, or else in rank 0's, on one thread of its own, so that nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from gpunn.errors import DistError
from gpunn.ranks.greeting import greet, listen, read
from gpunn.ranks.shelf import Shelf
from gpunn.ranks.wire import PROOF, End, Member, Wire, own
from gpunn.text import one_line

BEAT = 3.0  # seconds between two questions whether a rank lives
MISSED = 5  # questions without an answer after which it does not: after 15 to 18 seconds
ANSWER = 2.0  # seconds that a rank has to say what it is doing
FIRST = 5.0  # seconds that the rank whose error is printed has to end the run itself
STRANGERS = 64  # connections beside the run's own that may be proving themselves


@dataclass
class Seat:
    """A rank's connection."""

    member: Member
    wire: Wire
    writer: asyncio.StreamWriter
    doing: str = "starting"
    asked: bool = False  # what it is doing, and it has not answered
    missed: int = 0  # questions in a row

    def send(self, message: dict) -> None:
        if not self.writer.is_closing():
            self.writer.write(self.wire.pack(message))

    def ask(self) -> None:
        self.asked = True
        self.send({"ask": "doing"})


class Store:
    """Serves `size` ranks that know the secret; `on_end` is called once, on the store's thread, when a rank dies.

    `host` is an address of this machine, "" for all of them; port 0 is any free one. `values` are what ranks have put,
    `members` those that are there. Raises DistError where the port is in use or the host none of this machine's.

    Examples:
        >>> from gpunn.ranks.client import Client
        >>> from gpunn.ranks.store import Store
        >>> store = Store(1, "secret")
        >>> client = Client(store.address, "secret", rank=0, size=1)
        >>> client.put("run", "runs/1")
        >>> client.get("run"), client.claim("error"), client.gather("seeds", "0")
        ('runs/1', True, ['0'])
        >>> client.leave()
        >>> store.close()
    """

    def __init__(
        self,
        size: int,
        secret: str,
        host: str = "127.0.0.1",
        port: int = 0,
        on_end: Callable[[End], None] | None = None,
    ):
        if not secret:
            raise DistError("the store's secret is empty, expected some letters; set GPUNN_DIST_SECRET on all ranks")
        self.size, self._secret, self._on_end = size, secret, on_end
        self._shelf = Shelf(size)
        self.values: dict[str, str] = self._shelf.values
        self.members: dict[int, Member] = {}
        self._seats: dict[int, Seat] = {}
        self._left: set[int] = set()
        self._tasks: set[asyncio.Task] = set()
        self._strangers = 0
        self._end: End | None = None
        self._over = asyncio.Event()
        self._listener = listen(host, port)
        self.address: tuple[str, int] = (host or socket.gethostname(), self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="gpunn store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Bid the ranks farewell and end, which they do not take for a death. Not from `on_end`."""
        with suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._listener.close()
            self._loop.close()

    async def _serve(self) -> None:
        self._start(self._accept())
        self._start(self._beat())
        await self._closing.wait()
        for seat in self._seats.values():
            seat.send({"close": True})
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # connections close in the loop's next round

    def _start(self, work) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)  # the loop itself keeps none alive
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            try:
                sock, _ = await self._loop.sock_accept(self._listener)
            except OSError:  # it has left again, or too many files are open
                await asyncio.sleep(0.1)
                continue
            if self._strangers >= STRANGERS + 2 * self.size:
                sock.close()
            else:
                self._start(self._talk(own(sock)))

    async def _talk(self, sock: socket.socket) -> None:
        """Serve one connection from its greeting to its end."""
        reader, writer = await asyncio.open_connection(sock=sock)
        seat, words = None, "has died"
        self._strangers += 1
        try:
            try:
                seat = await asyncio.wait_for(self._admit(reader, writer), PROOF)
            finally:
                self._strangers -= 1
            while True:
                self._hear(seat, await read(reader, seat.wire))
        except (OSError, asyncio.TimeoutError):
            pass
        except ValueError as error:
            words = f"cannot be understood: {error} came from it"
        finally:
            if seat is not None and not self._closing.is_set():
                self._lose(seat, words)
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Seat:
        """The seat of one who knows the secret and has a number of its own; ValueError for anybody else."""
        wire, hello = await greet(reader, writer, self._secret)
        member = Member(int(hello["rank"]), one_line(str(hello["host"])), int(hello["pid"]))
        if words := self._objection(member, hello["size"]):
            writer.write(wire.pack({"error": words}))
            raise ValueError(words)
        seat = self._seats[member.rank] = Seat(member, wire, writer)
        self.members[member.rank] = member
        self._left.discard(member.rank)
        seat.send(
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "launched": self._on_end is not None,
                "checkpoint": self.values.get("checkpoint", ""),
            }
        )
        return seat

    def _objection(self, member: Member, size: object) -> str:
        if size != self.size:
            return f"rank {member.rank} counts {size} ranks, the store {self.size}; set one WORLD_SIZE on all ranks"
        if not 0 <= member.rank < self.size:
            return f"a rank has the number {member.rank}, expected 0 to {self.size - 1}; correct its RANK"
        if other := self.members.get(member.rank):
            return (
                f"two processes have the number {member.rank} ({other}, and {member}); give each rank a RANK of its own"
            )
        return self._end.words if self._end else ""

    def _hear(self, seat: Seat, message: dict) -> None:
        """Take an answer of a rank, or begin to answer what it asks."""
        if "doing" in message:
            seat.doing, seat.asked, seat.missed = one_line(str(message["doing"])), False, 0
        else:
            self._start(self._reply(seat, message))

    async def _reply(self, seat: Seat, message: dict) -> None:
        try:
            reply = {"value": await self._answer(seat, message)}
        except DistError as error:
            reply = {"error": str(error)}
        seat.send({"id": message["id"], **reply})

    async def _answer(self, seat: Seat, message: dict) -> object:
        """What a rank gets for what it asks; None where it only says something."""
        rank, op, key = seat.member.rank, message["op"], message.get("key", "")
        if op == "put":
            self._shelf.put(key, message["value"])
            if key == "checkpoint":  # each rank may be the one that has to say it
                for other in self._seats.values():
                    other.send({"checkpoint": message["value"]})
        elif op == "get":
            return await self._shelf.get(key, message["seconds"])
        elif op == "claim":
            return self._shelf.claim(key, rank)
        elif op == "gather":
            return await self._shelf.gather(key, rank, message["value"], message["seconds"])
        elif op == "where":
            return await self._where()
        elif op == "leave":
            self._leave(seat)
        elif op == "abort":
            await self._abort(seat, message["code"], message["words"])
        return None

    async def _where(self) -> list[str]:
        for seat in self._seats.values():
            seat.ask()
        end = self._loop.time() + ANSWER
        while any(seat.asked for seat in self._seats.values()) and self._loop.time() < end:
            await asyncio.sleep(0.02)
        return [self._doing(rank) for rank in range(self.size)]

    def _doing(self, rank: int) -> str:
        if seat := self._seats.get(rank):
            return f"does not answer (last: {seat.doing})" if seat.asked else seat.doing
        return "has left" if rank in self._left else "has not come"

    async def _beat(self) -> None:
        """Ask all ranks again and again; questions are counted, not seconds: a store that was stopped blames nobody."""
        while True:
            await asyncio.sleep(BEAT)
            for seat in list(self._seats.values()):
                seat.missed = seat.missed + 1 if seat.asked else 0
                if seat.missed < MISSED:
                    seat.ask()
                else:
                    self._lose(seat, "does not answer: it is stopped, or its host is not reached")

    def _leave(self, seat: Seat) -> None:
        rank = seat.member.rank
        del self._seats[rank], self.members[rank]
        self._left.add(rank)

    async def _abort(self, seat: Seat, code: int, words: str) -> None:
        """End the run for a rank; the one that has claimed to print its error goes first, since the end stops it."""
        first = self._shelf.claims.get("error", seat.member.rank)
        if first != seat.member.rank and first in self._seats:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._over.wait(), FIRST)
        self._finish(seat.member, words, code)

    def _lose(self, seat: Seat, words: str) -> None:
        """A connection has ended: without a farewell that is a death."""
        member = seat.member
        if self._seats.get(member.rank) is seat:
            speaker = min((rank for rank in self._seats if rank != member.rank), default=None)
            self._finish(member, f"rank {member.rank} ({member}) {words}", 1, speaker)
            self._leave(seat)
            seat.writer.close()

    def _finish(self, member: Member, words: str, code: int, speaker: int | None = None) -> None:
        """Tell all ranks, once, that the run has ended; the speaker, whose process may be this one, last."""
        if self._end is not None:
            return
        self._end = End(member.rank, member.host, member.pid, words, code)
        for seat in sorted(self._seats.values(), key=lambda seat: -seat.member.rank):
            seat.send({"end": asdict(self._end), "speaker": None if self._on_end else speaker})
        self._over.set()
        if self._on_end is not None:
            self._on_end(self._end)
