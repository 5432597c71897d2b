"""Metrics: functions of a batch's outputs and targets that return the batch's mean; and their mean over an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gpunn import backend
from gpunn.backend import Array
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.train.readings import Step, read


def accuracy(output: Operand, target: Operand) -> float:
    """Share of rows whose largest score is the target's class.

    Args:
        output: scores (N, C, ...), classes on axis 1.
        target: class indices (N, ...), or probabilities of output's shape, whose largest counts.
    """
    return float(_share_right(output, target))


def _share_right(output: Operand, target: Operand) -> Array | float:
    """accuracy as an array without dimensions, which the host has not waited for."""
    scores, labels = _scores_and_labels("accuracy", output, target)
    return (scores.argmax(axis=1) == labels).mean() if labels.size else 0.0


def top_k_accuracy(output: Operand, target: Operand, k: int = 5) -> float:
    """Share of rows whose target class is among the k largest scores; of equal scores the lower class ranks first."""
    return float(_share_of_top(output, target, k))


def _share_of_top(output: Operand, target: Operand, k: int = 5) -> Array | float:
    """top_k_accuracy as an array without dimensions, which the host has not waited for."""
    scores, labels = _scores_and_labels("top_k_accuracy", output, target)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"top_k_accuracy: k is {k}, expected 1 to {scores.shape[1]}, the number of classes")
    xp = backend.array_module(scores)
    own = xp.take_along_axis(scores, labels[:, None], axis=1)
    classes = xp.arange(scores.shape[1]).reshape(1, -1, *[1] * (scores.ndim - 2))
    # Written as "not at most", so that a NaN score counts as ahead and never as a hit.
    ahead = ~(scores <= own) | ((scores == own) & (classes < labels[:, None]))
    return (ahead.sum(axis=1) < k).mean() if labels.size else 0.0


def top_k(k: int) -> Callable[[Any, Any], float]:
    """The metric `top_k_accuracy` for one k, as in `metrics={"top5": top_k(5)}`."""

    def metric(output, target) -> float:
        return top_k_accuracy(output, target, k)

    metric.on_device = lambda output, target: _share_of_top(output, target, k)  # type: ignore[attr-defined]
    return metric


# The forms that a Trainer takes where it does not read each step.
accuracy.on_device = _share_right  # type: ignore[attr-defined]
top_k_accuracy.on_device = _share_of_top  # type: ignore[attr-defined]


def _scores_and_labels(name: str, output: Operand, target: Operand) -> tuple[Array, Array]:
    scores, labels = data_of(output), data_of(target)
    if scores.ndim < 2 or scores.shape[1] < 2:
        raise ValueError(
            f"{name}: output has shape {scores.shape}, expected scores (N, C) of at least 2 classes; "
            "for another kind of output pass metrics={} or your own"
        )
    if labels.shape == scores.shape and labels.dtype.kind == "f":
        labels = labels.argmax(axis=1)
    if labels.shape != (scores.shape[0], *scores.shape[2:]) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: target is {labels.dtype} {labels.shape}, expected class indices "
            f"{(scores.shape[0], *scores.shape[2:])} for output {scores.shape}"
        )
    return scores, labels


class Running:
    """Means over the batches seen so far, each weighted by its length; sums are float64, so that they can be saved."""

    def __init__(self):
        self.count = 0
        self.seconds = 0.0
        self.sums: dict[str, float] = {}

    def add(self, values: Mapping[str, float], n: int) -> None:
        """Take in a batch of n samples."""
        self.count += n
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * n

    def take(self, steps: list[Step]) -> None:
        """Take in steps whose values may still be on a device, and empty the list."""
        read(steps)
        for step in steps:
            self.add(step.values, step.samples)
        steps.clear()

    def means(self) -> dict[str, float]:
        """The mean of each value; empty before the first batch."""
        return {name: total / self.count for name, total in self.sums.items()} if self.count else {}

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "seconds": self.seconds, "sums": dict(self.sums)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.count, self.seconds, self.sums = saved["count"], saved["seconds"], dict(saved["sums"])
