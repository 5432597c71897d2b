"""``gpunn train NAME``"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import gpunn
from gpunn import data, models, train
from gpunn.cli.batches import augmentation, image_size, loaders, test_loader
from gpunn.cli.config import Config
from gpunn.cli.options import dtype_of, natural, positive_float, positive_int, usable_device
from gpunn.cli.recipes import ADAPTIVE_LR, OPTIMIZERS, RECIPES, Recipe, check_optimizer, make_optimizer, make_schedule
from gpunn.cli.runs import ROOT
from gpunn.errors import CheckpointError, UsageError

# What --resume may change; everything else is the run's own.
CHANGEABLE = ("epochs", "device")


def add_to(commands) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network by name. The run folder gets the best and the last weights, history.csv, "
        "curves.png and config.json. Options left out come from the network's own recipe.",
        epilog=f"networks: {', '.join(models.names())}",
    )
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the network; with --resume it may be left out")
    add("--data", help=f"data set: {', '.join(data.names())} (default mnist)")
    add("--device", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--epochs", type=positive_int, help="epochs in all")
    add("--batch-size", type=positive_int, help="images a step")
    add("--lr", type=positive_float, help="learning rate of the first epoch")
    add("--optimizer", help=f"{', '.join(OPTIMIZERS)} (default sgd, with momentum 0.9)")
    add("--precision", help="fp32, or on cpu fp64 (default fp32)")
    add("--seed", type=natural, help="start of all random numbers (default 0)")
    add("--limit", type=positive_int, metavar="N", help="train on the first N images only")
    add("--out", type=Path, metavar="FOLDER", help=f"run folder (default {ROOT}/<time>)")
    add("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    config = _resumed(args) if args.resume else _new(args)
    device = usable_device(config.device)
    dtype = dtype_of(config.precision, device)
    dataset = data.load(config.data, limit=config.limit)
    if dataset.note:
        print(dataset.note, file=sys.stderr)
    # The data's own name: a run that fell back to other data says so, and is resumed and evaluated on them.
    config = replace(config, data=dataset.name, **_images(config, dataset))

    gpunn.manual_seed(config.seed)
    model = config.build(dtype)
    train_loader, val_loader = loaders(dataset, config, dtype)
    out = args.resume or _folder(args.out)
    print(_heading(config, model, train_loader, val_loader, dataset, out), file=sys.stderr, flush=True)
    optimizer = make_optimizer(config.optimizer, model.parameters(), config.lr)
    trainer = train.Trainer(
        model,
        optimizer,
        schedule=make_schedule(optimizer, config.epochs),
        callbacks=[train.ProgressBar(), train.LayerGradientLog(out / "gradients.csv")],
        device=device,
        seed=config.seed,
        out=out,
        info=vars(config),
    )
    config.write(out)
    try:
        # The trainer checks every loss and says what to do; NumPy's warnings before that would only stand in the way.
        with np.errstate(over="ignore", invalid="ignore"):
            trainer.fit(train_loader, val_loader, config.epochs, resume=args.resume)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(f"{_words(interrupt)}go on with: gpunn train --resume {out}") from None
    _conclude(trainer, test_loader(dataset, config, dtype), out)
    return 0


def _words(interrupt: KeyboardInterrupt) -> str:
    """The trainer's account of what was saved, without its advice for programs."""
    return f"{str(interrupt).partition('; go on')[0]}; " if interrupt.args else ""


def _new(args: argparse.Namespace) -> Config:
    """The configuration of a new run: the options, and for what was left out the recipe."""
    if args.name is None:
        raise UsageError(f"train: which network? choose from {', '.join(models.names())}; try: gpunn train lenet5")
    channels, _, _ = models.input_shape(args.name)  # first of all: it knows the names
    recipe = RECIPES.get(args.name, Recipe())
    optimizer = args.optimizer or recipe.optimizer
    check_optimizer(optimizer)
    return Config(
        model=args.name,
        data=args.data or "mnist",
        device=args.device or "cpu",
        epochs=args.epochs or recipe.epochs,
        batch_size=args.batch_size or recipe.batch_size,
        lr=args.lr or (recipe.lr if optimizer == recipe.optimizer else ADAPTIVE_LR),
        optimizer=optimizer,
        precision=args.precision or "fp32",
        seed=args.seed or 0,
        limit=args.limit,
        shift=0,
        flip=False,
        classes=(),
        channels=channels,
        size=0,
        mean=(),
        std=(),
        gpunn=gpunn.__version__,
    )


def _resumed(args: argparse.Namespace) -> Config:
    """The configuration of the run that goes on. Raises UsageError for an option that would make it another run."""
    config = Config.read(args.resume)
    if args.out is not None and args.out.resolve() != args.resume.resolve():
        raise UsageError(f"train: --resume writes on into {args.resume}; leave --out away")
    given = {key: value for key, value in vars(args).items() if value is not None}
    given["model"] = given.pop("name", config.model)
    for key, now in vars(config).items():
        if key in given and key not in CHANGEABLE and given[key] != now:
            option = "NAME" if key == "model" else f"--{key.replace('_', '-')}"
            raise UsageError(
                f"train: {option} {given[key]} differs from the {now} of the run in {args.resume}; leave it away, or "
                "start a new run without --resume"
            )
    return replace(config, **{key: given[key] for key in CHANGEABLE if key in given})


def _images(config: Config, dataset: data.Dataset) -> dict:
    """What the configuration keeps of the data set."""
    return {
        "classes": tuple(dataset.classes),
        "channels": dataset.train.shape[1],
        "size": image_size(config.model, dataset),
        "mean": tuple(dataset.mean),
        "std": tuple(dataset.std),
        **augmentation(dataset.train.shape[1]),
    }


def _folder(wanted: Path | None) -> Path:
    """The run's folder, made if missing."""
    if wanted is None:
        return train.new_run_folder(ROOT)
    if (wanted / "checkpoint.npz").exists():
        raise UsageError(f"train: {wanted} already holds a run; go on with --resume {wanted}, or choose another --out")
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"train: cannot make the folder {wanted}: {error.strerror}; choose another --out"
        ) from error
    return wanted


def _heading(config: Config, model, train_loader, val_loader, dataset: data.Dataset, out: Path) -> str:
    parameters = sum(p.size for p in model.parameters())
    counts = f"{len(train_loader.dataset):,} + {len(val_loader.dataset):,} + {len(dataset.test):,}"
    return (
        f"{config.model}: {parameters:,} parameters; {config.data}: {counts} images (training, validation, test)\n"
        f"{config.optimizer}, learning rate {config.lr:g}, batch size {config.batch_size}, {config.epochs} epochs, "
        f"{config.precision}, seed {config.seed}, on {config.device}; run folder {out}"
    )


def _conclude(trainer: train.Trainer, loader: data.DataLoader, out: Path) -> None:
    """Print the best epoch and the test accuracy of its weights, and of the last epoch's if they are others."""
    rows = [row for row in trainer.history if row["val_accuracy"] is not None]
    best = max(rows, key=lambda row: row["val_accuracy"])  # the first of equals, as for best.npz
    last = trainer.evaluate(loader)["accuracy"]
    train.load_weights(out / "best.npz", trainer.model)
    chosen = last if best["epoch"] == rows[-1]["epoch"] else trainer.evaluate(loader)["accuracy"]
    seconds = sum(row["seconds"] for row in trainer.history)
    print(
        f"run folder:    {out} (best.npz, last.npz, history.csv, curves.png)\n"
        f"best epoch:    {best['epoch']} of {rows[-1]['epoch']}, validation accuracy {best['val_accuracy']:.2%}\n"
        f"test accuracy: {chosen:.2%} with the best epoch's weights, {last:.2%} with the last epoch's\n"
        f"time:          {seconds:.0f} s of epochs"
    )
