"""How far predicted and true masks overlap: mean_iou and dice, by counts of each class's pixels.

Over an epoch the counts are added up before they are divided: the mean of the batches' ratios would be another number,
in which a class weighs most where it is rare.
"""

from __future__ import annotations

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.engine.operators import Operand
from gpunn.train.metrics import check_labels, scores_and_labels
from gpunn.train.readings import Share


def mean_iou(output: Operand, target: Operand, ignore_index: int = -100) -> float:
    """Intersection over union of the pixels of each class, predicted and true (Jaccard's index): the mean over classes.

    Args:
        output: scores (N, C, ...), classes on axis 1.
        target: class indices (N, ...), or probabilities of output's shape, whose largest counts.
        ignore_index: a class index whose pixels count nothing; in a Trainer the loss's.

    A class that is neither predicted nor true anywhere is left out; of nothing the mean is NaN. In a Trainer it is of
    all pixels of the epoch. IndexError: a label outside 0 .. C-1.

    >>> scores = np.array([[[9.0, 9.0, 0.0, 0.0], [0.0, 0.0, 9.0, 9.0]]])
    >>> train.mean_iou(scores, np.array([[0, 1, 1, 1]]))  # 1/2 of class 0 and 2/3 of class 1
    0.5833333333333333
    """
    check_labels("mean_iou", output, target, ignore_index)
    return float(_iou("mean_iou", output, target, ignore_index))


def dice(output: Operand, target: Operand, ignore_index: int = -100) -> float:
    """Twice the intersection of each class's pixels, predicted and true, over the sum of both: the mean over classes.

    Also known as F1. Arguments, classes left out and sums over an epoch as in `mean_iou`.

    >>> scores = np.array([[[9.0, 9.0, 0.0, 0.0], [0.0, 0.0, 9.0, 9.0]]])
    >>> round(train.dice(scores, np.array([[0, 1, 1, 1]])), 4)  # 2/3 and 4/5
    0.7333
    """
    check_labels("dice", output, target, ignore_index)
    return float(_dice("dice", output, target, ignore_index))


def _iou(name: str, output: Operand, target: Operand, ignore_index: int) -> Share:
    both, said, true = _pixels(name, output, target, ignore_index)
    return Share(both, said + true - both)


def _dice(name: str, output: Operand, target: Operand, ignore_index: int) -> Share:
    both, said, true = _pixels(name, output, target, ignore_index)
    return Share(2 * both, said + true)


def _pixels(name: str, output: Operand, target: Operand, ignore_index: int) -> tuple[Array, Array, Array]:
    """Pixels of each class that are both predicted and true, predicted, and true: int64 (C,), not waited for."""
    scores, labels = scores_and_labels(name, output, target, ignore_index)
    if backend.device_of(labels).type != "cpu":
        backend.twins(scores).loss.hits(scores, labels, None, ignore_index, name)  # notes a label that is no class
    xp, labels = backend.array_module(scores), labels.reshape(-1).astype(np.int64, copy=False)
    classes, counted = xp.arange(scores.shape[1])[:, None], labels != ignore_index
    said = (scores.argmax(axis=1).reshape(-1) == classes) & counted
    true = (labels == classes) & counted
    return tuple(mask.sum(axis=1) for mask in (said & true, said, true))  # type: ignore[return-value]


# The forms that a Trainer takes: see gpunn.train.metrics.
mean_iou.share = lambda output, target, ignored: _iou("mean_iou", output, target, ignored)  # type: ignore[attr-defined]
dice.share = lambda output, target, ignored: _dice("dice", output, target, ignored)  # type: ignore[attr-defined]
