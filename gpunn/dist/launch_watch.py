"""Watching over ranks that have been started: which has ended badly and of what, and the end of all others in time."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from types import FrameType

from gpunn.dist.launch_ranks import Ranks
from gpunn.dist.launch_starts import Plan, arguments_of, starts
from gpunn.ranks.environment import SECRET
from gpunn.ranks.store import Store
from gpunn.ranks.wire import End
from gpunn.stopping import ENDING, may_take

STARTING = 60.0  # seconds for all ranks to start
SAVING = 25.0  # seconds that ranks have to save and end, once asked to
STOPPED = 15.0  # seconds that a rank may stand still, in SIGSTOP
TICK = 0.5  # seconds between two looks at the times
LEAVING = 5.0  # seconds that ranks who heed the store have to end, once another has died
TERMINATING = 10.0  # the same for others, who are asked by SIGTERM
REPORTING = 2.0  # seconds between the store's word of an end and that of the ranks who heard it, or met it
GIVING_UP = 3.0  # seconds after SIGKILL
# Exit codes that another start would end in again, or that somebody wished for, 141 by leaving the output; the rank has
# said why.
FINAL = (2, 141, *(128 + signum for signum in (signal.SIGINT, *ENDING)))


@dataclass(frozen=True)
class Outcome:
    """How ranks have ended: the status for the shell, who is to blame in words, and what they left in the store."""

    status: int
    words: str = ""
    values: dict[str, str] = field(default_factory=dict)


class Stops:
    """Signals that ask the launcher to end, as they came, in place of what they else do."""

    def __init__(self):
        self.came: list[int] = []
        self.ring: Callable[[], None] = lambda: None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stops:
        for signum in (signal.SIGINT, *ENDING):
            if may_take(signum):
                self._before[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # pyright: ignore[reportArgumentType]

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.came.append(signum)
        self.ring()


class Watch:
    """One start of the ranks, from which `run` returns once all have ended."""

    def __init__(self, plan: Plan, command: Sequence[str], restart: int, stops: Stops):
        self.plan, self.command, self.restart, self.stops = plan, command, restart, stops
        self.end: End | None = None  # what the store says, on its own thread
        self.blamed: End | None = None  # the same, where it was the first to know
        self.ranks: Ranks
        self.silent = False  # the store's rank had to be killed
        self.stopped: dict[int, float] = {}  # seconds for which ranks have stood still
        self.frozen: int | None = None  # one that has for too long
        self._heeded = 0  # signals to the launcher that have been looked at
        self._told: set[int] = set()  # ranks that were asked to end
        self._since: dict[str, float] = {}

    def run(self) -> Outcome:
        secret = os.environ.get(SECRET) or secrets.token_hex(16)
        host, port = self.plan.nodes.master
        port += port and 2 * self.restart  # another one, so that no rank meets the store of before
        with self._store(host, port, secret) as store:
            self.members = {} if store is None else store.members
            address = (host, port) if store is None else store.address
            how = starts(self.plan.cuda, self.plan.count, self.plan.nodes, address, secret)
            with Ranks(how, arguments_of(self.command), self.plan.count) as self.ranks:
                self.stops.ring = self.ranks.ring
                self._since["start"] = time.monotonic()
                while self._go_on():
                    before = time.monotonic()
                    self.ranks.wait(TICK)
                    self._count_the_stopped(time.monotonic() - before)
                self._await_starter()
                status, words = self._verdict()
                return Outcome(status, words, {} if store is None else dict(store.values))

    def _store(self, host: str, port: int, secret: str):
        nodes = self.plan.nodes
        if nodes.number:
            return nullcontext()
        return closing(Store(nodes.count * self.plan.count, secret, host, port, on_end=self._hear))

    def _hear(self, end: End) -> None:
        self.end = end
        self.stops.ring()

    # ---------------------------------------------------------------- while they run
    def _go_on(self) -> bool:
        """See to what has happened; False once there is nothing left to wait for."""
        if self.stops.came and not self._note("asked") and len(self.stops.came) > self._heeded:
            self.ranks.send(signal.SIGKILL)  # asked again: ranks no more
        self._heeded = len(self.stops.came)
        if self.stops.came:
            self._tell(self.stops.came[0], self.ranks.left)
        elif self.trouble:
            if self._note("trouble"):
                self.blamed = self.end  # whoever ends later does so because of this
            # Whom the store has told of an end is no member for the moments in which it ends by itself.
            if self.end is None or self._passed("trouble", REPORTING):
                self._tell(signal.SIGTERM, [rank for rank in self.ranks.left if rank not in self.members])
        self._end_the_late()
        if len(self.ranks.statuses) == self.plan.count or self._passed("killed", GIVING_UP):
            return False
        return self.ranks.starter is None or bool(self.ranks.left)

    def _tell(self, signum: int, ranks: Sequence[int]) -> None:
        """Ask ranks to end, each once, however late it has started."""
        self.ranks.send(signum, [rank for rank in ranks if rank not in self._told])
        self._told.update(ranks)

    @property
    def trouble(self) -> bool:
        """Whether a rank has ended badly, is lost to the store, or cannot start."""
        ranks, missing = self.ranks, self.plan.count - len(self.ranks.statuses)
        late = self._passed("start", STARTING) and len(ranks.pids) < self.plan.count
        lost = missing and (ranks.starter is not None or late)
        return self.end is not None or self.frozen is not None or any(ranks.statuses.values()) or bool(lost)

    def _count_the_stopped(self, seconds: float) -> None:
        """Look for a rank that stands still; not while the launcher itself did, as in a job that is suspended."""
        self.stopped = {rank: self.stopped.get(rank, 0) + min(seconds, TICK) for rank in self.ranks.stopped}
        late = [rank for rank, waited in self.stopped.items() if waited > STOPPED]
        if late and not self._since.keys() & {"asked", "trouble"}:
            self.frozen = late[0]
            self.ranks.send(signal.SIGKILL, late)

    def _await_starter(self) -> None:
        """Where guards were lost, let mpiexec end that has killed them: its exit code is the run's."""
        until = time.monotonic() + REPORTING
        while self.ranks.lost and self.ranks.starter is None and time.monotonic() < until:
            self.ranks.wait(0.1)

    def _end_the_late(self) -> None:
        end, ranks = self.end, self.ranks
        if end is not None and self._passed("trouble", REPORTING) and end.rank in ranks.left and not self.silent:
            self.silent = True
            ranks.send(signal.SIGKILL, [end.rank])
        late = self._passed("asked", SAVING) or self._passed("trouble", TERMINATING)
        if late and self._note("killed"):
            ranks.send(signal.SIGKILL)
        elif self._passed("trouble", LEAVING):
            ranks.send(signal.SIGKILL, list(self.members))

    def _note(self, what: str) -> bool:
        """Begin to count the time; False where that has begun."""
        return self._since.setdefault(what, now := time.monotonic()) == now

    def _passed(self, what: str, seconds: float) -> bool:
        return what in self._since and time.monotonic() - self._since[what] > seconds

    # ---------------------------------------------------------------- when they have ended
    def _verdict(self) -> tuple[int, str]:
        """The exit status, and what went wrong in words."""
        statuses, end = self.ranks.statuses, self.blamed
        first = next((rank for rank, status in statuses.items() if status), None)
        if self._heeded or not self.trouble:
            asked = [128 + signum for signum in self.stops.came]  # of ranks that had to be killed it is the status, too
            return (0 if first is None else next(iter(asked), _code(statuses[first]))), ""
        if self.frozen is not None:
            return 128 + signal.SIGKILL, f"{self._who(self.frozen)} was stopped for {STOPPED:g} s"
        rank = first if end is None else end.rank
        if rank is None or rank in self.ranks.lost:
            return self._without_ranks()
        status = statuses.get(rank, 0)
        code = _code(status) or (end.code if end else 0) or 1
        if status in FINAL:
            return code, ""
        if end is not None and (self.silent or not status):
            return code, end.words
        return code, f"{self._who(rank)} {_words(status)}"

    def _who(self, rank: int) -> str:
        return f"rank {rank} (process {self.ranks.pids[rank]} on {socket.gethostname()})"

    def _without_ranks(self) -> tuple[int, str]:
        """The same where no rank is to blame, but what starts them."""
        status, lost = self.ranks.starter, sorted(self.ranks.lost)
        if status is None:
            started = f"{len(self.ranks.pids)} of {self.plan.count} ranks have started in {STARTING:g} s"
            return 1, f"{self._who(lost[0])} has lost its guard" if lost else started
        who, said = "a rank's guard" if self.plan.cuda else "mpiexec", self.ranks.words()
        return _code(status) or 1, f"{who} {_words(status)} before its ranks{said and ': '}{said}"


def _code(status: int) -> int:
    """A shell's exit status for a process's."""
    return 128 - status if status < 0 else status


def _words(status: int) -> str:
    return f"was ended by {name_of(-status)}" if status < 0 else f"ended with exit code {status}"


def name_of(signum: int) -> str:
    """A signal's name."""
    return next((known.name for known in signal.Signals if known == signum), f"signal {signum}")
