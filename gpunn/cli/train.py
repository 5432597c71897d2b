"""``gpunn train NAME``: a network trained by name."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunn import data, models
from gpunn.ranks.group import current
from gpunn.recipes.among import among_ranks
from gpunn.recipes.arrange import load_data, new_config, resumed_config, run_folder
from gpunn.recipes.config import Config
from gpunn.recipes.ensemble import train_ensemble
from gpunn.recipes.folders import ROOT
from gpunn.recipes.options import add_options, folder
from gpunn.recipes.session import conclude, train_one
from gpunn.recipes.starts import note_start


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network by name. The run folder gets the best and the last weights, history.csv, "
        "gradients.csv, curves.png, config.json, recipe.toml. "
        "Options come before --recipe, and that before the network's own.",
        epilog=f"networks: {', '.join(models.names())}",
    )
    add_options(parser)
    add = parser.add_argument
    add("--out", type=folder, metavar="FOLDER", help=f"run folder (default {ROOT}/<time>)")
    add("--resume", type=folder, metavar="RUN", help="go on with the run in this folder")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    options = vars(args)
    config = resumed_config(args.resume, options) if args.resume else new_config(options)
    with among_ranks(config):
        config, dataset = load_data(config)
        # The folder last, so that a mistake leaves none behind.
        with run_folder(args.out, args.resume) as out:
            _train(args, config, dataset, out)
    return 0


def _train(args: argparse.Namespace, config: Config, dataset: data.Loaded, out: Path) -> None:
    if current().rank == 0:
        note_start(out, args.arguments, config.device)
    if config.ensemble > 1:
        train_ensemble(config, dataset, out)
    else:
        conclude(train_one(config, dataset, out, bool(args.resume)), dataset, config)
