"""The launcher's ranks on this machine, each behind a guard that answers for it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from gpunn.dist import launch_guard
from gpunn.text import one_line

CLOSING = 3.0  # seconds that mpiexec has to end once its ranks have


class Ranks:
    """`statuses` are those of the ranks that have ended, by number, the first first: an exit code, or -signal.

    `starts` are the starters' arguments, with their environment: one mpiexec, or a process a rank. Standard output and
    error of the ranks are the launcher's own; what mpiexec itself says is kept.
    """

    def __init__(self, starts: Sequence[tuple[Sequence[str], Mapping[str, str]]], command: Sequence[str], count: int):
        self.count = count
        self.pids: dict[int, int] = {}
        self.statuses: dict[int, int] = {}
        self.stopped: set[int] = set()  # those that stand still, by SIGSTOP
        self.lost: set[int] = set()  # those among them whose guard has ended first
        self._links: dict[socket.socket, int | None] = {}
        # A socket's path has 108 bytes at most.
        near = None if len(os.fsencode(tempfile.gettempdir())) < 80 else "/tmp"
        self._folder = tempfile.TemporaryDirectory(prefix="gpunn-", dir=near)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (__exit__ closes it)
        self._selector = selectors.DefaultSelector()
        self._inbox, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(path := os.path.join(self._folder.name, "door"))
        self._door.listen(count)
        for source in (self._door, self._inbox):
            self._selector.register(source, selectors.EVENT_READ)
        guard = [sys.executable, "-I", "-S", launch_guard.__file__, path, *command]
        self._starters = [self._started([*arguments, *guard], environment) for arguments, environment in starts]

    def _started(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen:
        """In a session of its own, so that a terminal's Ctrl-C reaches the launcher alone."""
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, env=environment,
            start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, *error: object) -> None:
        """Whatever is left is ended at once."""
        self.send(signal.SIGKILL)
        for link in list(self._links):
            self._drop(link)
        until = time.monotonic() + CLOSING
        for starter in self._starters:
            try:
                starter.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(starter.pid, signal.SIGKILL)
                starter.wait()
        for part in (self._selector, self._door, self._inbox, self._bell, self._said):
            part.close()
        self._folder.cleanup()

    @property
    def left(self) -> list[int]:
        """The ranks that run."""
        return [rank for rank in self.pids if rank not in self.statuses]

    @property
    def starter(self) -> int | None:
        """The status with which mpiexec, or a guard before its rank, has ended; None while all of them run."""
        return next((status for starter in self._starters if (status := starter.poll()) is not None), None)

    def words(self) -> str:
        """What mpiexec, or the guards, have said, in a line; not MPICH's banner, which says the exit code."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        return one_line(" ".join(line for line in lines if not line.startswith("=")), 1000)

    def ring(self) -> None:
        """End a wait: for signal handlers and other threads."""
        with suppress(OSError):
            self._bell.send(b"!")

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most so long, and take note of it."""
        for key, _ in self._selector.select(seconds):
            source: Any = key.fileobj
            if source is self._door:
                self._welcome(source.accept()[0])
            elif source is self._inbox:
                source.recv(1024)
            else:
                self._read(source)

    def send(self, signum: int, ranks: Sequence[int] | None = None) -> None:
        """A signal to ranks that run, and to the processes that they started; to all of them by default.

        Through the rank's guard, which knows whether the number is still the rank's.
        """
        for link, rank in self._links.items():
            if rank in self.left and (ranks is None or rank in ranks):
                with suppress(OSError):
                    link.sendall(b"%d\n" % signum)

    def _welcome(self, link: socket.socket) -> None:
        self._links[link] = None
        self._selector.register(link, selectors.EVENT_READ)
        with suppress(OSError):  # one that has died at once
            socket.send_fds(link, [b"."], [1, 2])
        if len(self._links) == self.count:  # all are in: a launcher that is killed leaves nothing behind
            self._folder.cleanup()

    def _read(self, link: socket.socket) -> None:
        """A guard's lines: they are short, and arrive whole."""
        try:
            text = link.recv(4096)
        except OSError:
            text = b""
        for line in text.splitlines():
            self._hear(link, json.loads(line))
        if not text:
            self._lose(link)

    def _hear(self, link: socket.socket, said: dict[str, int]) -> None:
        if "pid" in said:
            self._links[link], self.pids[said["rank"]] = said["rank"], said["pid"]
        elif (rank := self._links[link]) is None:
            return
        elif "stopped" in said:
            (self.stopped.add if said["stopped"] else self.stopped.discard)(rank)
        else:
            self.statuses[rank] = said["status"]
            self.stopped.discard(rank)

    def _lose(self, link: socket.socket) -> None:
        """A guard has ended before it was let go, as where mpiexec kills it in an MPI_Abort: so must its rank."""
        rank = self._links[link]
        if rank in self.left:
            with suppress(OSError):
                os.killpg(self.pids[rank], signal.SIGKILL)
            self.statuses[rank] = -signal.SIGKILL
            self.lost.add(rank)
        self._drop(link)

    def _drop(self, link: socket.socket) -> None:
        self._selector.unregister(link)
        del self._links[link]
        link.close()
