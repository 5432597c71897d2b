"""The command ``gpunn``. Each of its commands is a module with `add_to` and `run`."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import gpunn
from gpunn import stopping
from gpunn.cli import doctor, evaluate, kernels, launch, predict, report, train, tune, verify
from gpunn.cli.parser import Parser
from gpunn.errors import GpunnError
from gpunn.ranks import ending
from gpunn.terminal import forgiving_output, say, silence
from gpunn.text import one_line, plain

COMMANDS = (train, launch, evaluate, predict, report, doctor, verify, kernels, tune)
LONGEST = 100_000  # characters of an error: every key of a network is listed where weights are of another
TRACEBACK = "GPUNN_TRACEBACK"


def build_parser() -> Parser:
    """The command line's parser."""
    parser = Parser(
        prog="gpunn",
        description="Train and use neural networks on NumPy and CuPy arrays.",
        epilog="Start with: gpunn train lenet5",
    )
    parser.add_argument("--version", action="version", version=f"gpunn {gpunn.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0; 2 for an error of the user's; 1 for a fault of our own, or what a command calls a failure; 130 for Ctrl-C, 143
    for SIGTERM; 141 where the reader of the output has left. Output that is closed, or full, changes no status.
    """
    with forgiving_output() as out:
        status = _leave(*_run(sys.argv[1:] if argv is None else argv))
        return 141 if isinstance(out.trouble, BrokenPipeError) and status == 0 else status


def _leave(status: int, words: str) -> int:
    """Say what went wrong, one of several ranks does; end the others where this one has failed, else leave them."""
    if words and ending.speaks():
        say(words)
    if status in (1, 2) or not ending.part():
        ending.fail(status or 1)
    return status


def _run(argv: Sequence[str]) -> tuple[int, str]:
    """Run the command; its exit status, and what is to be said of it."""
    try:
        with stopping.raised():
            with silence(not ending.speaks()):  # of several ranks with one mistake
                args = build_parser().parse(argv, [command.__name__.rpartition(".")[2] for command in COMMANDS])
            args.arguments = list(argv)  # which a run notes, for its report
            status = args.run(args)
            sys.stdout.flush()  # a closed pipe may show only now, and a full one wait here
            return status, ""
    except GpunnError as error:
        return 2, f"gpunn: error: {one_line(str(error), LONGEST)}"
    except stopping.STOPS as stop:
        status = 128 + stop.signum if isinstance(stop, stopping.Terminated) else 130
        return status, f"gpunn: {stopping.words_of(stop)}"
    except MemoryError as error:
        why = plain(str(error)) or "no more is to be had"
        return 1, f"gpunn: error: out of memory ({why}); give it less at a time"
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # which pathlib's questions raise too
            path = plain(str(error.filename))
            return 2, f"gpunn: error: {path} is a longer path than the system takes; give a shorter one"
        if os.environ.get(TRACEBACK):
            raise
        cause = "look after that" if isinstance(error, OSError) else "which is a fault in gpunn"
        return 1, f"gpunn: error: {_unexpected(error)}; {cause}; {TRACEBACK}=1 shows the whole traceback"


def _unexpected(error: Exception) -> str:
    """An exception that nobody foresaw, in one line: what, and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    words = one_line(str(error)) or "without words"
    return f"{type(error).__name__}: {words} ({os.path.basename(frame.filename)}, line {frame.lineno})"
