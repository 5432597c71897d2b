"""``gpunn report RUN``"""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunn.cli.options import positive_int, usable_device
from gpunn.cli.report_ensemble import ensemble_report
from gpunn.cli.report_run import run_report
from gpunn.cli.runs import is_ensemble, latest
from gpunn.errors import UsageError
from gpunn.pictures import page
from gpunn.train.checkpoint import write_atomically

FILE = "report.html"


def add_to(commands) -> None:
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
    add("--limit", type=positive_int, metavar="N", help="test on the first N images only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    folder = Path(args.target) if args.target else latest()
    if folder.is_file():
        raise UsageError(f"report: {folder} is a file; give its run folder, which also has the history")
    made = (ensemble_report if is_ensemble(folder) else run_report)(folder, usable_device(args.device), args.limit)
    out = folder / FILE
    text = page.page(made.title, made.parts)
    write_atomically(out, lambda file: file.write(text.encode()), "report")
    print(f"{out}: {made.tested.accuracy():.2%} of {len(made.tested.labels):,} test images right")
    return 0
