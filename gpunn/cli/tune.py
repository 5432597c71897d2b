"""``gpunn tune NETWORK``: measures which kernel variants are the fastest here, and keeps it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import gpunn
from gpunn import backend, models, ops
from gpunn.backend.streams import EMULATOR
from gpunn.cuda import tuned, tuning
from gpunn.cuda.listing import COLUMNS
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError, unknown_name
from gpunn.layout import channels_first, channels_last
from gpunn.models.tracing import run_step
from gpunn.recipes.device import usable_device
from gpunn.recipes.options import positive_int
from gpunn.reference import cases
from gpunn.reference.shapes import ConvCase
from gpunn.text import one_line

BATCH = {"cuda": 64, "emulator": 2}
NOTE = "times on the emulator mean nothing of a card; they are kept apart, for trying this command out"


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "tune",
        help="measure which kernel variants are the fastest on this GPU",
        description="Run one step of a network, or a convolution of the shape table by its name, time every variant "
        f"that takes a problem, and keep the fastest in {tuned.folder()}, where later programs find it while the "
        f"kernels are the same. {tuned.SWITCH}=0 leaves it unread; `gpunn kernels --trace` says which were tuned.",
        epilog="Exported as kernels/tuned/sm_90.json the choices ship with the package: devices of that compute "
        "capability (9.0), of which nothing was measured, heed them.",
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="networks (resnet50) or convolutions ('resnet50 stage1')")
    add("--batch", type=positive_int, metavar="N", help="images a step (default 64; on the emulator 2)")
    add("--precision", default="fp32", help="fp32, tf32, bf16 or fp16 (default fp32)")
    add("--device", help="cuda, cuda:1 or emulator (default cuda)")
    add("--list", action="store_true", help="show what was measured, and end")
    add("--clear", action="store_true", help="forget all of it, and end")
    add("--export", metavar="FILE", type=Path, help="write all that is kept of this device there as well; see below")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, list or clear."""
    if args.clear:
        print(f"{len(tuned.clear())} files removed from {tuned.folder()}")
        return 0
    device = usable_device(args.device or "cuda")
    if device.type == "cpu":
        raise UsageError("tune: --device cpu runs no kernel; choose cuda or emulator")
    number = EMULATOR if device.type == "emulator" else device.index or 0
    if args.list:
        return _list(number)
    if not args.names and args.export:
        return _export(number, args.export)
    if not args.names:
        raise UsageError(f"tune: of which network? choose from {', '.join(models.names())}; gpunn tune resnet50")
    steps = [_step(name, device, args.batch or BATCH[device.type]) for name in args.names]
    precision = _precision(args.precision)
    found: dict[str, tuned.Choice] = {}
    try:
        for step in steps:
            with precision():
                asked = tuning.collected(step)
            for one in tuning.measure(asked):
                found[tuned.key_of(one.operation, one.problem)] = one.choice
                print(_line(one), flush=True)
    finally:  # after Ctrl-C too: what was measured is right
        path = tuned.write(number, found)
    if device.type == "emulator":
        print(NOTE)
    print(f"{len(found)} problems measured, kept in {path}")
    return _export(number, args.export) if args.export else 0


def _export(device: int, path: Path) -> int:
    print(f"{tuned.export(device, path)} problems written to {path}")
    return 0


def _precision(name: str) -> Callable:
    """The block that asks for a precision. UsageError for one that there is none of."""
    try:
        gpunn.precision(name)
    except ValueError as error:
        raise UsageError(f"tune: --{error}") from error
    return partial(gpunn.precision, name)


def _step(name: str, device: backend.Device, batch: int) -> Callable[[], object]:
    """What makes the plans of a network's step, or of a case. UsageError for a name that is neither's."""
    if name in models.names():
        return partial(run_step, name, device, batch, small=device.type == "emulator")
    table = {case.name: case for case in cases.NETWORK_CONVS}
    if name not in table:
        raise unknown_name("network or convolution", name, [*models.names(), *table])
    return partial(_convolve, table[name], device, batch)


def _convolve(case: ConvCase, device: backend.Device, batch: int) -> None:
    """A convolution, forward and back."""
    x = np.zeros((batch, *case.x[1:]), np.float32)
    given = channels_first(channels_last(backend.to_device(x, device)).copy(order="C"))
    left = Tensor(given, requires_grad=True)
    weight = Tensor(backend.to_device(np.zeros(case.w, np.float32), device), requires_grad=True)
    ops.conv2d(left, weight, None, case.stride, case.padding, case.dilation, case.groups).sum().backward()


def _line(one: tuning.Measured) -> str:
    """``conv2d.forward tf32_128x64 41.2 us, next ... 44.0, was tiled128: N64 ...``."""
    (name, best), *others = one.choice.times
    following = f", next {others[0][0]} {others[0][1]:.1f}" if others else ""
    before = "" if name == one.before else f", was {one.before}"
    return one_line(f"{one.operation} {name} {best:.1f} us{following}{before}: {one.problem}", COLUMNS)


def _list(device: int) -> int:
    """Print what is kept of a device."""
    path, (name, versions) = tuned.file_of(device), tuned.device_words(device)
    kept = tuned.read(path, versions)
    print(f"{name}, {versions}: {len(kept)} problems in {path}")
    for key, choice in kept.items():
        times = ", ".join(f"{variant} {us:.1f} us" for variant, us in choice.times)
        print(f"  {key}\n      {times}")
    return 0
