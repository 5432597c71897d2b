"""The tasks of `gpunn verify` for losses of class indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gpunn.backend import Array, to_device
from gpunn.cuda import loss
from gpunn.reference.loss import LOSSES, LossCase, cross_entropy, cross_entropy_backward, nll, nll_backward
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
