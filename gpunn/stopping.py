"""What ends a process from outside: Ctrl-C, and the signals that ask it to end."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gpunn.starting import leave

# A closed terminal asks as `kill` does; Windows has no such signal.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_depth = 0  # blocks of `held` that the main thread is in
_waiting: list[int] = []  # signals that came within
_moment = 0.0  # seconds within which a signal that asks to end is the one before, once more
_came: dict[int, float] = {}  # when signals came last


class Terminated(SystemExit):
    """SIGTERM or SIGHUP, raised in the main thread; where nobody catches it the status is what a shell expects, 143.

    `words` is what a run says about itself: what was saved, and how to go on.
    """

    def __init__(self, signum: int, words: str = ""):
        super().__init__(128 + signum)
        self.signum, self.words = signum, words


STOPS = (KeyboardInterrupt, Terminated)


def stop_of(signum: int, words: str = "") -> KeyboardInterrupt | Terminated:
    """The exception for a signal."""
    if signum == signal.SIGINT:
        return KeyboardInterrupt(*[words] if words else [])
    return Terminated(signum, words)


def name_of(stop: BaseException) -> str:
    """What happened, in a word."""
    return "terminated" if isinstance(stop, Terminated) else "interrupted"


def words_of(stop: BaseException) -> str:
    """What a run has said in it, or what happened."""
    return (stop.words if isinstance(stop, Terminated) else str(stop)) or name_of(stop)


def with_words(stop: BaseException, words: str) -> KeyboardInterrupt | Terminated:
    """Another exception of the same kind that says `words`."""
    return stop_of(stop.signum if isinstance(stop, Terminated) else signal.SIGINT, words)


def may_take(signum: int) -> bool:
    """Whether a run may handle this signal while it lasts.

    Ctrl-C unless it is ignored; one that asks to end also not where a program has a handler of its own for it.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signum)
    if signum == signal.SIGINT:
        return handler not in (signal.SIG_IGN, None)
    return handler in (signal.SIG_DFL, leave, _raise)


@contextmanager
def raised() -> Iterator[None]:
    """Within the block of a command, signals that ask it to end raise Terminated, wherever it is."""
    before = {signum: signal.signal(signum, _raise) for signum in (signal.SIGINT, *ENDING) if may_take(signum)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def held() -> Iterator[None]:
    """Let a signal to a command, or to a Trainer, wait for the end of the block: a cleaning up of some microseconds."""
    global _depth
    if threading.current_thread() is not threading.main_thread():  # no signal is raised there
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _waiting and not _depth:
            signum = _waiting[0]
            _waiting.clear()
            raise stop_of(signum)


def raise_stop(signum: int) -> None:
    """Raise what a signal stands for, now or at the end of the block that `held` begins."""
    if not _depth:
        raise stop_of(signum)
    _waiting.append(signum)


def take_copies_as_one(seconds: float) -> None:
    """From now on, of signals that ask to end, heed one and not those of its kind in the seconds after it.

    A scheduler's to all processes of a job reaches a rank by itself and through each that started it.
    """
    global _moment
    _moment = seconds


def is_copy(signum: int) -> bool:
    """Whether a signal that has just come is the one before, once more."""
    now = time.monotonic()
    if signum in ENDING and now - _came.get(signum, -math.inf) < _moment:
        return True
    _came[signum] = now
    return False


def _raise(signum: int, frame: FrameType | None) -> None:
    if not is_copy(signum):
        raise_stop(signum)
