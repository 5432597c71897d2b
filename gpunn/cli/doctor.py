"""``gpunn doctor``: what works on this machine, and what mends the rest."""

from __future__ import annotations

import argparse

from gpunn import doctor


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "doctor",
        help="say what works on this machine, and how to mend the rest",
        description="Probe NumPy, CuPy, the driver, the GPU and each CUDA library alone, and print what mends it.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    print(doctor.report())
    return 0
