"""Pooling: by windows and adaptive, forward and backward."""

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


def pool2d(case: Any, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    dtype = PRECISIONS[precision]
    adaptive = hasattr(case, "out")
    if adaptive:
        rng = np.random.default_rng(sum(case.x))
        x, gy = rounded((rng.standard_normal(case.x), rng.standard_normal(case.y)), dtype)
    else:
        x, gy = rounded(case.arrays(), dtype)
    X, GY = channels_last(x, device), channels_last(gy, device)
    runs, expect = _pool_runs(case, X, GY), _pool_expected(case, x, gy)
    size = (1, 1) if adaptive else case.size
    letters = letters_of("NCHWRSPQ", (*case.x, *size, *case.y[2:]), dtype)
    letters["I"] = 1 if math.prod(size) <= 256 else 2
    title = f"x {by(case.x)} to {by(case.y[2:])}"
    for name in wanted:
        pass_ = name.partition(".")[2]
        if pass_ not in runs:
            continue
        given = SimpleNamespace(kind=name, case=case, x=x, gy=gy)
        run, prepare = runs[pass_]
        yield Subject(case.name, title, name, precision, run, expect[pass_], given, letters, None, prepare)


def _pool_runs(case: Any, x: Any, gy: Any) -> dict[str, tuple[Callable, Callable | None]]:
    """pass -> (run, what makes its inputs first)."""
    twin, made = backend.twins(x).pool, {}
    if hasattr(case, "out"):
        return {
            "adaptive_avg_forward": (lambda: (twin.adaptive_avg_forward(x, case.out),), None),
            "adaptive_avg_backward": (lambda: (twin.adaptive_avg_backward(gy, case.x),), None),
            "adaptive_max_forward": (lambda: twin.adaptive_max_forward(x, case.out), None),
            "adaptive_max_backward": (
                lambda: (twin.adaptive_max_backward(gy, made["index"], case.x),),
                lambda: made.update(index=twin.adaptive_max_forward(x, case.out)[1]),
            ),
        }
    win, ceil = case.window(), case.ceil_mode
    runs: dict[str, tuple[Callable, Callable | None]] = {
        "max_forward": (lambda: twin.max_forward(x, win, ceil), None),
        "max_backward": (
            lambda: (twin.max_backward(gy, made["index"], case.x, win),),
            lambda: made.update(index=twin.max_forward(x, win, ceil)[1]),
        ),
    }
    if case.average:
        how = (ceil, case.count_include_pad)
        runs["avg_forward"] = (lambda: (twin.avg_forward(x, win, *how),), None)
        runs["avg_backward"] = (lambda: (twin.avg_backward(gy, case.x, win, *how),), None)
    return runs


def _pool_expected(case: Any, x: Any, gy: Any) -> dict[str, Callable[[], list[Expected]]]:
    adaptive = hasattr(case, "out")
    positions = math.prod(case.x[2:]) if adaptive else case.window().positions
    points = oracle.planes(case.x, math.prod(case.y[2:]) * (1 if adaptive else positions))
    pick = oracle.of_planes(points)
    xs, gys = (oracle.f64(a if points is None else a[tuple(points.T)][:, None]) for a in (x, gy))

    def part(values: np.ndarray, terms: float) -> Expected:
        return Expected(values, terms, pick)

    if adaptive:
        peaks = lambda: naive.adaptive_max_pool(xs, case.out)  # noqa: E731
        return {
            "adaptive_avg_forward": lambda: [part(naive.adaptive_avg_pool(xs, case.out), positions)],
            "adaptive_avg_backward": lambda: [part(naive.adaptive_avg_pool_backward(gys, xs.shape), positions)],
            "adaptive_max_forward": lambda: [part(v, 1) for v in peaks()],
            "adaptive_max_backward": lambda: [part(naive.max_pool_backward(gys, peaks()[1], xs.shape), positions)],
        }
    geometry = (case.size, case.stride, case.padding)
    how = (case.ceil_mode, case.count_include_pad)

    def winners() -> tuple:
        return naive.max_pool(xs, *geometry, case.dilation, case.ceil_mode)

    return {
        "max_forward": lambda: [part(v, 1) for v in winners()[:2]],
        "max_backward": lambda: [part(naive.max_pool_backward(gys, winners()[2], xs.shape), positions)],
        "avg_forward": lambda: [part(naive.avg_pool(xs, *geometry, *how), positions)],
        "avg_backward": lambda: [part(naive.avg_pool_backward(gys, xs.shape, *geometry, *how), positions)],
    }
