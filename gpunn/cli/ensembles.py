"""Training an ensemble: one run folder a member, then their votes and their averaged probabilities."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from gpunn import backend, data, train
from gpunn.cli.batches import test_loader
from gpunn.cli.config import Config
from gpunn.cli.options import dtype_of, usable_device
from gpunn.cli.runs import load_model, member_folders
from gpunn.cli.session import train_one


def train_ensemble(config: Config, dataset: data.Dataset, out: Path) -> None:
    """Train the members one by one, going on with those that have begun, and print what they reach together."""
    config.write(out)
    folders = member_folders(out, config.ensemble)
    for number, folder in enumerate(folders):
        print(f"member {number + 1} of {config.ensemble}", file=sys.stderr)
        folder.mkdir(exist_ok=True)
        member = replace(config, ensemble=1, seed=config.seed + number)
        resume = folder if (folder / "checkpoint.npz").exists() else None
        train_one(member, dataset, folder, resume, whole=out)
    device = usable_device(config.device)
    models = [load_model(folder / "best.npz", device)[0] for folder in folders]
    loader = test_loader(dataset, config, dtype_of(config.precision, device))
    print(f"run folder:    {out} ({folders[0].name} to {folders[-1].name}, recipe.toml)")
    print(compared(models, loader, config))


def compared(models: list, loader: data.DataLoader, config: Config) -> str:
    """The test accuracy of each network alone, of their averaged probabilities and of their votes, in three lines."""
    if config.test_flips:
        models = [train.MirrorAveraged(model) for model in models]
    scores, labels = outputs(models, loader, usable_device(config.device))
    ensemble_scores = np.log(np.mean(np.exp(scores), axis=0))
    alone = [train.accuracy(part, labels) for part in scores]
    average = train.accuracy(ensemble_scores, labels)
    votes = train.accuracy(train.count_votes(scores), labels)
    flips = ", mirror images averaged" if config.test_flips else ""
    return (
        f"members:       {', '.join(f'{share:.2%}' for share in alone)}; mean {np.mean(alone):.2%}\n"
        f"test accuracy: {average:.2%} by averaged probabilities, {votes:.2%} by votes{flips}"
    )


def outputs(models: list, loader: data.DataLoader, device: backend.Device) -> tuple[list[np.ndarray], np.ndarray]:
    """Each network's log-probabilities (N, classes), float64, and the labels, of a loader's images: read once."""
    batches = [([_log_shares(model, backend.to_device(x, device)) for model in models], y) for x, y in loader]
    scores = [np.concatenate([parts[i] for parts, _ in batches]) for i in range(len(models))]
    return scores, np.concatenate([y for _, y in batches])


def _log_shares(model, x) -> np.ndarray:
    scores = train.predict(model, x).astype(np.float64)
    scores -= scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))
