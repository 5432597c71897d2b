"""The tasks of `gpunn verify` for what is done to many arrays at once: norms, clipping, averages, sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from zlib import crc32

import numpy as np

from gpunn.backend import Array, device_of, to_device, twins
from gpunn.reference.optim import SHAPES, clipped, rescaled, vector_norm
from gpunn.verify.task import Give, Task, as_f64, placed

NORMS = (1.0, 2.0, 3.0, float("inf"))
MORE = 1100  # arrays: a table takes 1,024
LIMITS = (0.5, 1e6)  # one that clips, one that does not
SCALES = ((8.0, 0, 2, 0), (8.0, 1, 2, 0), (2.0**126, 1, 2, 0))  # a loss's: on, grown, as large as it can be


def gradient_tasks(give: Give) -> Iterator[Task]:
    """Every operation on arrays as they come, and off 16 bytes; the norm also of more arrays than a table holds."""
    few = np.random.default_rng(1).standard_normal((MORE, 3))
    yield _norm(2.0, f"{MORE} tensors, aligned", [give(row) for row in few])
    for how in ("aligned", "unaligned"):
        rng = np.random.default_rng(crc32(how.encode()))
        xs, ys = ([give(np.asarray(rng.standard_normal(shape))) for shape in SHAPES] for _ in range(2))
        strewn = [_with_nan(x) for x in xs]
        yield _in_place("clamp", f"NaN, {how}", strewn, _clamp(0.5), 0)
        for order in NORMS:
            yield _norm(order, how, xs)
            yield _norm(order, how, strewn)
            for limit in LIMITS:
                yield _in_place("scale", f"order {order}, limit {limit}, {how}", xs, _scale(order, limit), 64)
        for limit in LIMITS:
            yield _in_place("clamp", f"limit {limit}, {how}", xs, _clamp(limit), 1)
        for share in (0.25, 1.0):
            yield _in_place("average", f"share {share}, {how}", xs, _average(share, ys), 4)
        for fresh in (True, False):
            yield _in_place("accumulate", f"fresh {fresh}, {how}", xs, _accumulate(fresh, ys), 4)
        yield _in_place("accumulate", f"divided, {how}", xs, _divide(4), 1)
        for state in SCALES:
            yield _unscale(f"scale {state[0]:g} after {state[1]} good steps, {how}", xs, state)
        yield _unscale(f"NaN, {how}", strewn, SCALES[0])


def _with_nan(x: Array) -> Array:
    """x, where it has a dimension with a NaN in its midst."""
    made = x.copy()
    if x.size > 1:
        made.reshape(-1)[x.size // 2] = np.nan
    return made


# What is done to arrays in place, and what becomes of them in float64.
Deed = tuple[Callable[[list[Array]], None], Callable[[list[np.ndarray]], list[np.ndarray]]]


def _norm(order: float, how: str, xs: list[Array]) -> Task:
    def run() -> tuple:
        arrays = [placed(x, how.rpartition(", ")[2]) for x in xs]
        return (twins(xs[0]).optim.norm(arrays, order),)

    def want() -> tuple:
        return ((np.asarray(vector_norm([as_f64(x) for x in xs], order)), 64, None),)

    return Task("optim.norm", f"order {order}, {how}", run, want)


def _in_place(name: str, case: str, xs: list[Array], deed: Deed, terms: int) -> Task:
    do, oracle = deed

    def run() -> tuple:
        arrays = [placed(x, case.rpartition(", ")[2]) for x in xs]
        do(arrays)
        return tuple(arrays)

    def want() -> tuple:
        return tuple((array, terms, None) for array in oracle([as_f64(x) for x in xs]))

    return Task(f"optim.{name}", case, run, want)


def _unscale(case: str, xs: list[Array], state: tuple[float, ...]) -> Task:
    """Gradients divided by the loss's scale, and the scale of the step that follows: doubled after two good ones."""
    after = 2.0, 0.5, 2

    def run() -> tuple:
        arrays = [placed(x, case.rpartition(", ")[2]) for x in xs]
        there = to_device(np.array(state, np.float32), device_of(arrays[0]))
        rules = twins(arrays[0]).optim
        rules.unscale(arrays, there)
        rules.rescale(there, *after)
        return (*arrays, there)

    def want() -> tuple:
        divided = [as_f64(x) / state[0] for x in xs]
        bad = not all(np.isfinite(array).all() for array in divided)
        grown = np.array(rescaled((*state[:3], bad), *after))
        return *((array, 1, None) for array in divided), (grown, 0, None)

    return Task("optim.unscale", case, run, want)


def _scale(order: float, limit: float) -> Deed:
    def do(arrays: list[Array]) -> None:
        rules = twins(arrays[0]).optim
        rules.scale(arrays, rules.norm(arrays, order), limit)

    return do, lambda arrays: clipped(arrays, order, limit)


def _clamp(limit: float) -> Deed:
    def oracle(arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [np.array([_clamped(float(x), limit) for x in a.flat]).reshape(a.shape) for a in arrays]

    return lambda arrays: twins(arrays[0]).optim.clamp(arrays, limit), oracle


def _clamped(x: float, limit: float) -> float:
    return x if math.isnan(x) else min(limit, max(-limit, x))


def _average(share: float, ys: list[Array]) -> Deed:
    def oracle(arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [(1 - share) * x + share * as_f64(y) for x, y in zip(arrays, ys, strict=True)]

    return lambda arrays: twins(arrays[0]).optim.average(arrays, ys, share, {}), oracle


def _accumulate(fresh: bool, ys: list[Array]) -> Deed:
    def oracle(arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [(0 if fresh else 1) * x + 3 * as_f64(y) for x, y in zip(arrays, ys, strict=True)]

    return lambda arrays: twins(arrays[0]).optim.accumulate(arrays, ys, 3, [fresh] * len(ys), {}), oracle


def _divide(divisor: float) -> Deed:
    return lambda arrays: twins(arrays[0]).optim.divide(arrays, divisor), lambda arrays: [x / divisor for x in arrays]
