"""`python -m bench accuracy NETWORK [options of gpunn train]`: a recipe trained here and in PyTorch, seed by seed.

Both sides start from the same weights and see the same batches, augmented by the same draws, with the same optimiser,
schedule and loss; dropout alone is drawn by each side for itself. Test accuracy is that of the last epoch's weights.
Exit status 1 where the mean accuracies lie further apart than --within.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import machine
from bench.output import results
from bench.output.columns import SEED, Column, aligned, columns, points_of
from bench.rows import Rival, Row, Spread, Training
from gpunn import data
from gpunn.errors import UsageError
from gpunn.recipes.arrange import load_data, new_config
from gpunn.recipes.batches import loaders, test_loader
from gpunn.recipes.config import Config
from gpunn.recipes.device import dtype_of, usable_device
from gpunn.recipes.options import add_options, natural, positive_int
from gpunn.recipes.session import train_one

PROGRAM = "python -m bench accuracy"
TABLE = [
    replace(SEED, width=4),
    *columns(".2%", "test_accuracy as ours", "against.torch.test_accuracy as torch", widths=(10, 10)),
    Column("points", points_of, "+.2f", width=9),
    *columns(",.0f", "images_per_second as images/s", "against.torch.images_per_second as torch", widths=(11, 9)),
    *columns(".2f", "train_seconds as seconds", "against.torch.train_seconds as torch", widths=(9, 9)),
]


Side = Callable[[Config, data.Loaded], Training]


def main(argv: list[str]) -> int:
    """Train both sides for every seed, print, write; 1 where they differ too much."""
    machine.without_pins(False)
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__, allow_abbrev=False)  # --seed is not --seeds
    add = parser.add_argument
    add("--seeds", type=natural, nargs="+", default=[0, 1, 2], metavar="N", help="runs of each side (default 0 1 2)")
    add("--within", type=float, default=0.5, metavar="POINTS", help="how far the means may differ (default 0.5)")
    add("--threads", type=positive_int, default=machine.cores(), metavar="N", help="of both sides (default: all)")
    add("--ours-alone", action="store_true", help="leave PyTorch out")
    add("--json", metavar="FILE", help="write the rows there")
    own, others = parser.parse_known_args(argv)
    machine.hold_threads(own.threads)
    config, dataset = _recipe(others)
    sides: dict[str, Side] = {"ours": train_ours} if own.ours_alone else {"ours": train_ours, "torch": _torch(config)}
    run = results.begin("accuracy", config.device, own.threads, own.seeds[0])
    run["recipe"] = {key: value for key, value in vars(config).items() if key != "seed"}
    print(f"{config.model} on {dataset.name}, {config.epochs} epochs; {results.where(run)}\n{aligned(TABLE)}")
    for seed in own.seeds:
        found = row(config, seed, {name: side(replace(config, seed=seed), dataset) for name, side in sides.items()})
        run["rows"].append(found)
        print(aligned(TABLE, found), flush=True)
        if own.json:
            results.save(run, own.json)  # after each seed: a run of hours may be broken off
    return verdict(run["rows"], own.within)


def _recipe(argv: list[str]) -> tuple[Config, data.Loaded]:
    """The configuration and the data of `gpunn train` with these arguments."""
    for option in ("--out", "--resume", "--seed"):
        if any(word.partition("=")[0] == option for word in argv):
            raise UsageError(f"{PROGRAM}: {option} is of one run; leave it away (the seeds come from --seeds)")
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    add_options(parser)
    return load_data(new_config(vars(parser.parse_args(argv))))


def _torch(config: Config) -> Side:
    try:
        from bench.training import torch_training
    except ImportError as error:
        raise UsageError(f"{PROGRAM}: PyTorch is not installed; pip install torch, or give --ours-alone") from error
    torch_training.check(config)
    return torch_training.train


def train_ours(config: Config, dataset: data.Loaded) -> Training:
    """What `gpunn train` does, in a folder that goes again."""
    dtype = dtype_of(config.precision, usable_device(config.device))
    images = len(loaders(dataset, config, dtype)[0].dataset)
    with tempfile.TemporaryDirectory() as folder:
        trainer = train_one(config, dataset, Path(folder))
        accuracy = float(trainer.evaluate(test_loader(dataset, config, dtype))["accuracy"])
        epochs = [images / line["images_per_second"] for line in trainer.history]
        return Training(accuracy, float(trainer.history[-1]["train_loss"]), images, epochs)


def row(config: Config, seed: int, found: dict[str, Training]) -> Row:
    """A seed's row: `seconds` are those of an epoch's training."""
    made = Row("accuracy", config.model, "train", f"seed {seed}", config.precision)
    made.shape = f"{config.data}, {config.epochs} epochs, batch {config.batch_size}"
    made.seconds = Spread.of(found["ours"].epochs)
    for name, side in found.items():
        spread, to = Spread.of(side.epochs), made
        if name != "ours":
            to = made.against[name] = Rival.of(spread, spread.median / made.seconds.median)
        to.images_per_second = side.images / spread.median
        to.test_accuracy, to.train_loss, to.train_seconds = side.test_accuracy, side.train_loss, sum(side.epochs)
    return made


def points(rows: list[Row]) -> float | None:
    """By how many points the mean test accuracy lies above PyTorch's; None without PyTorch."""
    found = [one for one in map(points_of, rows) if one is not None]
    return statistics.mean(found) if len(found) == len(rows) else None


def verdict(rows: list[Row], within: float) -> int:
    """Print the means, and how far they lie apart: 1 where it is more than `within` points."""
    mean, apart = statistics.mean(row.test_accuracy or 0.0 for row in rows), points(rows)
    seconds = statistics.mean(row.train_seconds or 0.0 for row in rows)
    print(f"training took {seconds:.2f} s, the mean of {len(rows)}")
    if apart is None:
        print(f"mean {mean:.2%}")
        return 0
    far = abs(apart) > within
    said = f"{abs(apart):.2f} points apart, {'MORE THAN' if far else 'within'} {within:g}"
    print(f"mean {mean:.2%}, PyTorch's {mean - apart / 100:.2%}: {said}")
    return int(far)
