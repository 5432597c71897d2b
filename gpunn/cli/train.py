"""``gpunn train NAME``"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

import gpunn
from gpunn import data, models, train
from gpunn.cli.batches import augmentation, check_enough, image_size, load_noted
from gpunn.cli.config import Config
from gpunn.cli.ensembles import train_ensemble
from gpunn.cli.options import dtype_of, natural, pair, positive_float, positive_int, usable_device
from gpunn.cli.recipes import OPTIMIZERS, Recipe, own_recipe, read_recipe, recipe_file, shipped, toml_value
from gpunn.cli.runs import ROOT, epochs_done, is_ensemble
from gpunn.cli.session import conclude, train_one
from gpunn.errors import CheckpointError, UsageError, unknown_name

# What --resume may change; everything else is the run's own.
CHANGEABLE = ("epochs", "device")
# Other optimisers scale their steps themselves: a recipe's rate is one of its own optimiser.
ADAPTIVE_LR = 1e-3


def add_to(commands) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network by name. The run folder gets the best and the last weights, history.csv, "
        "gradients.csv, curves.png, config.json, recipe.toml. "
        "Options come before --recipe, and that before the network's own.",
        epilog=f"networks: {', '.join(models.names())}",
    )
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the network; with --resume, or a recipe that names one, not needed")
    add("--recipe", metavar="FILE", help=f"TOML file, a run's recipe.toml, or one of {', '.join(shipped())}")
    add(
        "--model-option", dest="model_options", type=pair, action="append", metavar="KEY=VALUE",
        help="the network's own, such as partial=true for lenet5 or shortcut=B for resnet20; once for each",
    )  # fmt: skip
    add("--data", help=f"data set: {', '.join(data.names())}, or folder:PATH (default mnist)")
    add("--device", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--epochs", type=positive_int, help="epochs in all")
    add("--batch-size", type=positive_int, help="images a step")
    add("--lr", type=positive_float, help="learning rate of the first epoch")
    add("--optimizer", help=f"{', '.join(OPTIMIZERS)} (default sgd, with momentum 0.9)")
    add("--precision", help="fp32, or on cpu fp64 (default fp32)")
    add("--seed", type=natural, help="start of all random numbers (default 0)")
    add("--limit", type=positive_int, metavar="N", help="train on the first N images only")
    add("--ensemble", type=positive_int, metavar="N", help="train N networks, of seeds one apart, that decide together")
    add("--bagging", action="store_true", default=None, help="each network draws its training images with replacement")
    add("--out", type=Path, metavar="FOLDER", help=f"run folder (default {ROOT}/<time>)")
    add("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    config, dataset = load_data(_resumed(args) if args.resume else new_config(args))
    out = args.resume or _folder(args.out)  # last, so that a mistake leaves no folder behind
    if config.ensemble > 1:
        train_ensemble(config, dataset, out)
    else:
        conclude(train_one(config, dataset, out, args.resume), dataset, config)
    return 0


def load_data(config: Config) -> tuple[Config, data.Dataset]:
    """The run's data, and its configuration with what it keeps of them."""
    dtype_of(config.precision, usable_device(config.device))  # before the data, which may take a while to load
    dataset = load_noted(config.data, limit=config.limit)
    check_enough(dataset)
    # The data's own name: a run that fell back to other data says so, and is resumed and evaluated on them.
    return replace(config, data=dataset.name, **_images(config, dataset)), dataset


def new_config(args: argparse.Namespace) -> Config:
    """The configuration of a new run: the options, then the recipe file, then the network's own recipe."""
    given = {f.name: getattr(args, f.name, None) for f in fields(Recipe)}
    given["model"] = args.name
    given = {name: value for name, value in given.items() if value is not None}
    file = read_recipe(recipe_file(args.recipe)) if args.recipe is not None else {}
    name = args.name or file.get("model")
    if name is None:
        raise UsageError(f"train: which network? choose from {', '.join(models.names())}; try: gpunn train lenet5")
    channels, _, _ = models.input_shape(name)  # first of all: it knows the names
    _take_model_options(given, name)
    if given.get("optimizer", "sgd") not in OPTIMIZERS:
        raise unknown_name("optimizer", given["optimizer"], OPTIMIZERS)
    values = _layered(read_recipe(own_recipe(name)), file, given)
    if values.get("nesterov") and values.get("momentum") == 0:
        raise UsageError("train: nesterov = true needs momentum above 0, the recipe has 0; set momentum = 0.9")
    open_: dict[str, Any] = {"classes": (), "channels": channels, "size": 0, "mean": (), "std": ()}
    if values.get("model_options"):
        _check_model_options(name, values["model_options"])
    return Config(**values, **open_, device=args.device or "cpu", gpunn=gpunn.__version__)


def _take_model_options(given: dict[str, Any], model: str) -> None:
    """The texts of --model-option as the table that a recipe has."""
    if given.get("model_options"):
        defaults = models.options_of(model)
        given["model_options"] = {
            name: text if isinstance(defaults.get(name), str) else toml_value(text)
            for name, text in given["model_options"]
        }


def _check_model_options(model: str, options: dict[str, Any]) -> None:
    """UsageError for what the network does not take: before the data, and before there is a folder."""
    known = models.options_of(model)  # classes and channels are not among them: they are the data's
    for name in options:
        if name not in known:
            raise unknown_name(f"option of {model}", name, known)
    try:
        # No image is one too: what the options lead to must still take the data's.
        models.create(model, **options).eval()(np.zeros((0, *models.input_shape(model)), np.float32))
    except UsageError:
        raise
    except (ValueError, TypeError) as error:
        raise UsageError(f"train: model option of {model}: {error}") from error


def _layered(*layers: dict[str, Any]) -> dict[str, Any]:
    """The layers' keys, the last layer's first; a layer that changes the optimiser gives up the rate of the other."""
    values: dict[str, Any] = {"optimizer": Recipe.optimizer}
    for layer in layers:
        if layer.get("optimizer", values["optimizer"]) != values["optimizer"]:
            values["lr"] = Recipe.lr if layer["optimizer"] == "sgd" else ADAPTIVE_LR
            values.pop("weight_decay", None)
        options = {**values.get("model_options", {}), **layer.get("model_options", {})}
        values.update(layer, **({"model_options": options} if options else {}))
    return values


def _resumed(args: argparse.Namespace) -> Config:
    """The configuration of the run that goes on. Raises UsageError for an option that would make it another run."""
    config = Config.read(args.resume)
    if args.recipe is not None:
        raise UsageError(f"train: --resume goes on by the recipe of the run in {args.resume}; leave --recipe away")
    if args.out is not None and args.out.resolve() != args.resume.resolve():
        raise UsageError(f"train: --resume writes on into {args.resume}; leave --out away")
    given = {key: value for key, value in vars(args).items() if value is not None}
    given["model"] = given.pop("name", config.model)
    _take_model_options(given, config.model)
    for key, now in vars(config).items():
        if key in given and key not in CHANGEABLE and given[key] != now:
            names = {"model": "NAME", "model_options": "--model-option"}
            option = names.get(key, f"--{key.replace('_', '-')}")
            raise UsageError(
                f"train: {option} {given[key]} differs from the {now} of the run in {args.resume}; leave it away, or "
                "start a new run without --resume"
            )
    return _lasting(replace(config, **{key: given[key] for key in CHANGEABLE if key in given}), config, args.resume)


def _lasting(config: Config, before: Config, folder: Path) -> Config:
    """The configuration, for as many epochs as it now has: its schedule stays that of before, and is recorded so."""
    if config.epochs == before.epochs:
        return config
    done = epochs_done(folder)
    if config.epochs < done:
        raise UsageError(
            f"train: --epochs {config.epochs} is fewer than the {done} that the run in {folder} has done; "
            "give more, or start a new run without --resume"
        )
    return replace(config, schedule_epochs=before.schedule_epochs or before.epochs)


def _images(config: Config, dataset: data.Dataset) -> dict:
    """What the configuration keeps of the data set."""
    usual = augmentation(dataset.train.shape[1])
    return {
        "classes": tuple(dataset.classes),
        "channels": dataset.train.shape[1],
        "size": image_size(config.model, dataset),
        "mean": tuple(dataset.mean),
        "std": tuple(dataset.std),
        "shift": usual["shift"] if config.shift is None else config.shift,
        "flip": usual["flip"] if config.flip is None else config.flip,
    }


def _folder(wanted: Path | None) -> Path:
    """The run's folder, made if missing."""
    if wanted is None:
        return train.new_run_folder(ROOT)
    if (wanted / "checkpoint.npz").exists() or is_ensemble(wanted):
        raise UsageError(f"train: {wanted} already holds a run; go on with --resume {wanted}, or choose another --out")
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"train: cannot make the folder {wanted}: {error.strerror}; choose another --out"
        ) from error
    return wanted
