"""The tasks of `gpunn verify` for batch normalisation folded into a convolution's weights and bias."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.backend import twins
from gpunn.reference import naive
from gpunn.verify.task import Give, Task, as_f64

EPS = 1e-5
WEIGHTS = {  # what it shows -> the weight's shape
    "3x3": (16, 8, 3, 3),
    "one filter, one place": (1, 1, 1, 1),
    "primes": (7, 13, 3, 5),
    "more places than threads": (3, 150, 1, 1),
}


def fold_tasks(give: Give) -> Iterator[Task]:
    """Every shape with and without a bias and parameters, and one with statistics that are no numbers."""
    for name, shape in WEIGHTS.items():
        rng = np.random.default_rng(len(name))
        w, b, gamma, beta, mean = (rng.standard_normal(size) for size in (shape, *[shape[:1]] * 4))
        var = rng.uniform(0.1, 2.0, shape[:1])
        yield _task(name, give, w, b, gamma, beta, mean, var)
        yield _task(f"{name}, nothing learned", give, w, None, None, None, mean, var)
    mean[:], var[:] = [np.nan, 0, np.inf], [1, np.inf, 0]
    w[2, 0], gamma[1] = np.inf, np.nan
    yield _task("NaN and infinities", give, w, b, gamma, beta, mean, var)


def _task(name: str, give: Give, w: np.ndarray, b: np.ndarray | None, *others: np.ndarray | None) -> Task:
    weight, bias = give(w), give(b)
    wide: Any = [give(a) for a in others]
    if weight.dtype.itemsize == 2:  # beside 16-bit storage parameters and statistics are float32
        wide = [None if a is None else a.astype(np.float32) for a in wide]

    def run() -> tuple[Any, ...]:
        gamma, beta, mean, var = wide
        return twins(weight).batch_norm.fold(weight, bias, gamma, beta, mean, var, EPS)

    def want() -> tuple:
        gamma, beta, mean, var = map(as_f64, wide)
        found = naive.batch_norm_fold(as_f64(weight), as_f64(bias), gamma, beta, mean, var, EPS)
        return tuple((values, 4, None) for values in found)

    return Task("batch_norm.fold", name, run, want)
