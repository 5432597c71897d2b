"""What a run's network makes of the test images, by its task: numbers for the page's head, and sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunn import backend, nn, pictures, train
from gpunn.models.unet import middle
from gpunn.recipes.batches import normalised
from gpunn.recipes.building import tester
from gpunn.recipes.config import Config
from gpunn.recipes.ensemble import check_scores, opinions
from gpunn.recipes.tasks import task_of, within
from gpunn.report import page
from gpunn.report.parts import Tested, draw, errors, test_images

OVERLAYS, GRID = 8, 12  # images that are drawn beside masks, or what the network makes of them


class Shown(NamedTuple):
    """The test images (uint8) and a note on them; numbers by their names, the first in a line; the sections."""

    images: np.ndarray
    note: str
    facts: dict[str, str]
    line: str
    draw: Callable[[page.Sections], None]


def classified(model: nn.Module, config: Config, limit: int | None) -> Shown:
    """The accuracy; the confusion matrix and the worst mistakes."""
    images, loader, note = test_images(config, limit)
    found = opinions([model], loader, config)
    tested = Tested(config, images, found.labels, found.scores[0])
    facts = {f"test accuracy, {len(images):,} images": f"{tested.accuracy():.2%}"}

    def sections(to: page.Sections) -> None:
        errors(to, tested, "the network")
        few, words = images[:OVERLAYS], "Which pixels the answer hangs on: the gradient of its score by the image."
        x = backend.asarray(normalised(few, config, config.dtype), device=next(model.parameters()).device)
        with config.asking():
            draw(to, "Saliency", lambda: pictures.saliency(model, x, few, config.classes), words)

    return Shown(images, note, facts, tested.line(), sections)


def segmented(model: nn.Module, config: Config, limit: int | None) -> Shown:
    """Mean IoU and Dice; those of each class, and masks over their images, the first ones and the worst."""
    images, loader, note = test_images(config, limit)
    found = opinions([model], loader, config)
    scores = found.scores[0]
    masks, answers = within(scores, found.labels), scores.argmax(1)
    known, right = masks >= 0, np.where(masks < 0, 1, answers == masks).mean((1, 2))
    counts = pictures.confusion_counts(np.moveaxis(scores, 1, -1)[known], masks[known], len(config.classes))
    of, iou = f"{len(images):,} test images", f"{train.mean_iou(scores, masks):.2%}"
    facts = {f"mean IoU, {of}": iou, "mean Dice": f"{train.dice(scores, masks):.2%}"}

    def sections(to: page.Sections) -> None:
        to.add("Classes", page.table(("class", "pixels", "IoU", "Dice"), _by_class(counts, config.classes)))
        worst = np.argsort(right, kind="stable")[:OVERLAYS]
        for heading, which in (("Masks", slice(OVERLAYS)), ("Worst masks", worst)):
            few = (middle(images[which], masks.shape[1:]), masks[which], answers[which], config.classes)
            words = "The first images" if heading == "Masks" else "The images of which most pixels are wrong"
            draw(to, heading, lambda few=few: pictures.overlays(*few), f"{words}, their masks, and the network's.")

    return Shown(images, note, facts, f"mean IoU {iou} of {of}", sections)


def _by_class(counts: np.ndarray, classes: Sequence[str]) -> list[list[str]]:
    """Each class's name, pixels, IoU and Dice."""
    both, either = np.diag(counts), counts.sum(0) + counts.sum(1)
    rows = zip(classes, counts.sum(1).tolist(), both.tolist(), either.tolist(), strict=True)
    return [[name, f"{n:,}", _share(b, e - b), _share(2 * b, e)] for name, n, b, e in rows]


def _share(part: int, of: int) -> str:
    return f"{part / of:.2%}" if of else "none there"


def rebuilt(model: Any, config: Config, limit: int | None) -> Shown:
    """The loss; images beside what becomes of them, and new ones where the network can make some."""
    images, loader, note = test_images(config, limit)
    task, device = task_of(config.model), next(model.parameters()).device
    with config.asking():
        found = tester(config, model, device).evaluate(loader)
        few = normalised(images[:GRID], config, config.dtype)
        again = train.predict(model, few)
    check_scores(again, "the network", "test images")
    name, of = task.measure(model), f"{len(images):,} test images"
    facts = {f"{name}, {of}": task.said(found["loss"])}
    if name != "mean squared error":
        facts["mean squared error"] = f"{found['mse']:.4g}"

    def sections(to: page.Sections) -> None:
        words = "The first images, and what the network gives back."
        draw(to, "Reconstructions", lambda: pictures.reconstructions(few, again, titles=("image", "rebuilt")), words)
        if hasattr(model, "sample"):
            words = "Images that the network makes of numbers drawn from the standard normal distribution."
            draw(to, "Samples", lambda: pictures.reconstructions(_samples(model), titles=("samples",)), words)

    return Shown(images, note, facts, f"{name} {task.said(found['loss'])} on {of}", sections)


def _samples(model: Any) -> np.ndarray:
    return backend.to_numpy(model.sample(GRID))


BY_TASK = {"classification": classified, "segmentation": segmented, "reconstruction": rebuilt}
