"""Ctrl-C, SIGTERM and SIGHUP that wait for the end of a step, so that what is saved is a state between two steps."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from gpunn.stopping import ENDING, is_copy, may_take, raise_stop, stop_of


class Interrupts:
    """While entered, the first signal is only noted; `check()` then raises what it stands for. A second raises at once.

    One that nobody has checked for is raised at the end of the block, so that none is lost. Signals reach the main
    thread alone, so elsewhere, and where one is ignored or has a handler of the program's own, nothing is changed.
    """

    def __init__(self):
        self.pending = 0  # the signal's number
        self.process = os.getpid()
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self.pending, self.process = 0, os.getpid()
        for signum in (signal.SIGINT, *ENDING):
            if may_take(signum):
                self._previous[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous, pending, self.pending = {}, self.pending, 0
        if pending and kind is None:
            raise stop_of(pending)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a fork of this process, such as one that loads images, ends as usual
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
            signal.raise_signal(signum)
        if is_copy(signum):
            return
        if self.pending:
            raise_stop(signum)
        self.pending = self.pending or signum

    def check(self) -> None:
        """Raise KeyboardInterrupt or Terminated if a signal came since the block was entered."""
        if self.pending:
            raise stop_of(self.pending)
