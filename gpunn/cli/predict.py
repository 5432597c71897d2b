"""``gpunn predict IMAGE.png``: what a picture shows."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from gpunn import ops, train
from gpunn.data.picture import read_picture
from gpunn.errors import DataError
from gpunn.recipes.batches import normalised
from gpunn.recipes.config import Config
from gpunn.recipes.device import usable_device
from gpunn.recipes.ensemble import check_scores
from gpunn.recipes.folders import load_predictor
from gpunn.terminal import say
from gpunn.text import one_line, plain

SHOWN = 3
SHADES = " .:-=+*#%@"  # in every encoding


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "predict",
        help="name what a picture shows",
        description="Classify pictures of any size. For a network of digits the border's colour is the paper, and what "
        "differs from it is the digit. Status 1 where a picture could not be read; the others are answered.",
    )
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE.png", help="picture files")
    add("--show", action="store_true", help="draw what the network sees of each picture")
    add("--run", dest="target", metavar="RUN_OR_WEIGHTS", help="run folder or .npz file (default: the latest run)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--precision", help="fp32, tf32, bf16, fp16 (default: the run's own)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the likeliest classes of each picture."""
    device = usable_device(args.device)
    _, models, config = load_predictor(args.target, device)
    config = replace(config, device=str(device)).in_precision(args.precision)
    pictures: dict[Path, np.ndarray] = {}
    for path in args.images:
        try:
            pictures[path] = read_picture(path, config.channels, config.size)
        except DataError as error:
            say(f"gpunn: error: {one_line(str(error), 1000)}")
    if pictures:
        models = [config.tested(model) for model in models]
        model = train.Ensemble(models) if len(models) > 1 else models[0]
        seen = np.concatenate(list(pictures.values()))
        with config.asking():
            scores = train.predict(model, normalised(seen, config, config.dtype))
        check_scores(scores, "the network", "pictures")
        shares = ops.softmax(scores, 1)
        for path, image, share in zip(pictures, seen, shares, strict=True):
            print(f"{plain(str(path))}: {_likeliest(share, config)}")
            if args.show:
                print(drawn(image))
    return 0 if len(pictures) == len(set(args.images)) else 1


def _likeliest(shares: np.ndarray, config: Config) -> str:
    first, *others = np.argsort(-shares)[:SHOWN]
    names = [plain(name, 60) for name in config.classes]
    then = ", ".join(f"{names[i]} {shares[i]:.1%}" for i in others)
    return f"{names[first]} ({shares[first]:.1%}; then {then})"


def drawn(image: np.ndarray) -> str:
    """An image (C, H, W) of uint8 in letters, two a pixel and at most 128 a line; darkness is blank."""
    grey = image.mean(axis=0)
    step = -(-grey.shape[1] // 64)
    grey = grey[: grey.shape[0] // step * step, : grey.shape[1] // step * step]
    grey = grey.reshape(grey.shape[0] // step, step, -1, step).mean(axis=(1, 3))
    letters = np.array(list(SHADES))[(grey * len(SHADES) / 256).astype(int)]
    return "\n".join("".join(np.repeat(row, 2)).rstrip() for row in letters)
