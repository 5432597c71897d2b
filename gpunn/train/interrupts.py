"""Ctrl-C that waits for the end of a step, so that what is saved is a state between two steps."""

from __future__ import annotations

import signal
import threading


class Interrupts:
    """While entered, the first Ctrl-C sets `pending`; `check()` then raises. A second Ctrl-C raises at once.

    Signals reach the main thread alone, so elsewhere, and where Ctrl-C is ignored, nothing is changed.
    """

    def __init__(self):
        self.pending = False
        self._previous = None

    def __enter__(self) -> Interrupts:
        self.pending = False
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exc_info) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _note(self, signum, frame) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed since the block was entered."""
        if self.pending:
            raise KeyboardInterrupt
