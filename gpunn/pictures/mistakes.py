"""Where a classifier errs: the confusion matrix, and the images that it gets most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpunn.pictures.canvas import NothingToDraw, new_figure, put, shown
from gpunn.text import drawable, plain

if TYPE_CHECKING:  # an extra, imported on use alone
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERS, NAMES = 20, 40  # up to so many classes, cells have their counts and rows their names


def confusion_counts(scores: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often images of each class (row) were taken for each (column): int64 (classes, classes).

    Args:
        scores: (N, classes); the largest is the answer.
        labels: (N,) class numbers.
    """
    _check_labels("confusion_counts", scores, labels, classes)
    pairs = labels.astype(np.int64) * classes + scores.argmax(1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _check_labels(name: str, scores: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if scores.shape != (len(labels), classes):
        raise ValueError(
            f"{name}: scores are {scores.shape}, expected {(len(labels), classes)} for {len(labels)} labels "
            f"of {classes} classes; pass a score for each class"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"{name}: labels reach from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}; "
            "correct the labels, or name all classes"
        )


def confusion_matrix(scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Figure:
    """`confusion_counts` as a picture: right answers blue by their share, errors red beside the most frequent one.

    At the right stands each class's share of right answers.
    """
    n = len(classes)
    counts = confusion_counts(scores, labels, n)
    right, errors = np.eye(n, dtype=bool), counts * ~np.eye(n, dtype=bool)
    share = np.diag(counts) / np.maximum(counts.sum(1), 1)
    side = 6 if n <= 12 else 8
    figure = new_figure(side + 1, side)
    axes = figure.subplots()
    axes.imshow(np.where(right, share[:, None], np.nan), cmap="Blues", vmin=0, vmax=1.6)
    axes.imshow(np.where(errors > 0, errors, np.nan), cmap="Reds", vmin=0, vmax=1.8 * max(1, errors.max()))
    axes.set(xlabel="the network's answer", ylabel="class")
    if n <= NUMBERS:
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8 if n <= 12 else 6)
    _name(axes, classes, share, counts.sum(1))
    total = counts.trace() / max(1, counts.sum())
    axes.set_title(f"{counts.trace():,} of {counts.sum():,} right: {total:.2%}", fontsize=10)
    return figure


def _name(axes: Axes, classes: Sequence[str], share: np.ndarray, totals: np.ndarray) -> None:
    n = len(classes)
    if n > NAMES:
        return
    small = 8 if n <= 12 else 6
    names = list(map(drawable, classes))
    tilt = 0 if max(map(len, names)) <= 3 else 90
    axes.set_xticks(range(n), names, fontsize=small, rotation=tilt)
    axes.set_yticks(range(n), names, fontsize=small)
    beside = axes.secondary_yaxis("right")
    shares = [f"{part:.1%}" if total else "none" for part, total in zip(share, totals, strict=True)]
    beside.set_yticks(range(n), shares, fontsize=small)
    beside.tick_params(length=0)


def worst_mistakes(
    images: np.ndarray, scores: np.ndarray, labels: np.ndarray, classes: Sequence[str], most: int = 24
) -> Figure:
    """The images to whose own class the network gave the smallest probability, among those that it got wrong.

    Args:
        images: uint8 (N, C, H, W).
        scores: (N, classes), before softmax.
    """
    _check_labels("worst_mistakes", scores, labels, len(classes))
    wrong = np.flatnonzero(scores.argmax(1) != labels)
    if not len(wrong):
        raise NothingToDraw(f"worst_mistakes: none of the {len(labels):,} images was taken for another class")
    shifted = scores.astype(np.float64) - scores.max(1, keepdims=True)
    chance = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    own = chance[np.arange(len(labels)), labels]
    worst = wrong[np.argsort(own[wrong], kind="stable")][:most]
    across = 8 if max(map(len, classes)) <= 3 else 6  # wide enough for the names above the pictures
    columns = min(across, len(worst))
    rows = -(-len(worst) // columns)
    figure = new_figure(9.2 / across * max(3, columns), (9.2 / across + 0.4) * rows)
    for place, i in enumerate(worst.tolist(), 1):
        axes = figure.add_subplot(rows, columns, place)
        put(axes, shown(images[i]))
        label, answer = int(labels[i]), int(scores[i].argmax())
        is_, says = _short(classes[label]), _short(classes[answer])
        axes.set_title(f"is {is_} ({own[i]:.1%})\nsays {says} ({chance[i, answer]:.0%})", fontsize=8)
    return figure


def _short(name: str) -> str:
    """A class name that does not run into the neighbouring picture's."""
    text = plain(name)
    return drawable(text if len(text) <= 11 else text[:10] + "\u2026")
