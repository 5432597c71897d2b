"""Batch normalisation: training, inference, backward."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.kernels import oracle
from bench.kernels.oracle import Expected
from bench.kernels.subjects.base import PRECISIONS, Subject, by, channels_last, letters_of, rounded
from gpunn import backend
from gpunn.reference import naive

EPS = 1e-5


def batchnorm(case: Any, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    dtype = PRECISIONS[precision]
    x, gamma, beta, extra, gy = rounded(case.arrays(), dtype)
    if gamma is not None and gamma.dtype.itemsize == 2:  # parameters of 16-bit storage are float32
        gamma, beta = gamma.astype(np.float32), beta.astype(np.float32)
    X, GY, EXTRA = (channels_last(a, device) for a in (x, gy, extra))
    GAMMA, BETA = (None if a is None else backend.to_device(a, device) for a in (gamma, beta))
    twin = backend.twins(X).batch_norm
    made: dict[str, Any] = {}

    def first() -> None:
        made["y"], made["mean"], made["var"] = twin.train_forward(X, GAMMA, BETA, EPS, EXTRA, case.relu)

    def backward() -> Any:
        return twin.train_backward(GY, X, GAMMA, made["mean"], made["var"], EPS, made["y"] if case.relu else None)

    runs = {
        "train_forward": (lambda: twin.train_forward(X, GAMMA, BETA, EPS, EXTRA, case.relu), None),
        "eval_forward": (
            lambda: (twin.eval_forward(X, GAMMA, BETA, made["mean"], made["var"], EPS, EXTRA, case.relu),), first,
        ),
        "backward": (backward, first),
    }  # fmt: skip
    expect = _norm_expected(case, x, gamma, beta, extra, gy, made)
    letters = letters_of("NCL", (*case.x[:2], math.prod(case.x[2:])), dtype)
    fused = "".join(f", {word}" for word in ("residual", "relu") if getattr(case, word))
    for name in wanted:
        pass_ = name.partition(".")[2]
        if pass_ in runs:
            given = SimpleNamespace(kind=name, case=case, x=x, gamma=gamma, beta=beta, residual=extra, gy=gy)
            title = f"x {by(case.x)}{fused}"
            yield Subject(case.name, title, name, precision, runs[pass_][0], expect[pass_], given, letters, None,
                          runs[pass_][1])  # fmt: skip


def _norm_expected(case: Any, x, gamma, beta, extra, gy, made: dict[str, Any]) -> dict[str, Callable]:
    chosen = oracle.channels(case.x)
    keep = slice(None) if chosen is None else chosen
    xs, gys, extras = (None if a is None else oracle.f64(a[:, keep]) for a in (x, gy, extra))
    scale, shift = (None if a is None else oracle.f64(a[keep]) for a in (gamma, beta))
    loose = 1 + case.offset  # the rounding of a mean far from 0 shows in every output, in units of the mean

    def moments() -> tuple[np.ndarray, np.ndarray]:
        mean, var = (oracle.f64(backend.to_numpy(made[name]))[keep] for name in ("mean", "var"))
        return mean, var

    def train() -> list[Expected]:
        return oracle.norm_parts(
            naive.batch_norm_train(xs, scale, shift, EPS, extras, case.relu), chosen, case.terms, (loose, 1.0, loose)
        )

    def evaluate() -> list[Expected]:
        mean, var = moments()
        y = naive.batch_norm_eval(xs, scale, shift, mean, var, EPS, extras, case.relu)
        return oracle.norm_parts((y,), chosen, case.terms, (loose,))

    def backward() -> list[Expected]:
        y = oracle.f64(backend.to_numpy(made["y"])[:, keep]) if case.relu else None
        mean, var = moments()
        values = naive.batch_norm_backward(gys, xs, scale, mean, var, EPS, True, y)
        return oracle.norm_parts(values, chosen, case.terms, (loose,) * 4)

    return {"train_forward": train, "eval_forward": evaluate, "backward": backward}
