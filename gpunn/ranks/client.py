"""A rank's side of the run's store: what it puts and gets there, and the listener that hears when the run has ended."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from gpunn.errors import DistError
from gpunn.ranks.greeting import join, receive
from gpunn.ranks.wire import SILENCE, End
from gpunn.terminal import say_aloud
from gpunn.text import brief

LONGEST = 80_000  # letters of a value, 12 bytes each at most, in a line of 1 MiB
GRACE = 10.0  # seconds beyond a request's own limit that the store has to answer
HEARD = 0.5  # seconds that the others leave the one that speaks: where one ends, mpiexec ends all


class Client:
    """The connection of one rank to the store, for as long as the rank lives.

    `doing` is what the rank is doing, in words for the others. Its listener ends the process, by `os._exit`, as soon as
    the store says that another rank has died, or is itself no longer there: whatever the main thread waits for will
    never come. `timeout` is in seconds, for joining and for each wait. Raises DistError where no store is found, for a
    wrong secret, and for a number that another rank has.

    Examples:
        >>> from gpunn.ranks.client import Client
        >>> from gpunn.ranks.store import Store
        >>> store = Store(1, "secret")
        >>> client = Client(store.address, "secret", rank=0, size=1)
        >>> client.doing = "all_reduce number 41"
        >>> client.where()
        {0: 'all_reduce number 41'}
        >>> client.leave()
        >>> store.close()
    """

    def __init__(self, address: tuple[str, int], secret: str, rank: int, size: int, timeout: float = 300.0):
        self.address, self.rank, self.size, self.timeout = address, rank, size, timeout
        self.doing = "starting"
        self.checkpoint = ""  # rank 0's words of its last
        self._gone = ""  # why nothing can be asked any more
        self._leaving = False
        self._pause = HEARD
        self._process = os.getpid()
        self._waiting: dict[int, SimpleQueue] = {}
        self._numbers = itertools.count()
        self._sock, self._wire, welcome = join(address, secret, rank, size, timeout)
        self.launched, self._first = welcome["launched"], welcome["first"]
        server = "the launcher" if self.launched else "rank 0"
        words = f"{server} (process {welcome['pid']} on {welcome['host']}), which keeps the ranks together,"
        # A launcher may be stopped, as by Ctrl-Z: its ranks go on, and the kernel still sees a host that has vanished.
        self._sock.settimeout(None if self.launched else SILENCE)
        self._server = End(0, welcome["host"], welcome["pid"], words, 1)
        # Signals raise in the main thread alone: lines are written, whole, by another.
        self._lines: SimpleQueue[dict | None] = SimpleQueue()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._listen)]
        for thread in self._threads:
            thread.start()

    def put(self, key: str, value: str) -> None:
        """Let all ranks get `value`, 80,000 letters at most, by its key, in place of one put before."""
        self._ask("put", key=key, value=_short("put", value))

    def get(self, key: str, timeout: float | None = None) -> str:
        """The value of a key, as soon as somebody has put it. DistError where nobody does in time."""
        return self._ask("get", timeout, key=key)

    def claim(self, key: str) -> bool:
        """Whether this rank is the first that asks for `key`."""
        return self._ask("claim", key=key)

    def gather(self, key: str, value: str, timeout: float | None = None) -> list[str]:
        """All ranks' values, in rank order, as soon as all have called. DistError names those that have not in time."""
        return self._ask("gather", timeout, key=key, value=_short("gather", value))

    def where(self) -> dict[int, str]:
        """What each rank is doing, in words; after two seconds, of a rank that does not answer, that."""
        return dict(enumerate(self._ask("where")))

    def abort(self, code: int, words: str) -> None:
        """End the run: all other ranks exit with `code`; this one goes on, to do so itself.

        A rank that has not got the claim "error" waits until the one that has, and speaks, does the same.
        """
        self._farewell("abort", code=code, words=words)

    def leave(self) -> None:
        """Say farewell: the end of this connection is no death."""
        self._farewell("leave")
        self._lines.put(None)
        for thread in self._threads:
            thread.join(1.0)

    def saved(self) -> str:
        """The words of the last checkpoint."""
        return f"the last checkpoint is {self.checkpoint}" if self.checkpoint else "there is no checkpoint"

    def ended(self, end: End, speaks: bool) -> None:
        """End this process, after a line on standard error where it is the one that speaks."""
        if speaks:
            _briefly(lambda: say_aloud(f"gpunn: {end.words}; {self.saved()}"))
        elif not self.launched:
            time.sleep(self._pause)
        for stream in (sys.stdout, sys.stderr):
            _briefly(stream.flush)
        os._exit(end.code)

    def _farewell(self, op: str, **fields: object) -> None:
        self._leaving = True
        with suppress(DistError):  # the store has gone before
            self._ask(op, 0, **fields)

    def _ask(self, op: str, timeout: float | None = None, **fields: object) -> Any:
        """What the store answers."""
        seconds = self.timeout if timeout is None else timeout
        if os.getpid() != self._process:
            raise DistError("a forked process is no rank; ask the store in the process that joined the ranks")
        number, answer = next(self._numbers), SimpleQueue()
        self._waiting[number] = answer
        try:
            if self._gone:
                raise DistError(self._gone)
            self._lines.put({"id": number, "op": op, "seconds": seconds, **fields})
            reply = answer.get(timeout=seconds + GRACE)
        except Empty:
            raise DistError(f"the store at {_place(self.address)} has not answered in {seconds + GRACE:g} s") from None
        finally:
            del self._waiting[number]
        if "error" in reply:
            raise DistError(reply["error"])
        return reply["value"]

    def _write(self) -> None:
        with suppress(OSError):  # the listener meets it, too
            while (line := self._lines.get()) is not None:
                self._sock.sendall(self._wire.pack(line))
            self._sock.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        """Answer the store until the run ends, or this rank leaves."""
        end, speaks, words = self._server, self._first, "has died"
        try:
            while not {"end", "close"} & (message := receive(self._sock, self._wire)).keys():
                self._hear(message)
            if "end" in message:
                end, speaks, words = End(**message["end"]), message["speaker"] == self.rank, ""
                self._pause = 0.0 if message["speaker"] is None else HEARD  # who has given up has spoken before
            else:
                self._leaving, words = True, "has left"
        except TimeoutError:
            words = f"has not been heard of for {SILENCE:g} s: it is stopped, or its host is not reached"
        except OSError:
            pass
        except ValueError as error:
            words = f"cannot be understood: {error} came from it"
        end = replace(end, words=f"{end.words} {words}".strip())
        if not self._leaving:
            self.ended(end, speaks)
        self._give_up(end.words)

    def _hear(self, message: dict) -> None:
        if "ask" in message:
            self._lines.put({"doing": self.doing})
        elif "checkpoint" in message:
            self.checkpoint = message["checkpoint"]
        elif answer := self._waiting.get(message["id"]):
            answer.put(message)

    def _give_up(self, words: str) -> None:
        """Nothing will be answered any more."""
        self._gone = words
        self._lines.put(None)
        for answer in list(self._waiting.values()):
            answer.put({"error": words})
        self._sock.close()


def _short(op: str, value: str) -> str:
    if not isinstance(value, str):
        raise DistError(f"{op}: value is {brief(value)}, expected a str; pass json.dumps of it")
    if len(value) > LONGEST:
        raise DistError(
            f"{op}: value has {len(value):,} letters, expected {LONGEST:,} at most; pass the name of a file"
        )
    return value


def _briefly(work: Callable[[], object], seconds: float = 1.0) -> None:
    """Do what may wait for ever, such as to write into a pipe that nobody reads, for a moment at most."""
    with suppress(RuntimeError):  # Python is ending, and starts no thread
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds)


def _place(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
