"""``gpunn report RUN``"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpunn import backend, data, nn, pictures, train
from gpunn.cli.batches import normalised, pad_to
from gpunn.cli.config import Config
from gpunn.cli.options import positive_int, usable_device
from gpunn.cli.runs import load_model, weights_of
from gpunn.errors import CheckpointError, UsageError
from gpunn.pictures import page
from gpunn.train.checkpoint import write_atomically

FILE, GRADIENTS = "report.html", "gradients.csv"
MODES = {"seconds": ".1f", "images_per_second": ",.0f", "learning_rate": ".3g"}


class Tested(NamedTuple):
    """A run's network, its test images (uint8, as padded for it), their labels, and its scores for them."""

    model: nn.Module
    config: Config
    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def accuracy(self) -> float:
        return float((self.scores.argmax(1) == self.labels).mean())


def add_to(commands) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "report",
        help="a page with a run's curves, filters, mistakes",
        description=f"Write {FILE} into the run folder: one page, with its pictures in it, that opens in any browser.",
    )
    add = parser.add_argument
    add("target", nargs="?", metavar="RUN", help="run folder (default: the latest run)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 or emulator (default cpu)")
    add("--limit", type=positive_int, metavar="N", help="test on the first N images only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    if args.target and Path(args.target).is_file():
        raise UsageError(f"report: {args.target} is a file; give its run folder, which also has the history")
    weights = weights_of(args.target)
    history = _rows(weights.parent / "history.csv", "epoch")
    if not history:
        raise CheckpointError(f"report: {weights.parent} has no finished epoch in history.csv; train it on first")
    pictures.learning_curves(history)  # first of all: it says so where matplotlib is missing
    model, config = load_model(weights, usable_device(args.device))
    dataset = data.load(config.data)
    if dataset.note:
        print(dataset.note, file=sys.stderr)
    tested = _test(model, config, dataset, args.limit)
    parts = [
        *_head(tested, history, weights, dataset.note),
        *_pictures(tested, history, _rows(weights.parent / GRADIENTS, "step")),
        *_tables(tested, history),
    ]
    out = weights.parent / FILE
    text = page.page(f"{config.model} on {config.data}", parts)
    write_atomically(out, lambda file: file.write(text.encode()), "report")
    print(f"{out}: {tested.accuracy():.2%} of {len(tested.labels):,} test images right")
    return 0


def _rows(path: Path, counted: str) -> list[dict[str, Any]]:
    """The rows of a table in the run folder, each with a number in the column `counted`; none where it is missing."""
    try:
        rows = train.History.read_csv(path).rows if path.exists() else []
        if any(not isinstance(row.get(counted), int) for row in rows):
            raise ValueError(f"a row has no whole number in the column {counted}")
        return rows
    except (OSError, ValueError, TypeError, AttributeError) as error:  # whatever a damaged line leads to
        raise CheckpointError(f"report: {path} cannot be read ({error}); remove it, or train anew") from error


def _test(model: nn.Module, config: Config, dataset: data.Dataset, limit: int | None) -> Tested:
    """The network's scores for the test images. UsageError where they are not such as it was trained on."""
    if dataset.test.shape[1] != config.channels or len(dataset.classes) != len(config.classes):
        raise UsageError(
            f"report: {dataset.name} has {dataset.test.shape[1]} channels and {len(dataset.classes)} classes, but the "
            f"run was trained on {config.channels} and {len(config.classes)}; put back the data set it was trained on"
        )
    images, labels = pad_to(dataset.test[:limit], config.size), dataset.test_labels[:limit]
    dtype = np.dtype(config.precision.replace("fp", "float"))
    parts = [images[i : i + 250] for i in range(0, len(images), 250)]
    predictor = train.MirrorAveraged(model) if config.test_flips else model
    scores = np.concatenate([train.predict(predictor, normalised(part, config, dtype)) for part in parts])
    return Tested(model, config, images, labels, scores)


def _head(tested: Tested, history: list[dict[str, Any]], weights: Path, note: str) -> list[str]:
    config = tested.config
    parameters = sum(p.size for p in tested.model.parameters())
    best = max((row.get("val_accuracy") or 0.0, -row["epoch"]) for row in history)
    shown = {
        f"test accuracy, {len(tested.labels):,} images": f"{tested.accuracy():.2%}",
        f"validation accuracy, best epoch ({-best[1]} of {history[-1]['epoch']})": f"{best[0]:.2%}",
        "parameters": f"{parameters:,}",
        "epochs, with validation": f"{sum(row.get('seconds') or 0 for row in history):,.0f} s",
    }
    flips = ", mirror images averaged" if config.test_flips else ""
    words = f"Weights: {weights.name} of the run {weights.resolve().parent.name}, seed {config.seed}{flips}."
    lines = [page.note(words)]
    return [*lines, page.facts(shown), *([page.note(note)] if note else [])]


def _pictures(tested: Tested, history: list[dict[str, Any]], gradients: list[dict[str, Any]]) -> list[str]:
    """Heading and picture of each kind, or in words why there is none."""
    model, config = tested.model, tested.config
    size = (config.channels, config.size, config.size)
    dtype = np.dtype(config.precision.replace("fp", "float"))

    def maps() -> Any:
        x = backend.asarray(normalised(tested.images[:1], config, dtype), device=next(model.parameters()).device)
        return pictures.feature_maps(model, x, tested.images[0])

    kinds: dict[str, tuple[Callable[[], Any], str]] = {
        "Learning curves": (
            lambda: pictures.learning_curves(history),
            "Loss and accuracy of each epoch, on the training (dashed) and the validation images.",
        ),
        "Gradients": (
            lambda: pictures.gradient_norms(gradients),
            "Norm of each layer's weight gradient over the steps. Where gradients vanish, the first layers' lie orders "
            "of magnitude below the last ones'.",
        ),
        "First layer": (
            lambda: pictures.first_filters(model, size),
            "The first layer's filters, each from its smallest weight (black) to its largest (white).",
        ),
        "Feature maps": (maps, "What the convolutions make of the first test image, before the activation."),
        "Confusion": (
            lambda: pictures.confusion_matrix(tested.scores, tested.labels, config.classes),
            "How often images of each class (row) got each answer (column); at the right each class's accuracy.",
        ),
        "Worst mistakes": (
            lambda: pictures.worst_mistakes(tested.images, tested.scores, tested.labels, config.classes),
            "Misread test images whose own class got the smallest probability: what each is, what the network says it "
            "is, and the network's probability of each.",
        ),
    }
    parts = []
    for name, (draw, caption) in kinds.items():
        parts += [page.heading(name), _picture(draw, caption)]
    return parts


def _picture(draw: Callable[[], Any], caption: str) -> str:
    try:
        return page.picture(pictures.png(draw()), caption)
    except pictures.NothingToDraw as why:
        return page.note(f"No picture. {why}.")


def _tables(tested: Tested, history: list[dict[str, Any]]) -> list[str]:
    config, columns = tested.config, list(history[0])
    rows = [[_cell(name, row[name]) for name in columns] for row in history]
    layers = tested.model.summary((1, config.channels, config.size, config.size))
    options = {name: _words(value) for name, value in asdict(config).items()}
    return [
        *(page.heading("History"), page.table([name.replace("_", " ") for name in columns], rows)),
        *(page.heading("Layers"), page.text(layers)),
        *(page.heading("Configuration"), page.words(options)),
    ]


def _cell(name: str, value: Any) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    return f"{value:.2%}" if "accuracy" in name else f"{value:{MODES.get(name, '.4f')}}"


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_words(each) for each in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
