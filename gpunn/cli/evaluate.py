"""``gpunn evaluate RUN_OR_WEIGHTS``"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from gpunn import data, train
from gpunn.cli.batches import test_loader
from gpunn.cli.options import positive_int, usable_device
from gpunn.cli.runs import load_model, weights_of
from gpunn.errors import UsageError


def add_to(commands) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "evaluate",
        help="test accuracy of trained weights",
        description="Loss and accuracy of a run's best weights, or of a weights file, on the test images.",
    )
    add = parser.add_argument
    add("target", nargs="?", metavar="RUN_OR_WEIGHTS", help="run folder or .npz file (default: the latest run)")
    add("--data", help=f"data set: {', '.join(data.names())} (default: the one trained on)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--limit", type=positive_int, metavar="N", help="test on the first N images only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print loss and accuracy."""
    device = usable_device(args.device)
    weights = weights_of(args.target)
    model, config = load_model(weights, device)
    dataset = data.load(args.data or config.data)
    if dataset.note:
        print(dataset.note, file=sys.stderr)
    if dataset.test.shape[1] != config.channels or len(dataset.classes) != len(config.classes):
        raise UsageError(
            f"evaluate: {dataset.name} has {dataset.test.shape[1]} channels and {len(dataset.classes)} classes, but "
            f"{weights} was trained on {config.channels} and {len(config.classes)}; leave --data away"
        )
    loader = test_loader(dataset, config, np.dtype(config.precision.replace("fp", "float")), args.limit)
    trainer = train.Trainer(model, optimizer=None, device=device)
    result = trainer.evaluate(loader)
    print(
        f"{weights}: {config.model} on {len(loader.dataset):,} test images of {dataset.name}: "
        f"accuracy {result['accuracy']:.2%}, loss {result['loss']:.4f}"
    )
    return 0
