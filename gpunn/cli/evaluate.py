"""``gpunn evaluate RUN_OR_WEIGHTS``: what trained weights reach on the test images."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from gpunn import data
from gpunn.errors import TrainingError
from gpunn.recipes.batches import check_fits, load_noted, test_loader
from gpunn.recipes.building import tester
from gpunn.recipes.device import usable_device
from gpunn.recipes.ensemble import compared
from gpunn.recipes.folders import load_predictor
from gpunn.recipes.options import positive_int
from gpunn.recipes.tasks import task_of
from gpunn.text import plain


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "evaluate",
        help="what trained weights reach on the test images",
        description="What a run's best weights, a weights file, or an ensemble and its networks reach on the test "
        "images: the accuracy, of networks that name each pixel the mean IoU, of others what they were trained for.",
    )
    add = parser.add_argument
    add("target", nargs="?", metavar="RUN_OR_WEIGHTS", help="run folder or .npz file (default: the latest run)")
    add("--data", help=f"data set: {', '.join(data.names())}, or folder:PATH (default: the one trained on)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--precision", help="fp32, tf32, bf16, fp16 (default: the run's own)")
    add("--limit", type=positive_int, metavar="N", help="test on the first N images only")
    add("--flips", action="store_true", help="average each image's probabilities with its mirror image's")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the loss and what the network is measured by."""
    device = usable_device(args.device)
    name, models, config = load_predictor(args.target, device)
    config = replace(config, device=str(device), test_flips=config.test_flips or args.flips)
    config = config.in_precision(args.precision)
    dataset = load_noted(args.data or config.data)
    check_fits(dataset, config, "evaluate", name, "leave --data away")
    loader = test_loader(dataset, config, config.dtype, args.limit)
    name, of = plain(name), plain(dataset.name)
    tested, there = len(loader.dataset), len(dataset.test)
    count = f"{tested:,}" if tested == there else f"the first {tested:,} of {there:,}"
    what = f"{config.model} on {count} test images of {of}"
    if len(models) > 1:
        print(f"{name}: {len(models)} x {what}\n{compared(models, loader, config)}")
        return 0
    with config.asking():
        result = tester(config, models[0], device).evaluate(loader)
    if not math.isfinite(result["loss"]):
        raise TrainingError(f"{name} gives a loss that is {result['loss']}; train it again, with a lower learning rate")
    print(f"{name}: {what}: {task_of(config.model).account(result, models[0])}{config.conditions()}")
    return 0
