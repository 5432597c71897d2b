"""`python -m bench accuracy NETWORK [options of gpunn train]`: a recipe trained here and in PyTorch, seed by seed.

Both sides start from the same weights and see the same batches, augmented by the same draws, with the same optimiser,
schedule and loss; dropout alone is drawn by each side for itself. Test accuracy is that of the last epoch's weights.
Exit status 1 where the mean accuracies lie further apart than --within.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import machine
from bench.output import results
from bench.timing import Spread
from gpunn.errors import UsageError
from gpunn.recipes.options import natural, positive_int

PROGRAM = "python -m bench accuracy"


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
    sides = {"ours": train_ours} if own.ours_alone else {"ours": train_ours, "torch": _torch(config)}
    document = _head(config, own)
    print(
        f"{config.model} on {dataset.name}, {config.epochs} epochs, {config.device}; "
        f"numpy {document['numpy']}, torch {document['torch']}\n"
        f"{'seed':>4}{'ours':>10}{'torch':>10}{'points':>9}{'images/s':>11}{'torch':>9}"
    )
    for seed in own.seeds:
        found = {name: side(replace(config, seed=seed), dataset) for name, side in sides.items()}
        document["rows"].append(row(config, seed, found))
        print(_line(document["rows"][-1]), flush=True)
        if own.json:
            results.save(document, own.json)  # after each seed: a run of hours may be broken off
    return verdict(document["rows"], own.within)


def _recipe(argv: list[str]) -> tuple[Any, Any]:
    """The configuration and the data of `gpunn train` with these arguments."""
    from gpunn.recipes.arrange import load_data, new_config
    from gpunn.recipes.options import add_options

    parser = argparse.ArgumentParser(prog=PROGRAM)
    add_options(parser)
    for option in ("--out", "--resume"):
        parser.add_argument(option)
    options = vars(parser.parse_args(argv))
    for option in ("out", "resume", "seed"):
        if options[option] is not None:
            raise UsageError(f"{PROGRAM}: --{option} is of one run; leave it away (the seeds come from --seeds)")
    return load_data(new_config(options))


def _torch(config: Any) -> Any:
    try:
        from bench.training import torch_training
    except ImportError as error:
        raise UsageError(f"{PROGRAM}: PyTorch is not installed; pip install torch, or give --ours-alone") from error
    torch_training.check(config)
    return torch_training.train


def train_ours(config: Any, dataset: Any) -> dict[str, Any]:
    """What `gpunn train` does, in a folder that goes again: test accuracy, last training loss, seconds an epoch."""
    from gpunn.recipes.batches import loaders, test_loader
    from gpunn.recipes.device import dtype_of, usable_device
    from gpunn.recipes.session import train_one

    dtype = dtype_of(config.precision, usable_device(config.device))
    images = len(loaders(dataset, config, dtype)[0].dataset)
    loader = test_loader(dataset, config, dtype)
    with tempfile.TemporaryDirectory() as folder:
        trainer = train_one(config, dataset, Path(folder))
        return {
            "test_accuracy": float(trainer.evaluate(loader)["accuracy"]),
            "train_loss": float(trainer.history[-1]["train_loss"]),
            "images": images,
            "epochs": [images / line["images_per_second"] for line in trainer.history],
        }


# ---------------------------------------------------------------- rows
def _head(config: Any, own: argparse.Namespace) -> dict[str, Any]:
    args = argparse.Namespace(suite="accuracy", device=config.device, threads=own.threads, seed=own.seeds[0])
    return {**results.describe(args), "recipe": {key: value for key, value in vars(config).items() if key != "seed"}}


def row(config: Any, seed: int, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A seed's row, after the schema of files of results: `seconds` are those of an epoch's training."""
    sides = {}
    for name, side in found.items():
        spread = Spread.of(side["epochs"])
        seconds = {"median": spread.median, "p10": spread.p10, "p90": spread.p90}
        sides[name] = {"seconds": seconds, "images_per_second": side["images"] / spread.median}
        sides[name] |= {key: side[key] for key in ("test_accuracy", "train_loss")}
    ours = sides.pop("ours")
    ours["seconds"]["repeats"] = len(found["ours"]["epochs"])
    for other in sides.values():
        seconds = other.pop("seconds")
        other |= {**seconds, "speed": seconds["median"] / ours["seconds"]["median"]}
    return {
        "suite": "accuracy", "case": config.model, "operation": "train", "variant": f"seed {seed}",
        "precision": config.precision, "shape": f"{config.data}, {config.epochs} epochs, batch {config.batch_size}",
        "status": "ok", "reason": "", "flops": None, "bytes": None, **ours, "against": sides,
    }  # fmt: skip


def points(rows: list[dict[str, Any]]) -> float | None:
    """By how many points the mean test accuracy lies above PyTorch's; None without PyTorch."""
    if not all("torch" in row["against"] for row in rows):
        return None
    return 100 * statistics.mean(row["test_accuracy"] - row["against"]["torch"]["test_accuracy"] for row in rows)


def _line(row: dict[str, Any]) -> str:
    theirs, seed = row["against"].get("torch"), row["variant"].removeprefix("seed ")
    if theirs is None:
        return f"{seed:>4}{row['test_accuracy']:>10.2%}{'-':>10}{'-':>9}{row['images_per_second']:>11,.0f}{'-':>9}"
    return (
        f"{seed:>4}{row['test_accuracy']:>10.2%}{theirs['test_accuracy']:>10.2%}{points([row]):>+9.2f}"
        f"{row['images_per_second']:>11,.0f}{theirs['images_per_second']:>9,.0f}"
    )


def verdict(rows: list[dict[str, Any]], within: float) -> int:
    """Print how far the means lie apart: 1 where it is more than `within` points."""
    mean = statistics.mean(row["test_accuracy"] for row in rows)
    apart = points(rows)
    if apart is None:
        print(f"mean {mean:.2%}")
        return 0
    close = abs(apart) <= within
    print(
        f"mean {mean:.2%}, PyTorch's {mean - apart / 100:.2%}: {abs(apart):.2f} points apart, "
        f"{'within' if close else 'MORE THAN'} {within:g}"
    )
    return 0 if close else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
