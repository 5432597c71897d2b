"""``gpunn verify``: every kernel variant against plain loops."""

from __future__ import annotations

import argparse

from gpunn.cuda.dtypes import STORAGE
from gpunn.recipes.device import usable_device
from gpunn.verify.tasks import TF32


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "verify",
        help="run every kernel variant on this machine and compare it with plain loops",
        description="Every variant of every kernel, on every case of the shape table that it takes, against plain "
        "loops: a table of the worst errors. Exit status 1 on any mismatch.",
    )
    parser.add_argument("--device", help="cuda or emulator (default: cuda where there is one)")
    parser.add_argument("--only", metavar="TEXT", help="only operations whose name contains this, such as conv2d")
    parser.add_argument("--variant", metavar="TEXT", help="only variants whose name contains this, such as 64x64")
    parser.add_argument("--dtype", choices=(*STORAGE, TF32), help="arrays of one type; tf32: floats of so few bits")
    parser.add_argument("--heavy", action="store_true", help="also the layers of known networks: minutes each")
    parser.add_argument("--why", action="store_true", help="also why cases were not taken, and how many")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify; 1 on a mismatch."""
    from gpunn import verify  # here: the other commands need no kernels

    if args.device is not None:
        args.device = str(usable_device(args.device))
    return verify.main(args)
