"""The tasks of `gpunn verify` for running statistics: a batch moves them, in place, be its squares past all numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array, to_device, twins
from gpunn.reference import cases, naive
from gpunn.reference.shapes import BatchNormCase
from gpunn.verify.task import Give, Task, as_f64, orders

MEAN, VAR, BATCHES = 0.5, 2.0, 3  # where the statistics stand
EPS, MOMENTUM = 1e-5, 1 / (BATCHES + 1)
HUGE, IN = 2e18, ("float32", "bfloat16")  # times this, a variance fits in these and a sum of squares does not


def running_tasks(device: str, give: Give) -> Iterator[Task]:
    """Several shapes in every memory order, one value a channel among them."""
    one = BatchNormCase("one value a channel", (1, 5, 1, 1))
    for case in (one, *(case for case in cases.BATCHNORM if case.name in ("rank 2", "rank 4, primes", "long sum"))):
        x, *_ = case.arrays()
        for order, given in orders(give(x)):
            yield _task(f"{case.name}, running statistics{order}", device, given)
            yield _task(f"{case.name}, running statistics without a momentum{order}", device, given, None)
        if give(x).dtype.name in IN:
            for order, given in orders(give(x * np.float32(HUGE))):
                yield _task(f"{case.name}, running statistics, squares that overflow{order}", device, given)


def _task(name: str, device: str, x: Array, momentum: float | None = MOMENTUM) -> Task:
    """The task for a momentum, or for none: that of the batch after BATCHES others."""
    wide = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    channels, count = x.shape[1], x.size // x.shape[1]

    def run() -> tuple:
        mean, var = (to_device(np.full(channels, start, wide), device) for start in (MEAN, VAR))
        batches = to_device(np.asarray(BATCHES), device)
        y, *_ = twins(x).batch_norm.train_forward(x, None, None, EPS, None, False, (mean, var, momentum, batches))
        return y, mean, var, batches

    def want() -> tuple:
        y, mean, var = naive.batch_norm_train(as_f64(x), None, None, EPS)
        mean = (1 - MOMENTUM) * MEAN + MOMENTUM * mean
        var = (1 - MOMENTUM) * VAR + MOMENTUM * var * count / max(count - 1, 1)
        return (y, 4 * count, None), (mean, count, None), (var, count, None), (np.asarray(BATCHES + 1), 0, None)

    return Task("batch_norm.train_forward", name, run, want)
