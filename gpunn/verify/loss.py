"""The tasks of `gpunn verify` for losses of class indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gpunn.backend import Array, faults, to_device
from gpunn.cuda import loss
from gpunn.errors import LabelError
from gpunn.reference.loss import LOSSES, LossCase, cross_entropy, cross_entropy_backward, hits, nll, nll_backward
from gpunn.verify.task import Give, Task, as_f64, orders


def loss_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case in every reduction and memory order."""
    for number, case in enumerate(LOSSES):
        x, labels, weight, gy = case.arrays()
        x, weight, each = give(x), give(weight), give(gy)
        given = to_device(labels.astype((np.int64, np.int32)[number % 2]), device)
        for reduction in ("none", "mean", "sum"):
            above = each if reduction == "none" else give(np.asarray(1.5))
            for order, one in orders(x):
                yield from _case(case, f"{case}, {reduction}{order}", one, given, labels, weight, above, reduction)
        if x.ndim > 1:
            yield from _hits(case, x, given, labels)
    yield from _wrong_labels(device, give)
    yield from _hits_of_ties(device, give)


def _hits(case: LossCase, x: Array, given: Array, labels: np.ndarray) -> Iterator[Task]:
    for k in (None, 2):
        for order, one in orders(x):
            yield _hits_task(f"{case}, k {k}{order}", one, given, labels, k, case.ignore_index)


def _hits_task(name: str, x: Array, given: Array, labels: np.ndarray, k: int | None, ignore_index: int) -> Task:
    def want() -> tuple:
        return tuple([(count, 0, None) for count in hits(as_f64(x), labels, k, ignore_index)])

    return Task("loss.hits", name, partial(loss.hits, x, given, k, ignore_index), want)


def _hits_of_ties(device: str, give: Give) -> Iterator[Task]:
    """Equal scores, infinities and NaN, in one lane's classes and in several lanes'."""
    rng = np.random.default_rng(8)
    for classes in (4, 40):
        x, labels = rng.choice([0, 1, 2, np.nan, np.inf, -np.inf], (300, classes)), rng.integers(0, classes, 300)
        for k in (None, 1, 3):
            yield _hits_task(f"ties and NaN of {classes}, k {k}", give(x), to_device(labels, device), labels, k, 2)


def _case(
    case: LossCase,
    name: str,
    x: Array,
    given: Array,
    labels: np.ndarray,
    weight: Array | None,
    gy: Array,
    reduction: str,
) -> Iterator[Task]:
    softmax = partial(loss.cross_entropy, x, given, weight, case.ignore_index, reduction, case.smoothing)
    likelihood = partial(loss.nll, x, given, weight, case.ignore_index, reduction)
    plain = as_f64(x), labels, as_f64(weight)

    def forward(run: Callable, oracle: Callable) -> dict[str, Callable]:
        return {
            "run": lambda: (run()[0],),
            "want": lambda: ((oracle(case, *plain, reduction), case.terms, None),),
        }

    def backward(run: Callable, oracle: Callable) -> dict[str, Callable]:
        return {
            "run": lambda: (run()[1](gy),),
            "want": lambda: ((oracle(case, as_f64(gy), *plain, reduction), case.terms, None),),
        }

    yield Task("loss.cross_entropy_forward", name, **forward(softmax, cross_entropy))
    yield Task("loss.cross_entropy_backward", name, **backward(softmax, cross_entropy_backward))
    yield Task("loss.nll_forward", name, **forward(likelihood, nll))
    yield Task("loss.nll_backward", name, **backward(likelihood, nll_backward))


def _wrong_labels(device: str, give: Give) -> Iterator[Task]:
    """Labels of 600 rows, in blocks 1 and 2, that are no classes: the first is named, the gradient is 0 everywhere."""
    weight = give(np.ones(3))
    x, gy = give(np.random.default_rng(7).standard_normal((600, 3))), give(np.asarray(1.5))
    for wrong in ({300: 7, 550: -3}, {550: -3}):
        labels = np.arange(600) % 3
        labels[list(wrong)] = list(wrong.values())
        run = partial(_offended, x, to_device(labels, device), weight, gy)
        first = np.asarray(next(iter(wrong.values())))
        wanted = ((np.asarray(np.nan), 0, None), (np.zeros((600, 3)), 0, None), (first, 0, None))
        for reduction, operation, call in (
            ("mean", "cross_entropy", partial(run, loss.cross_entropy, "mean", 0.0)),
            ("sum", "cross_entropy", partial(run, loss.cross_entropy, "sum", 0.0)),
            ("mean", "nll", partial(run, loss.nll, "mean")),
        ):
            yield Task(f"loss.{operation}_forward", f"labels {wrong}, {reduction}", call, lambda wanted=wanted: wanted)


def _offended(
    x: Array, labels: Array, weight: Array, gy: Array, function: Callable, *options: object
) -> tuple:
    """The loss, its gradient, and the label that the next read of the device would name; 0 if none."""
    value, back, *_ = function(x, labels, weight, -100, *options)
    gx = back(gy)
    try:
        faults.check()
    except LabelError as error:
        return value, gx, np.asarray(int(str(error).partition("the label ")[2].partition(",")[0]))
    return value, gx, np.asarray(0)
