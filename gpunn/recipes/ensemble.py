"""Training an ensemble: one run folder a member, then their votes and their averaged probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpunn import backend, data, nn, train
from gpunn.errors import TrainingError, UsageError
from gpunn.ranks.group import current
from gpunn.recipes.batches import test_loader
from gpunn.recipes.config import Config
from gpunn.recipes.device import dtype_of, usable_device
from gpunn.recipes.folders import load_model, member_folders
from gpunn.recipes.session import train_one
from gpunn.terminal import say
from gpunn.text import plain


def train_ensemble(config: Config, dataset: data.Loaded, out: Path) -> None:
    """Train the members one by one, going on with those that have begun, and print what they reach together."""
    folders = member_folders(out, config.ensemble)
    for folder in folders:
        if folder.is_symlink():
            raise UsageError(
                f"train: {folder} is a symbolic link, and its network would be written where that leads; "
                "put the folder itself in its place"
            )
    if current().rank == 0:
        config.write(out)
    for number, folder in enumerate(folders):
        say(f"member {number + 1} of {config.ensemble}")
        train_one(replace(config, ensemble=1, seed=config.seed + number), dataset, folder, resume=True)
    current().barrier()  # rank 0 has written the weights that all now read
    device = usable_device(config.device)
    models = [load_model(folder / "best.npz", device)[0] for folder in folders]
    loader = test_loader(dataset, config, dtype_of(config.precision, device))
    print(f"run folder:    {plain(str(out))} ({folders[0].name} to {folders[-1].name}, recipe.toml)")
    print(compared(models, loader, config))


class Opinions(NamedTuple):
    """What each of several networks says of the test images."""

    scores: list[np.ndarray]  # of each network: log-probabilities (N, classes), float64
    labels: np.ndarray

    def alone(self) -> list[float]:
        """The accuracy of each network."""
        return [train.accuracy(part, self.labels) for part in self.scores]

    def averaged(self) -> np.ndarray:
        """The logarithms of the networks' averaged probabilities."""
        return np.logaddexp.reduce(self.scores, axis=0) - np.log(len(self.scores))

    def by_average(self) -> float:
        """The accuracy of the averaged probabilities."""
        return train.accuracy(self.averaged(), self.labels)

    def by_votes(self) -> float:
        """The accuracy of the networks' votes."""
        return train.accuracy(train.count_votes(self.scores), self.labels)


def opinions(models: Sequence[nn.Module], loader: data.DataLoader, config: Config) -> Opinions:
    """The networks' opinions of a loader's images, read once; with mirror images where the recipe says so.

    TrainingError where a network's scores are not finite: their largest would be the first class, by chance.
    """
    predictors = [config.tested(model) for model in models]
    device = usable_device(config.device)
    with config.asking(), np.errstate(over="ignore", invalid="ignore"):  # what comes of it is checked below
        batches = [([_log_shares(model, backend.to_device(x, device)) for model in predictors], y) for x, y in loader]
    scores = [np.concatenate([parts[i] for parts, _ in batches]) for i in range(len(models))]
    for number, part in enumerate(scores, 1):
        check_scores(part, f"network {number} of {len(scores)}" if len(scores) > 1 else "the network", "test images")
    return Opinions(scores, np.concatenate([y for _, y in batches]))


def check_scores(scores: np.ndarray, which: str, what: str) -> None:
    """TrainingError where scores (N, ...) are not finite: their largest would be the first class, by chance."""
    bad = int((~np.isfinite(scores)).reshape(len(scores), -1).any(1).sum())
    if bad:
        raise TrainingError(
            f"{which} gives scores that are not finite for {bad} of {len(scores)} {what}; "
            "train it again, with a lower learning rate"
        )


def compared(models: Sequence[nn.Module], loader: data.DataLoader, config: Config) -> str:
    """The test accuracy of each network alone, of their averaged probabilities and of their votes, in two lines."""
    found = opinions(models, loader, config)
    alone = found.alone()
    by = f"{found.by_average():.2%} by averaged probabilities, {found.by_votes():.2%} by votes"
    return (
        f"members:       {', '.join(f'{share:.2%}' for share in alone)}; mean {np.mean(alone):.2%}\n"
        f"test accuracy: {by}, of {len(found.labels):,} test images{config.conditions()}"
    )


def _log_shares(model: nn.Module, x: np.ndarray) -> np.ndarray:
    scores = train.predict(model, x).astype(np.float64)
    scores -= scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))
