"""Metrics: functions of a batch's outputs and targets that return the batch's mean; and their mean over an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpunn import backend, ops
from gpunn.backend import Array
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.errors import LabelError
from gpunn.train.readings import Share, Step, numbers, read


def accuracy(output: Operand, target: Operand, ignore_index: int = -100) -> float:
    """Share of rows whose largest score is the target's class; of pixels, where the scores are an image's.

    Args:
        output: scores (N, C, ...), classes on axis 1.
        target: class indices (N, ...), or probabilities of output's shape, whose largest counts.
        ignore_index: a class index that counts nothing; in a Trainer the loss's. The share of nothing is NaN.

    IndexError: a label outside 0 .. C-1.
    """
    check_labels("accuracy", output, target, ignore_index)
    return float(_share_right(output, target, ignore_index)) if len(data_of(output)) else 0.0


def _share_right(output: Operand, target: Operand, ignore_index: int) -> Share:
    """accuracy, which the host has not waited for."""
    scores, labels = scores_and_labels("accuracy", output, target, ignore_index)
    return Share(*backend.twins(scores).loss.hits(scores, labels, None, ignore_index))


def top_k_accuracy(output: Operand, target: Operand, k: int = 5, ignore_index: int = -100) -> float:
    """Share of rows whose target class is among the k largest scores; of equal scores the lower class ranks first.

    Labels as in `accuracy`.
    """
    check_labels("top_k_accuracy", output, target, ignore_index)
    return float(_share_of_top(output, target, k, ignore_index)) if len(data_of(output)) else 0.0


def _share_of_top(output: Operand, target: Operand, k: int, ignore_index: int) -> Share:
    """top_k_accuracy, which the host has not waited for."""
    scores, labels = scores_and_labels("top_k_accuracy", output, target, ignore_index)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"top_k_accuracy: k is {k}, expected 1 to {scores.shape[1]}, the number of classes")
    return Share(*backend.twins(scores).loss.hits(scores, labels, int(k), ignore_index))


def top_k(k: int, ignore_index: int | None = None) -> Callable[[Any, Any], float]:
    """The metric `top_k_accuracy` for one k, as in `metrics={"top5": top_k(5)}`.

    In a Trainer it ignores what the loss does, unless it is given a label of its own.
    """

    def metric(output, target) -> float:
        return top_k_accuracy(output, target, k, -100 if ignore_index is None else ignore_index)

    def share(output, target, ignored: int) -> Share:
        return _share_of_top(output, target, k, ignored if ignore_index is None else ignore_index)

    metric.share = share  # type: ignore[attr-defined]
    return metric


def mean_squared_error(output: Any, target: Operand) -> Array:
    """The mean over all numbers of (output - target)^2, an array of one element without history.

    Args:
        output: an array or Tensor, or what an auto-encoder's forward gives in training: its `reconstruction` counts.
        target: of the same shape.

    Examples:
        >>> gpunn.train.mean_squared_error(np.array([1.0, 2.0]), np.array([2.0, 5.0]))
        array(5.)
    """
    found, wanted = data_of(getattr(output, "reconstruction", output)), data_of(target)
    if found.shape != wanted.shape:
        raise ValueError(
            f"mean_squared_error: output is {found.shape} but target is {wanted.shape}, expected one shape; the target "
            "of a reconstruction is its image"
        )
    return ops.mse_loss(found, wanted)


# The forms that a Trainer takes: it reads a device seldom, and leaves out what its loss ignores.
accuracy.share = _share_right  # type: ignore[attr-defined]
top_k_accuracy.share = lambda output, target, ignored, k=5: _share_of_top(output, target, k, ignored)  # type: ignore[attr-defined]


def scores_and_labels(name: str, output: Operand, target: Operand, ignore_index: int) -> tuple[Array, Array]:
    """A metric's two arrays, checked: scores (N, C, ...) of floats and class indices (N, ...), looked at on `cpu`."""
    scores, labels = data_of(output), data_of(target)
    if scores.ndim < 2 or scores.shape[1] < 2:
        raise ValueError(
            f"{name}: output has shape {scores.shape}, expected scores (N, C) of at least 2 classes; "
            "for another kind of output pass metrics={} or your own"
        )
    if scores.dtype.kind in "iub":
        scores = scores.astype(np.float64)
    if labels.shape == scores.shape and labels.dtype.kind == "f":
        labels = labels.argmax(axis=1)
    if labels.shape != (scores.shape[0], *scores.shape[2:]) or labels.dtype.kind not in "iu":
        alike = labels.shape == scores.shape and scores.ndim > 2
        remedy = "; give the scores of all classes (N, C, ...), not their argmax" if alike else ""
        raise ValueError(
            f"{name}: target is {labels.dtype} {labels.shape}, expected class indices "
            f"{(scores.shape[0], *scores.shape[2:])} for output {scores.shape}{remedy}"
        )
    if backend.device_of(labels).type == "cpu":
        _check_classes(name, labels, scores.shape, ignore_index)
    return scores, labels


def check_labels(name: str, output: Operand, target: Operand, ignore_index: int) -> None:
    """Refuses labels that are no classes, for a metric that is a number: a device is waited for anyway."""
    scores, labels = scores_and_labels(name, output, target, ignore_index)
    _check_classes(name, backend.to_numpy(labels), scores.shape, ignore_index)


def _check_classes(name: str, labels: np.ndarray, shape: tuple[int, ...], ignore_index: int) -> None:
    if labels.size and not (labels.min() >= 0 and labels.max() < shape[1]):
        flat = labels.reshape(-1)
        wrong = np.flatnonzero((flat != ignore_index) & ((flat < 0) | (flat >= shape[1])))
        if wrong.size:
            raise LabelError.of(name, int(flat[wrong[0]]), shape, ignore_index, int(wrong[0]))


class Running:
    """Means over the batches seen so far; sums are float64, so that they can be saved.

    Each value weighs what it is the mean of, `counts`: the batch's samples, or the labels that count. A mean over
    classes has arrays of both, one number a class.
    """

    def __init__(self):
        self.count = 0  # samples
        self.seconds = 0.0
        self.sums: dict[str, Any] = {}
        self.counts: dict[str, Any] = {}

    def add(
        self,
        values: Mapping[str, float],
        n: int,
        counts: Mapping[str, float] | None = None,
        shares: Mapping[str, Share] | None = None,
    ) -> None:
        """Take in a batch of n samples; of `shares`, means over classes, both parts are added up."""
        self.count += n
        for name, value in values.items():
            if shares and name in shares:
                right, weight = numbers(shares[name].right), numbers(shares[name].of)
            else:
                weight = (counts or {}).get(name, n)
                right = value * weight if weight else 0.0  # NaN is a mean of nothing
            self.counts[name] = self.counts.get(name, 0) + weight
            self.sums[name] = self.sums.get(name, 0.0) + right

    def take(self, steps: list[Step]) -> None:
        """Take in steps whose values may still be on a device, and empty the list."""
        read(steps)
        for step in steps:
            self.add(step.values, step.samples, step.counts, step.shares)
        steps.clear()

    def means(self) -> dict[str, float]:
        """The mean of each value, NaN where nothing counted; empty before the first batch."""
        return {name: float(Share(total, self.counts[name])) for name, total in self.sums.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "seconds": self.seconds, "sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.count, self.seconds, self.sums = saved["count"], saved["seconds"], dict(saved["sums"])
        self.counts = dict.fromkeys(self.sums, float(self.count))  # of checkpoints from before there were counts
        self.counts.update(saved.get("counts", {}))
