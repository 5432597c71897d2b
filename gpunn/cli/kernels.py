"""``gpunn kernels``: the CUDA kernels listed, or those traced that a network's step takes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np

import gpunn
from gpunn import backend, models, ops
from gpunn.errors import UsageError
from gpunn.recipes.device import usable_device

TRACED_BATCH = 2


def add_to(commands) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "kernels",
        help="list the CUDA kernels, or trace which of them a network's step takes",
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
    add("--device", help="for --trace: cuda or emulator (default: cuda where there is one)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list, or the trace."""
    print("\n".join(_trace(args.trace, args.device) if args.trace else _listing(args.name)))
    return 0


def _listing(part: str) -> Iterator[str]:
    """The operations whose name contains ``part``."""
    import gpunn.cuda  # noqa: F401 - its modules fill the table
    from gpunn.cuda import source
    from gpunn.cuda.variants import OPERATIONS

    wanted = [operation for name, operation in OPERATIONS.items() if part in name]
    if not wanted:
        raise UsageError(f"kernels: no operation's name contains {part!r}; they are {', '.join(OPERATIONS)}")
    file = source.folder() / "resources.json"
    resources = json.loads(file.read_text()) if file.is_file() else {}
    for operation in wanted:
        yield operation.name
        for variant in operation.variants:
            yield f"  {variant.name}: takes {variant.takes}"
            for name in variant.sources:
                kernel = source.read(name.removesuffix(".cu"))
                yield f"    kernels/{kernel.file}: {kernel.title}"
                yield f"      flops {kernel.header['flops']}; bytes {kernel.header['bytes']}"
                if kernel.name in resources:
                    yield f"      {_most(resources[kernel.name])}"


def _most(builds: dict[str, dict[str, list[int]]]) -> str:
    """Registers, and where there is any static shared memory, an architecture: the most of the float32 builds."""
    chosen = [row for label, row in builds.items() if label.startswith("float32")] or list(builds.values())
    figures = []
    for architecture in chosen[0]:
        registers, shared = (max(row[architecture][i] for row in chosen) for i in (0, 1))
        figures.append(f"sm_{architecture} {registers}{f' + {shared} B' if shared else ''}")
    return f"registers{' + shared memory' if '+' in figures[0] else ''}: {', '.join(figures)}"


def _trace(name: str, device_name: str | None) -> Iterator[str]:
    """One line a call of a forward and backward pass, in order."""
    from gpunn.cuda.variants import tracing

    channels, height, _ = models.input_shape(name)
    chosen = device_name or ("cuda" if backend.is_available("cuda") else "emulator")
    device = usable_device(chosen)
    if device.type == "cpu":
        raise UsageError("kernels: --trace --device cpu runs no kernel; choose cuda or emulator")
    # Networks for large images take a small one too, in a hundredth of the time.
    side = next(side for side in (64, 96, height) if side >= height or models.takes_size(name, side))
    side = min(side, height)
    images = np.zeros((TRACED_BATCH, channels, side, side), np.float32)
    with tracing() as calls:
        model = models.create(name).to(device)
        labels = backend.to_device(np.zeros(TRACED_BATCH, np.int64), device)
        ops.cross_entropy(model(gpunn.Tensor(backend.to_device(images, device))), labels).backward()
    yield f"{name} on {device}: images {images.shape}, one forward and backward pass"
    for call in calls:
        yield f"  {call.operation:<26} {call.variant:<10} {call.problem}"
        yield f"  {'':<26} because    {call.why}"
