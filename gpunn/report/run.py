"""The report of one network's run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunn import backend, models, nn, pictures
from gpunn.recipes.batches import normalised
from gpunn.recipes.config import Config
from gpunn.recipes.folders import load_model, weights_of
from gpunn.recipes.tasks import task_of
from gpunn.report import page
from gpunn.report.parts import (
    Report,
    about_the_curves,
    best_epoch,
    description,
    draw,
    read_history,
    read_rows,
    seconds,
)
from gpunn.report.tested import BY_TASK
from gpunn.window import size_text

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.figure import Figure

GRADIENTS = "gradients.csv"
SHOWN = 500  # rows of the table of epochs: 100,000 would be a page of 15 MB
SHARES = ("accuracy", "iou", "dice")
MODES = {"seconds": ".1f", "images_per_second": ",.0f", "learning_rate": ".3g"}


def run_report(folder: Path, device: backend.Device, limit: int | None) -> Report:
    """The page of the run in `folder`: its best weights on the test images, and what its tables hold."""
    weights = weights_of(str(folder))
    history, gradients = read_history(folder), read_rows(folder / GRADIENTS, "step")
    pictures.learning_curves(history)  # first of all: it says so where matplotlib is missing
    model, config = load_model(weights, device)
    shown = BY_TASK[models.task(config.model)](model, config, limit)
    metric = next(iter(task_of(config.model).metrics))
    sections = page.Sections()
    draw(sections, "Learning curves", lambda: pictures.learning_curves(history, metric), about_the_curves(config))
    _layers(sections, config, shown.images, model, gradients)
    shown.draw(sections)
    sections.add("History", *_table(history))
    description(sections, model, config, folder)
    head = [*_head(shown.facts, config, model, history, weights), *([page.note(shown.note)] if shown.note else [])]
    return Report(f"{config.model} on {config.data}", head, sections, shown.line)


def _head(
    facts: dict[str, str], config: Config, model: nn.Module, history: list[dict[str, Any]], weights: Path
) -> list[str]:
    task, last = task_of(config.model), history[-1]["epoch"]
    best, shown = best_epoch(history, task), {**facts}
    if best is not None:
        shown[f"validation {task.measure(model)}, best epoch ({best[0]} of {last})"] = task.said(best[1])
    shown["parameters"] = f"{sum(p.size for p in model.parameters()):,}"
    shown["epochs, with validation"] = f"{seconds(history):,.0f} s"
    words = f"Weights: {weights.name} of the run {weights.resolve().parent.name}, seed {config.seed}"
    early = f" The run ended after {last} of its {config.epochs} epochs." if last < config.epochs else ""
    return [page.note(f"{words}{config.conditions()}.{early}"), page.facts(shown)]


def _layers(
    sections: page.Sections, config: Config, images: np.ndarray, model: nn.Module, gradients: list[dict[str, Any]]
) -> None:
    """What the layers learnt, and from which gradients."""

    def maps() -> Figure:
        x = backend.asarray(normalised(images[:1], config, config.dtype), device=next(model.parameters()).device)
        return pictures.feature_maps(model, x, images[0])

    draw(
        sections,
        "Gradients",
        lambda: pictures.gradient_norms(_with_shapes(gradients, model)),
        "Norm of each layer's weight gradient over the steps. Where gradients vanish, the first layers' lie orders "
        "of magnitude below the last ones'.",
    )
    draw(
        sections,
        "First layer",
        lambda: pictures.first_filters(model, (config.channels, config.size, config.size)),
        "The first layer's filters, each from its smallest weight (black) to its largest (white).",
    )
    draw(sections, "Feature maps", maps, "What the convolutions make of the first test image, before the activation.")


def _with_shapes(rows: list[dict[str, Any]], model: nn.Module) -> list[dict[str, Any]]:
    """The rows, in which each layer's name has its weight's shape behind it: `conv1 6x1x5x5`."""
    shapes = {name.removesuffix(".weight"): size_text(p.shape) for name, p in model.named_parameters()}
    return [{" ".join(filter(None, (name, shapes.get(name)))): norm for name, norm in row.items()} for row in rows]


def _table(history: list[dict[str, Any]]) -> list[str]:
    columns = [name for name in history[0] if any(row[name] is not None for row in history)]
    step = -(-len(history) // SHOWN)
    shown = history[(len(history) - 1) % step :: step]  # the last one is always among them
    rows = [[_cell(name, row[name]) for name in columns] for row in shown]
    left_out = f"One epoch of {step}; all {len(history):,} stand in history.csv."
    table = page.table([name.replace("_", " ") for name in columns], rows)
    return [table, page.note(left_out)] if step > 1 else [table]


def _cell(name: str, value: Any) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    return f"{value:.2%}" if name.endswith(SHARES) else f"{value:{MODES.get(name, '.4f')}}"
