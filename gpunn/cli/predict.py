"""``gpunn predict IMAGE.png``: what a picture shows."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gpunn import ops, train
from gpunn.data.picture import read_picture
from gpunn.recipes.batches import normalised
from gpunn.recipes.device import usable_device
from gpunn.recipes.folders import load_predictor

SHOWN = 3


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "predict",
        help="name what a picture shows",
        description="Classify pictures of any size, grey or colour; dark digits on paper are inverted.",
    )
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE.png", help="picture files")
    add("--run", dest="target", metavar="RUN_OR_WEIGHTS", help="run folder or .npz file (default: the latest run)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the likeliest classes of each picture."""
    device = usable_device(args.device)
    _, models, config = load_predictor(args.target, device)
    pictures = np.concatenate([read_picture(path, config.channels, config.size) for path in args.images])
    models = [config.tested(model) for model in models]
    model = train.Ensemble(models) if len(models) > 1 else models[0]
    scores = train.predict(model, normalised(pictures, config, config.dtype))
    for path, shares in zip(args.images, ops.softmax(scores, 1), strict=True):
        likeliest = np.argsort(-shares)[:SHOWN]
        others = ", ".join(f"{config.classes[i]} {shares[i]:.1%}" for i in likeliest[1:])
        print(f"{path}: {config.classes[likeliest[0]]} ({shares[likeliest[0]]:.1%}; then {others})")
    return 0
