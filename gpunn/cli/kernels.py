"""``gpunn kernels``: the CUDA kernels listed, or those traced that a network's step takes."""

from __future__ import annotations

import argparse

from gpunn import backend
from gpunn.cuda.listing import listing, traced
from gpunn.models.tracing import trace_step
from gpunn.recipes.device import usable_device
from gpunn.verify import builds


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "kernels",
        help="list the CUDA kernels, trace which of them a network's step takes, or compile them all",
        description="Every operation with its variants in order of preference: what each takes, its files, FLOP and "
        "byte formulas, and registers and static shared memory an architecture, the most of all its float32 builds.",
    )
    add = parser.add_argument
    add("name", nargs="?", default="", metavar="TEXT", help="only operations whose name contains this, such as conv2d")
    add(
        "--trace",
        metavar="NETWORK",
        nargs="?",
        const="lenet5",
        help="run one small training step of a network (lenet5) and say which variant each call took, and why",
    )
    add(
        "--build",
        metavar="ARCHITECTURE",
        type=int,
        nargs="+",
        help="compile every kernel for these architectures (90: compute capability 9.0) into the cache folder, with "
        "no GPU; where they are found with the same NVRTC, nothing is compiled",
    )
    add("--device", help="for --trace: cuda or emulator (default: cuda where there is one)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list, or the trace; or build."""
    if args.build:
        print(builds.build(args.build))
        return 0
    if not args.trace:
        print("\n".join(listing(args.name)))
        return 0
    device = usable_device(args.device or ("cuda" if backend.is_available("cuda") else "emulator"))
    shape, calls = trace_step(args.trace, device)
    print(f"{args.trace} on {device}: images {shape}, one forward and backward pass")
    print("\n".join(traced(calls)))
    return 0
