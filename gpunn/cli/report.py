"""``gpunn report RUN``: a page with a run's curves, filters and mistakes."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunn.recipes.device import usable_device
from gpunn.recipes.folders import latest
from gpunn.recipes.options import positive_int
from gpunn.report import FILE, write_report


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "report",
        help="a page with a run's curves, filters, mistakes",
        description=f"Write {FILE} into the folder of a run or an ensemble: one page, with its pictures in it, that "
        "opens in any browser.",
    )
    add = parser.add_argument
    add("target", nargs="?", metavar="RUN", help="run folder, also an ensemble's (default: the latest run)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--limit", type=positive_int, metavar="N", help="test on the first N of the images that training looked at")
    add("--out", type=Path, metavar="FILE", help=f"the page (default {FILE} in the run folder)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    folder = Path(args.target) if args.target else latest()
    made = write_report(folder, usable_device(args.device), args.limit, args.out)
    print(f"{args.out or folder / FILE}: {made.line}")
    return 0
