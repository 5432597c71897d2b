"""Ctrl-C while the command `gpunn` is being imported: it leaves at once, with one line; there is nothing to save yet.

The first import of all, and quick: an exception would be a traceback, or be taken by some import for a missing package.
"""

import _signal  # its heart is there already; what `signal` makes of it takes 10 ms
import os
import sys
from itertools import pairwise

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def leave(signum: int, frame: object) -> None:
    """End the process with a line, and the status that a shell expects."""
    os.write(2, b"gpunn: interrupted\n" if signum == _signal.SIGINT else b"gpunn: terminated\n")
    os._exit(128 + signum)


def listen() -> None:
    """Let these signals end this process, if it is the command and nobody ignores them; `gpunn.stopping` goes on."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    given = sys.orig_argv if name == "-m" else []  # ["python", "-X", "dev", "-m", "gpunn", "train"]
    if name in ("gpunn", "gpunn.exe") or ("-m", "gpunn") in pairwise(given) or "-mgpunn" in given:
        for signum in [getattr(_signal, known) for known in ENDING if hasattr(_signal, known)]:
            if _signal.getsignal(signum) in (_signal.SIG_DFL, _signal.default_int_handler):
                _signal.signal(signum, leave)


try:  # noqa: SIM105 - contextlib takes its time
    listen()
except ValueError:  # not the main thread, which alone hears signals
    pass
