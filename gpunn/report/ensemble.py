"""The report of an ensemble: what its networks reach alone and together, and where they err together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunn import backend, nn, pictures
from gpunn.recipes.config import Config
from gpunn.recipes.ensemble import Opinions
from gpunn.recipes.folders import load_model, trained_members
from gpunn.recipes.tasks import task_of
from gpunn.report import page
from gpunn.report.parts import (
    Report,
    Tested,
    about_the_curves,
    best_epoch,
    description,
    draw,
    errors,
    on_test_images,
    read_history,
    seconds,
)

HEAD = ("network", "seed", "epochs", "best epoch", "validation accuracy", "test accuracy")


def ensemble_report(folder: Path, device: backend.Device, limit: int | None) -> Report:
    """The page of the ensemble in `folder`: its networks' best weights on the test images."""
    config, folders = Config.read(folder), trained_members(folder)
    histories = {member.name: read_history(member) for member in folders}
    pictures.learning_curves(histories)  # first of all: it says so where matplotlib is missing
    models, configs = zip(*(load_model(member / "best.npz", device) for member in folders), strict=True)
    images, opinions, note = on_test_images(models, config, limit)
    tested = Tested(config, images, opinions.labels, opinions.averaged())
    curves = f"{about_the_curves(config)} Each network has its colour."
    sections = page.Sections()
    sections.add("Networks", *_networks(histories, configs, opinions, folders[0]))
    draw(sections, "Learning curves", lambda: pictures.learning_curves(histories), curves)
    errors(sections, tested, "the ensemble, by averaged probabilities,")
    description(sections, models[0], config, folder)
    head = [*_head(folder, config, opinions, histories, models), *([page.note(note)] if note else [])]
    return Report(f"{len(models)} x {config.model} on {config.data}", head, sections, tested.line())


def _head(
    folder: Path, config: Config, opinions: Opinions, histories: dict[str, Any], models: Sequence[nn.Module]
) -> list[str]:
    shown = {
        "by averaged probabilities": f"{opinions.by_average():.2%}",
        "by votes": f"{opinions.by_votes():.2%}",
        "mean of the networks alone": f"{np.mean(opinions.alone()):.2%}",
        "parameters in all": f"{sum(p.size for model in models for p in model.parameters()):,}",
        "epochs, with validation": f"{sum(map(seconds, histories.values())):,.0f} s",
    }
    words = (
        f"Accuracies on {len(opinions.labels):,} test images{config.conditions()}. "
        f"Weights: best.npz of each network of the ensemble {folder.resolve().name}."
    )
    bags = " Each network drew its training images with replacement (bagging)." if config.bagging else ""
    return [page.note(words + bags), page.facts(shown)]


def _networks(
    histories: dict[str, list[dict[str, Any]]], configs: tuple[Config, ...], opinions: Opinions, first: Path
) -> list[str]:
    """A row for each network: how it was trained, and what it reaches alone."""
    rows = []
    for (name, history), config, alone in zip(histories.items(), configs, opinions.alone(), strict=True):
        epoch, accuracy = best_epoch(history, task_of(config.model)) or ("", None)
        epochs = f"{history[-1]['epoch']} of {config.epochs}"
        validated = "" if accuracy is None else f"{accuracy:.2%}"
        rows.append([name, str(config.seed), epochs, str(epoch), validated, f"{alone:.2%}"])
    others = f"Filters, feature maps and gradients stand in each network's own report: gpunn report {first}"
    return [page.table(HEAD, rows), page.note(others)]
