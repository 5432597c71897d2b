"""What the reports of a run and of an ensemble share: the test images, the tables read, the sections of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import gpunn
from gpunn import data, limits, machine, models, nn, pictures, train
from gpunn.errors import CheckpointError
from gpunn.kinds import Kind, checked, list_of, maybe, record, whole
from gpunn.pictures.curves import SPELLED
from gpunn.recipes.batches import check_fits, load_noted, pad_to, test_loader
from gpunn.recipes.building import weight_decay
from gpunn.recipes.config import Config
from gpunn.recipes.ensemble import Opinions, opinions
from gpunn.recipes.starts import starts
from gpunn.recipes.tasks import Task, task_of
from gpunn.report import page
from gpunn.text import plain

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.figure import Figure


# Keys that only one optimiser or one schedule looks at.
ONLY_WITH = {
    "momentum": ("optimizer", "sgd"),
    "nesterov": ("optimizer", "sgd"),
    "last": ("schedule", "linear"),
    "milestones": ("schedule", "steps"),
    "gamma": ("schedule", "steps"),
    "rise": ("schedule", "one_cycle"),
}

# A mean may be infinite and a metric NaN; beyond 1e30 no axis can be drawn.
MEASURE = Kind("a number", lambda v: type(v) in (int, float) and (not abs(v) < float("inf") or abs(v) < 1e30))


class Tested(NamedTuple):
    """Test images (uint8, as padded for the network), their labels, and scores for them (N, classes)."""

    config: Config
    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def accuracy(self) -> float:
        return train.accuracy(self.scores, self.labels)

    def line(self) -> str:
        """The accuracy in words."""
        return f"{self.accuracy():.2%} of {len(self.labels):,} test images right"


class Report(NamedTuple):
    """A page's title, its head (HTML) and its sections; and what it says of the test images, in a line."""

    title: str
    head: list[str]
    sections: page.Sections
    line: str


def test_images(config: Config, limit: int | None) -> tuple[np.ndarray, data.DataLoader, str]:
    """The test images that training looked at, or the first `limit` of them, a loader of these, and a line on them.

    UsageError where they are not such as the run was trained on.
    """
    dataset = load_noted(config.data, config.limit)
    check_fits(dataset, config, "report", "the run", "put back the data set it was trained on")
    loader = test_loader(dataset, config, config.dtype, limit)
    notes = [dataset.note] if dataset.note else []
    if len(loader.dataset) < len(dataset.test):
        notes.append(f"report --limit {limit}: the first {limit:,} of {len(dataset.test):,} test images")
    return pad_to(dataset.test[:limit], config.size), loader, "; ".join(notes)


def on_test_images(models: Sequence[nn.Module], config: Config, limit: int | None) -> tuple[np.ndarray, Opinions, str]:
    """The test images as `test_images` gives them, each network's opinion of them, and the line."""
    images, loader, note = test_images(config, limit)
    return images, opinions(models, loader, config), note


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The finished epochs of a run. CheckpointError where there is none."""
    history = read_rows(folder / "history.csv", "epoch")
    if not history:
        raise CheckpointError(f"report: {folder} has no finished epoch in history.csv; train it on first")
    return history


def read_rows(path: Path, counted: str) -> list[dict[str, Any]]:
    """The rows of a table in the run folder, each with a number in the column `counted`; none where it is missing."""
    try:
        rows = train.History.read_csv(path).rows if path.exists() else []
    except (OSError, ValueError) as error:
        why = plain(getattr(error, "strerror", None) or str(error))
        raise CheckpointError(f"report: {path} cannot be read ({why}); remove it, or train anew") from error
    kind = list_of(record({counted: whole(1, limits.STEPS)}, others=maybe(MEASURE)))
    return checked(kind, rows, CheckpointError, f"report: {path}", "remove it, or train anew")


def best_epoch(history: list[dict[str, Any]], task: Task) -> tuple[int, float] | None:
    """Number and value of the epoch that validated best, the first of equals; None where none was validated."""
    name = f"val_{task.monitor}"
    rows = [row for row in history if row.get(name) is not None]
    best = (max if task.mode == "max" else min)(rows, key=lambda row: row[name], default=None)
    return None if best is None else (best["epoch"], best[name])


def seconds(history: list[dict[str, Any]]) -> float:
    """What the epochs took, with validation."""
    return sum(row.get("seconds") or 0 for row in history)


def about_the_curves(config: Config) -> str:
    """What the learning curves show, in words."""
    changed = [f"labels smoothed by {config.label_smoothing:g}"] if config.label_smoothing else []
    if config.mixup:
        changed.append("training images mixed in pairs")
    metric = next(iter(task_of(config.model).metrics))
    text = f"Loss and {SPELLED.get(metric, metric)} of each epoch, on the training (dashed) and the validation images"
    return f"{text}; as trained, with {' and '.join(changed)}." if changed else f"{text}."


def draw(sections: page.Sections, heading: str, make: Callable[[], Figure], caption: str) -> None:
    """A section with the Figure that `make` draws; where there is none, or it fails, the page's end says why."""
    try:
        sections.add(heading, page.picture(pictures.png(make()), caption))
    except pictures.NothingToDraw as why:
        sections.leave_out(heading, str(why))
    except Exception as fault:  # a picture is no reason to have no page
        sections.leave_out(heading, f"it could not be drawn ({type(fault).__name__}: {plain(str(fault))})")


def errors(sections: page.Sections, tested: Tested, who: str) -> None:
    """The confusion matrix and the worst mistakes of `who`, in words the one that answers."""
    classes = tested.config.classes
    draw(
        sections,
        "Confusion",
        lambda: pictures.confusion_matrix(tested.scores, tested.labels, classes),
        "How often images of each class (row) got each answer (column); at the right each class's accuracy.",
    )
    draw(
        sections,
        "Worst mistakes",
        lambda: pictures.worst_mistakes(tested.images, tested.scores, tested.labels, classes),
        f"Misread test images whose own class got the smallest probability: what each is, what {who} says it is, "
        f"and its probability of each.",
    )


def description(sections: page.Sections, model: nn.Module, config: Config, folder: Path) -> None:
    """The table of the network's layers, the recipe, and who ran it where and when."""
    with config.asking():
        sections.add("Layers", page.text(model.summary((1, config.channels, config.size, config.size))))
    sections.add("Configuration", page.words({name: _words(value) for name, value in settings(config).items()}))
    begun = [f"{start.date}: {start.command}, on {start.machine}" for start in starts(folder)]
    named = dict(zip(["started", *(f"resumed, {i}" for i in range(1, len(begun)))], begun, strict=False))
    sections.add("Provenance", page.words({**named, "this page": f"{machine.now()}, by gpunn {gpunn.__version__}"}))


def settings(config: Config) -> dict[str, Any]:
    """The configuration's keys that changed what the run did: no other schedule's, and nothing that is switched off."""
    used = {**asdict(config), "weight_decay": weight_decay(config)}  # which a recipe may leave to the optimiser
    off = {
        name
        for name, value in used.items()
        if (name != "seed" and value in (None, 0, "", (), {})) or (name in ("accumulate", "ensemble") and value == 1)
    }
    others = {name for name, (key, value) in ONLY_WITH.items() if used[key] != value}
    others |= {"loss"} if models.has_loss(config.model) else set()
    return {name: value for name, value in used.items() if name not in off | others}


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_words(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_words(each)}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
