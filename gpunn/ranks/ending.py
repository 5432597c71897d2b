"""Leaving the ranks, however a run ends: who says why, and that the others learn of it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import NoReturn

from gpunn.errors import DistError, GpunnError
from gpunn.ranks import environment
from gpunn.ranks.client import Client
from gpunn.ranks.group import begun, number_in, set_world
from gpunn.ranks.store import Store
from gpunn.terminal import say

PARTING = 5.0  # seconds after which a process at its end looks whether the others come to theirs


@dataclass
class Membership:
    """This process among the ranks.

    Attributes:
        client: of the ranks that were joined, or are about to be.
        stores: that this process serves.
        failed: the exit status with which it has ended the run.
        asked: the one that the program has last given to sys.exit.
        reaching: whether the others were looked for: until then all ranks meet the same mistakes.
    """

    client: Client | None = None
    stores: list[Store] = field(default_factory=list)
    failed: int = 0
    asked: int = 0
    reaching: bool = False


here = Membership()


def destroy() -> None:
    """Leave the ranks: the end of this process is no death to the others from now on."""
    group, client = begun(), here.client
    set_world(None)
    here.client, here.reaching = None, False
    if group is not None:
        group.close()
    if client is not None:
        client.leave()
    while here.stores:
        here.stores.pop().close()


def speaks() -> bool:
    """Whether it is this process that says why the run failed: of all ranks that meet an error, one."""
    if here.client is not None:
        try:
            return here.client.claim("error")
        except DistError:  # the run has ended, and whoever ended it has spoken
            return False
    return here.reaching or environment.is_first()


def fail(code: int) -> None:
    """End the other ranks with this exit status, as this one is about to end."""
    if here.client is not None:
        here.failed = code
        here.client.abort(code, f"rank {here.client.rank} has failed")


def leave_to_the_first(error: GpunnError) -> None:
    """Print no traceback of an error that all ranks meet before they know each other, but on the first."""
    if here.client is None and not speaks():
        before = sys.excepthook
        sys.excepthook = lambda kind, value, trace: None if value is error else before(kind, value, trace)


def watch_the_end() -> None:
    """See to it that the end of this process is known to the others: MPI's own would wait for them first."""
    before, process = sys.excepthook, os.getpid()

    def failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        forked = os.getpid() != process
        if forked or here.client is None or speaks():
            before(kind, error, trace)
            if here.client is not None and not forked and not here.client.launched:  # the launcher says so itself
                say(f"gpunn: rank {here.client.rank} has failed; {here.client.saved()}")
        _end(130 if issubclass(kind, KeyboardInterrupt) else 1)

    sys.excepthook = failed
    _note_what_is_asked()
    atexit.register(_at_exit, os.getpid())


def _note_what_is_asked() -> None:
    """Note the status of each sys.exit: what Python is about to end with is told to nobody, not even at its exit."""
    leave = sys.exit

    def exit(status: object = None, /) -> NoReturn:
        if threading.current_thread() is threading.main_thread():  # in another it ends that alone
            here.asked = status & 255 if isinstance(status, int) else int(status is not None)
        leave(status)  # type: ignore[arg-type]

    sys.exit = exit


def part() -> bool:
    """Leave at the end of a run, once the others come to theirs; False where they do not: who ends alone has failed."""
    if here.client is not None:
        try:
            _meet_at_the_end(here.client)
        except DistError as error:
            if speaks():
                say(f"gpunn: rank {here.client.rank} has ended, and others have not: {error}")
            return False
    destroy()
    return True


def _meet_at_the_end(client: Client) -> None:
    """Wait for the others' end, however long they still write and draw, unless one of them waits for this rank."""
    group = begun()
    calls, client.doing = 0 if group is None else group.calls, "at its end"
    client.put(f"end of {client.rank}", "")
    for rank in range(client.size):
        while True:
            with suppress(DistError):
                client.get(f"end of {rank}", PARTING)
                break
            further = [f"rank {one}: {words}" for one, words in client.where().items() if number_in(words) > calls]
            if further:
                raise DistError(
                    f"{'; '.join(further)}, for which it is needed; all ranks must make the same "
                    "calls; where they have unequal numbers of batches take DataParallel.join"
                )
    client.gather("end", "")  # the store, which may be of one of them, stays until all know


def _at_exit(process: int) -> None:
    if here.client is not None and os.getpid() == process and (here.failed or not part()):
        _end(here.failed or here.asked or 1)


def _end(code: int) -> None:
    fail(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    if here.client is not None:
        os._exit(code)
