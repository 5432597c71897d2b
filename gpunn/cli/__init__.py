"""The command ``gpunn``. Each of its commands is a module with `add_to` and `run`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import gpunn
from gpunn import stopping
from gpunn.cli import doctor, evaluate, kernels, predict, report, train, verify
from gpunn.errors import GpunnError

COMMANDS = (train, evaluate, predict, report, doctor, verify, kernels)


def build_parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    parser = argparse.ArgumentParser(
        prog="gpunn",
        description="Train and use neural networks on NumPy and CuPy arrays.",
        epilog="Start with: gpunn train lenet5",
    )
    parser.add_argument("--version", action="version", version=f"gpunn {gpunn.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, 2 for a user's error, 130 for Ctrl-C, 143 for SIGTERM."""
    args = build_parser().parse_args(argv)
    args.arguments = list(sys.argv[1:] if argv is None else argv)  # which a run notes, for its report
    try:
        with stopping.raised():
            status = args.run(args)
            sys.stdout.flush()  # inside: a closed pipe may show only now
            return status
    except GpunnError as error:
        print(f"gpunn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except stopping.STOPS as stop:
        print(f"gpunn: {stopping.words_of(stop)}", file=sys.stderr)
        return 128 + stop.signum if isinstance(stop, stopping.Terminated) else 130
    except BrokenPipeError:
        # The reader, such as `head`, has left. The interpreter would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
