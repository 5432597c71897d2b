"""``gpunn predict IMAGE.png``: what a picture shows."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from gpunn import models, ops, pictures, train
from gpunn.data.picture import read_picture, write_picture
from gpunn.errors import DataError
from gpunn.recipes.batches import normalised
from gpunn.recipes.config import Config
from gpunn.recipes.device import usable_device
from gpunn.recipes.ensemble import check_scores
from gpunn.recipes.folders import load_predictor
from gpunn.recipes.options import folder
from gpunn.terminal import say
from gpunn.text import one_line, plain
from gpunn.window import size_text

SHOWN = 3
COLOURS = 256  # of a PNG whose pixels are numbers
SHADES = " .:-=+*#%@"  # in every encoding


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "predict",
        help="name what a picture shows",
        description="Classify pictures of any size. For a network of digits the border's colour is the paper, and what "
        "differs from it is the digit. A network that names each pixel writes NAME.mask.png, whose pixels are numbers "
        "of classes; one that gives its images back, NAME.rebuilt.png; each as large as what the network sees. Status "
        "1 where a picture could not be read, or a file not be written; the others are answered.",
    )
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE.png", help="picture files")
    add("--show", action="store_true", help="draw what the network sees of each picture")
    add("--out", type=folder, default=Path(), metavar="FOLDER", help="where masks and images go (default: here)")
    add("--run", dest="target", metavar="RUN_OR_WEIGHTS", help="run folder or .npz file (default: the latest run)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--precision", help="fp32, tf32, bf16, fp16 (default: the run's own)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the likeliest classes of each picture."""
    device = usable_device(args.device)
    _, networks, config = load_predictor(args.target, device)
    config = replace(config, device=str(device)).in_precision(args.precision)
    found: dict[Path, np.ndarray] = {}
    answered = 0
    for path in args.images:
        try:
            found[path] = read_picture(path, config.channels, config.size)
        except DataError as error:
            _say(error)
    if found:
        networks = [config.tested(network) for network in networks]
        model = train.Ensemble(networks) if len(networks) > 1 else networks[0]
        seen = np.concatenate(list(found.values()))
        with config.asking():
            scores = train.predict(model, normalised(seen, config, config.dtype))
        check_scores(scores, "the network", "pictures")
        answer = ANSWERS[models.task(config.model)]
        for path, image, scored in zip(found, seen, scores, strict=True):
            try:
                print(f"{plain(str(path))}: {answer(scored, image, config, args.out / path.stem)}")
                answered += 1
            except DataError as error:
                _say(error)
            if args.show:
                print(drawn(image))
    return 0 if answered == len(set(args.images)) else 1


def _say(error: DataError) -> None:
    say(f"gpunn: error: {one_line(str(error), 1000)}")


def _likeliest(scores: np.ndarray, image: np.ndarray, config: Config, to: Path) -> str:
    shares = ops.softmax(scores, 0)
    first, *others = np.argsort(-shares)[:SHOWN]
    names = [plain(name, 60) for name in config.classes]
    then = ", ".join(f"{names[i]} {shares[i]:.1%}" for i in others)
    return f"{names[first]} ({shares[first]:.1%}; then {then})"


def _mask(scores: np.ndarray, image: np.ndarray, config: Config, to: Path) -> str:
    """Write the likeliest class of each pixel; says how much of the picture each class has, and where that is."""
    if len(config.classes) > COLOURS:
        raise DataError(f"{to.name}: a PNG has {COLOURS} colours, the network {len(config.classes)} classes")
    mask, path = scores.argmax(0), to.with_name(f"{to.name}.mask.png")
    write_picture(path, mask.astype(np.uint8), pictures.class_colours(config.classes))
    shares = np.bincount(mask.ravel(), minlength=len(config.classes)) / mask.size
    there = [f"{plain(config.classes[i], 60)} {shares[i]:.1%}" for i in np.argsort(-shares, kind="stable") if shares[i]]
    return f"{', '.join(there)}; mask {size_text(mask.shape)} in {plain(str(path))}"


def _rebuilt(output: np.ndarray, image: np.ndarray, config: Config, to: Path) -> str:
    """Write what the network makes of the image; says how far it is from it, and where that is."""
    path, error = to.with_name(f"{to.name}.rebuilt.png"), np.square(output - image / 255).mean()
    write_picture(path, np.rint(np.clip(output, 0, 1) * 255).astype(np.uint8))
    return f"mean squared error {error:.4g}; image {size_text(image.shape[1:])} in {plain(str(path))}"


ANSWERS = {"classification": _likeliest, "segmentation": _mask, "reconstruction": _rebuilt}


def drawn(image: np.ndarray) -> str:
    """An image (C, H, W) of uint8 in letters, two a pixel and at most 128 a line; darkness is blank."""
    grey = image.mean(axis=0)
    step = -(-grey.shape[1] // 64)
    grey = grey[: grey.shape[0] // step * step, : grey.shape[1] // step * step]
    grey = grey.reshape(grey.shape[0] // step, step, -1, step).mean(axis=(1, 3))
    letters = np.array(list(SHADES))[(grey * len(SHADES) / 256).astype(int)]
    return "\n".join("".join(np.repeat(row, 2)).rstrip() for row in letters)
