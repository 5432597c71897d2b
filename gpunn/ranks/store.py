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
from dataclasses import asdict

from gpunn.errors import DistError
from gpunn.ranks.greeting import greet, listen, read
from gpunn.ranks.roll import Roll, Seat
from gpunn.ranks.shelf import Shelf
from gpunn.ranks.wire import PROOF, End, Member, own
from gpunn.text import one_line

BEAT = 3.0  # seconds between two questions whether a rank lives
MISSED = 5  # questions without an answer after which it does not: after 15 to 18 seconds
FIRST = 5.0  # seconds that the rank whose error is printed has to end the run itself
STRANGERS = 64  # connections beside the run's own that may be proving themselves


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
        self._roll = Roll(size)
        self.members: dict[int, Member] = self._roll.members
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
        self._roll.tell({"close": True})
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
                self._start(self._talk(sock))

    async def _talk(self, sock: socket.socket) -> None:
        """Serve one connection from its greeting to its end."""
        try:
            reader, writer = await asyncio.open_connection(sock=own(sock))
        except OSError:  # it has left again
            return sock.close()
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
        words = self._roll.objection(member, hello["size"]) or (self._end.words if self._end else "")
        if words:
            writer.write(wire.pack({"error": words}))
            raise ValueError(words)
        launched = self._on_end is not None
        # Should the store's process vanish, one rank on each host says so: nobody can agree on one any more.
        first = not any(other.host == member.host for rank, other in self.members.items() if rank or launched)
        seat = Seat(member, wire, writer)
        self._roll.enter(seat)
        seat.send({"host": socket.gethostname(), "pid": os.getpid(), "launched": launched, "first": first})
        seat.send({"checkpoint": self.values.get("checkpoint", "")})
        return seat

    def _hear(self, seat: Seat, message: dict) -> None:
        """Take an answer of a rank, or begin to answer what it asks."""
        if "doing" in message:
            seat.answered(one_line(str(message["doing"])))
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
                self._roll.tell({"checkpoint": message["value"]})
        elif op == "get":
            return await self._shelf.get(key, message["seconds"])
        elif op == "claim":
            return self._shelf.claim(key, rank)
        elif op == "gather":
            return await self._shelf.gather(key, rank, message["value"], message["seconds"])
        elif op == "where":
            return await self._roll.where()
        elif op == "leave":
            self._roll.leave(seat)
        elif op == "abort":
            await self._abort(seat, message["code"], message["words"])
        return None

    async def _beat(self) -> None:
        """Ask all whether they live; beats are counted, not seconds: a store that was stopped itself blames nobody."""
        while True:
            await asyncio.sleep(BEAT)
            for seat in self._roll.beat(MISSED):
                self._lose(seat, "does not answer: it is stopped, or its host is not reached")

    async def _abort(self, seat: Seat, code: int, words: str) -> None:
        """End the run for a rank; the one that has claimed to print its error goes first, since the end stops it."""
        first = self._shelf.claims.get("error", seat.member.rank)
        if first != seat.member.rank and first in self.members:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._over.wait(), FIRST)
        self._finish(seat.member, words, code)

    def _lose(self, seat: Seat, words: str) -> None:
        """A connection has ended: without a farewell that is a death."""
        member = seat.member
        if self._roll.seats.get(member.rank) is seat:
            speaker = None if self._on_end else self._roll.speaker(member.rank)
            self._finish(member, f"rank {member.rank} ({member}) {words}", 1, speaker)
            self._roll.leave(seat)
            seat.writer.close()

    def _finish(self, member: Member, words: str, code: int, speaker: int | None = None) -> None:
        """Tell all ranks, once, that the run has ended; the speaker, whose process may be this one, last."""
        if self._end is not None:
            return
        self._end = End(member.rank, member.host, member.pid, words, code)
        # Whoever is told first ends first, and the store with it where it is of that process.
        last = member.rank if speaker is None else speaker
        self._roll.tell({"end": asdict(self._end), "speaker": speaker}, last)
        self._over.set()
        if self._on_end is not None:
            self._on_end(self._end)
