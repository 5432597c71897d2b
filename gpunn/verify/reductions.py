"""The tasks of `gpunn verify` for reductions over axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array, device_of, to_device, twins
from gpunn.reference import reduction as oracle
from gpunn.verify.task import Give, Task, as_f64, orders, placed


def reduction_tasks(give: Give) -> Iterator[Task]:
    """Sums of every case in every memory order, alone and times a factor; the other functions of some."""
    for name, shape, axes in oracle.CASES:
        numbers = np.asarray(np.random.default_rng(len(name)).standard_normal(shape))
        for order, x in _views(give(numbers)):
            yield _task("sum", f"{name}{order}", x, axes, None)
        x = give(numbers)
        for how, factor_shape in _factors(shape):
            factor = give(np.random.default_rng(len(shape)).standard_normal(factor_shape))
            yield _task("sum", f"{name}, times {how}", x, axes, factor)
        for function in ("mean", "max", "min"):
            yield _task(function, name, x, axes, None)
        for function in ("norm1", "norm2", "amax", "prod"):
            yield _task(function, name, x, axes, None)
        if min([shape[axis] for axis in axes], default=1):
            yield from _extremes(name, x, axes)
    for function in ("sum", "max", "min", "norm1", "norm2", "amax", "prod"):
        for axes in ((1,), (0,)):
            yield _task(function, f"{oracle.LAST} along {axes}", give(oracle.specials()), axes, None)
    for axes in ((1,), (0,), (0, 1)):
        yield from _extremes(oracle.LAST, give(oracle.specials()), axes)
        yield from _extremes("equal ones", give(np.zeros((40, 24))), axes)


def _extremes(case: str, x: Array, axes: tuple[int, ...]) -> Iterator[Task]:
    """In every memory order, the places of numbers among which some are equal."""
    rounded = np.asarray(np.round(as_f64(x) * 2) / 2).astype(x.dtype)
    for (order, one), (_, other) in zip(_views(x), _views(to_device(rounded, device_of(x))), strict=True):
        for function, given in (("max", one), ("min", other)):

            def run(function=function, given=given) -> tuple:
                return twins(given).reduce.extreme(function, given, axes)

            def want(function=function, given=given) -> tuple:
                y, places = oracle.extreme(function, as_f64(given), axes)
                return ((y, 0, None), (places, 0, None))

            yield Task("reduce.extreme", f"{function} of {case} along {axes}{order}", run, want)


def _views(x: Array) -> Iterator[tuple[str, Array]]:
    yield from orders(x)
    if 0 < x.size < 200:
        yield ", off 16 bytes", placed(x, "unaligned")
    if x.ndim == 2:
        yield ", reversed", placed(x, "aligned", reverse=True)
        yield ", every second", x[::2]
        yield ", a slice of rows", x[:, 1:]


def _factors(shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    if len(shape) in (2, 4):
        yield "its like", shape
        yield "a row", (*[1] * (len(shape) - 1), shape[-1])
        yield "a column", (shape[0], *[1] * (len(shape) - 1))


def _task(function: str, case: str, x: Array, axes: tuple[int, ...], factor: Array | None) -> Task:
    def run() -> tuple:
        return (twins(x).reduce.reduced(function, x, axes, factor),)

    def want() -> tuple:
        y = oracle.reduced(function, as_f64(x), axes, as_f64(factor))
        # Rounded once, but for float64, in which the oracle adds too.
        terms = (
            0 if function in ("max", "min", "amax") else 4 if x.dtype.itemsize < 8 else max(4, x.size // max(y.size, 1))
        )
        return ((y, terms, float(np.max(np.abs(y[np.isfinite(y)]), initial=1.0))),)

    return Task("reduce.axes", f"{function} of {case}", run, want)
