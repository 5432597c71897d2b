"""A recipe's keys as options of a command line, and the types of such options."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunn import data, limits
from gpunn.recipes.recipe import OPTIMIZERS, shipped
from gpunn.text import brief


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `arrange.new_config` takes: the network, its recipe and the keys that are often set by hand."""
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the network; with --resume, or a recipe that names one, not needed")
    add("--recipe", metavar="FILE", help=f"TOML file, a run's recipe.toml, or one of {', '.join(shipped())}")
    add(
        "--model-option", dest="model_options", type=pair, action="append", metavar="KEY=VALUE",
        help="the network's own, such as partial=true for lenet5 or shortcut=B for resnet20; once for each",
    )  # fmt: skip
    add("--data", help=f"data set: {', '.join(data.names())}, or folder:PATH (default mnist, for unet shapes)")
    add("--device", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--epochs", type=positive_int, help="epochs in all")
    add("--batch-size", type=positive_int, help="images a step")
    add("--lr", type=positive_float, help="learning rate of the first epoch")
    add("--optimizer", help=f"{', '.join(OPTIMIZERS)} (default sgd, with momentum 0.9, or the network's own)")
    add("--precision", help="fp32, tf32, bf16, fp16, or on cpu fp64 (default fp32)")
    add("--seed", type=natural, help="start of all random numbers (default 0)")
    add("--limit", type=positive_int, metavar="N", help="train on the first N images only, test on the same share")
    add("--ensemble", type=members, metavar="N", help="train N networks, of seeds one apart, that decide together")
    add("--bagging", action="store_true", default=None, help="each network draws its training images with replacement")


def folder(text: str) -> Path:
    """An option's value as a folder; an empty one, as of a shell's variable that is not set, is not the working one."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; give a folder, or . for this one")
    return Path(text)


def positive_int(text: str) -> int:
    """An option's value as a whole number of at least 1."""
    return _whole(text, 1, limits.COUNT)


def members(text: str) -> int:
    """An option's value as a number of networks."""
    return _whole(text, 1, limits.MEMBERS)


def natural(text: str) -> int:
    """An option's value as a whole number of at least 0."""
    return _whole(text, 0, limits.SEED)


def _whole(text: str, least: int, most: int) -> int:
    digits = text if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else "-1"
    if not least <= int(digits) <= most:
        words = f"is no whole number of at least {least} and at most {most:,}"
        raise argparse.ArgumentTypeError(f"{brief(text)} {words}")
    return int(digits)


def positive_float(text: str) -> float:
    """An option's value as a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{brief(text)} is no number above 0")
    return value


def pair(text: str) -> tuple[str, str]:
    """An option's KEY=VALUE as both its parts."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{brief(text)} is no KEY=VALUE")
    return name.replace("-", "_"), value
