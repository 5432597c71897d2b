"""What a result must be: the oracle's plain loops where they take a second or so, else a sample of elements.

A sample holds the first and the last index of every axis and seeded ones between: pixels of a convolution, planes of a
pooling, channels of a normalisation. Each sampled element is computed by itself, in float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.reference import naive
from gpunn.verify import allowed

POINTS = 96
PLANES = 6
LOOPS = 25_000  # turns of the plain loops, about 10 microseconds each
PRODUCTS = 2e8


@dataclass(frozen=True)
class Expected:
    """A part of one output: `pick` takes it from the device's array; the rest is what the tolerance is made of."""

    want: np.ndarray
    terms: float
    pick: Callable[[Any], Any] | None = None
    scale: float | None = None


def f64(array: Any) -> np.ndarray:
    return np.asarray(array).astype(np.float64)


def judge(outputs: tuple, expected: list[Expected], dtype: str) -> tuple[float, str]:
    """(worst error as a part of what is allowed, what is wrong or ""). Not finite is wrong, sampled or not."""
    worst = 0.0
    for number, (got, one) in enumerate(zip(outputs, expected, strict=False)):
        xp = backend.array_module(got)
        floating = got.dtype.name in ("float16", "float32", "float64", "bfloat16")
        if floating and not bool(xp.isfinite(got.astype(np.float32) if got.dtype.itemsize == 2 else got).all()):
            return float("inf"), f"output {number} is not finite everywhere"
        values = f64(backend.to_numpy(got if one.pick is None else one.pick(got)))
        if values.shape != one.want.shape:
            return float("inf"), f"output {number} has shape {values.shape}, expected {one.want.shape}"
        if not one.want.size:
            continue
        error = float(np.max(np.abs(values - one.want)))
        bound = allowed(one.want, one.terms, dtype, one.scale) if floating else 0.5
        worst = max(worst, error / bound)
        if error > bound:
            return worst, f"output {number} is off by {error:.3g}, allowed {bound:.3g} ({one.terms:.0f} terms)"
    return worst, ""


# ---------------------------------------------------------------- convolution
def sample(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Coordinates (points, axes): corners first, then seeded ones; every element where there are few."""
    if not np.prod(shape):
        return np.zeros((0, len(shape)), int)
    if np.prod(shape) <= count:
        return np.array(list(itertools.product(*map(range, shape))))
    corners = np.array(list(itertools.product(*((0, n - 1) for n in shape))))[:count]
    rng = np.random.default_rng(sum(shape))
    drawn = np.stack([rng.integers(0, n, count - len(corners)) for n in shape], axis=1)
    return np.concatenate([corners, drawn])


def _at(points: np.ndarray) -> Callable[[Any], Any]:
    def pick(array: Any) -> Any:
        return array[tuple(backend.asarray(axis, device=backend.device_of(array)) for axis in points.T)]

    return pick


def conv(pass_: str, case: Any, x: Any, w: Any, b: Any, gy: Any) -> list[Expected]:
    """Expectations of one pass of a 2-d convolution; arrays are the rounded host arrays."""
    terms = {"forward": case.terms, "grad_input": case.terms_grad_input}.get(pass_, case.terms_grad_weight)
    if pass_ == "grad_bias":
        return [Expected(gy.sum(axis=(0, 2, 3), dtype=np.float64), terms)]
    how = case.geometry
    products = float(np.prod(case.y)) * case.terms
    if np.prod((*case.y[2:], *case.size)) <= LOOPS and products <= PRODUCTS:
        if pass_ == "forward":
            return [Expected(naive.conv(x, w, b, **how), terms)]
        if pass_ == "grad_input":
            return [Expected(naive.conv_grad_input(gy, w, case.x, **how), terms)]
        return [Expected(naive.conv_grad_weight(gy, x, case.w, **how), terms)]
    shape, one, count = {
        "forward": (case.y, lambda i: _forward_at(case, x, w, b, *i), POINTS),
        "grad_input": (case.x, lambda i: _input_at(case, gy, w, *i), POINTS),
        "grad_weight": (case.w, lambda i: _weight_at(case, gy, x, *i), POINTS // 3),
    }[pass_]
    points = sample(shape, count)
    return [Expected(np.array([one(i) for i in points]), terms, _at(points))]


def _taps(case: Any, p: int, q: int) -> Any:
    """(r, s, h, v) of the window at output (p, q), inside the input alone."""
    for r, s in itertools.product(*map(range, case.size)):
        h = p * case.stride[0] - case.padding[0] + r * case.dilation[0]
        v = q * case.stride[1] - case.padding[1] + s * case.dilation[1]
        if 0 <= h < case.x[2] and 0 <= v < case.x[3]:
            yield r, s, h, v


def _forward_at(case: Any, x: Any, w: Any, b: Any, n: int, k: int, p: int, q: int) -> float:
    depth = case.w[1]
    first = k // (case.w[0] // case.groups) * depth
    total = np.float64(0.0 if b is None else b[k])
    for r, s, h, v in _taps(case, p, q):
        total += f64(x[n, first : first + depth, h, v]) @ f64(w[k, :, r, s])
    return float(total)


def _input_at(case: Any, gy: Any, w: Any, n: int, c: int, h: int, v: int) -> float:
    filters = case.w[0] // case.groups
    group, local = divmod(c, case.w[1])
    mine = slice(group * filters, (group + 1) * filters)
    total = np.float64(0.0)
    for r, s in itertools.product(*map(range, case.size)):
        p, p_rest = divmod(h + case.padding[0] - r * case.dilation[0], case.stride[0])
        q, q_rest = divmod(v + case.padding[1] - s * case.dilation[1], case.stride[1])
        if not p_rest and not q_rest and 0 <= p < case.y[2] and 0 <= q < case.y[3]:
            total += f64(gy[n, mine, p, q]) @ f64(w[mine, local, r, s])
    return float(total)


def _weight_at(case: Any, gy: Any, x: Any, k: int, c: int, r: int, s: int) -> float:
    channel = k // (case.w[0] // case.groups) * case.w[1] + c
    ours, theirs = [], []
    for axis, tap in ((0, r), (1, s)):
        offset = tap * case.dilation[axis] - case.padding[axis]
        places = [p for p in range(case.y[2 + axis]) if 0 <= p * case.stride[axis] + offset < case.x[2 + axis]]
        ours.append(places)
        theirs.append([p * case.stride[axis] + offset for p in places])
    above, below = f64(gy[:, k])[:, ours[0]][:, :, ours[1]], f64(x[:, channel])[:, theirs[0]][:, :, theirs[1]]
    return float((above * below).sum())


# ---------------------------------------------------------------- pooling
def planes(shape: tuple[int, ...], loops: float) -> np.ndarray | None:
    """(n, c) of the planes that are checked; None for all of them."""
    return None if loops * shape[0] * shape[1] <= 4e6 else sample(shape[:2], PLANES)


def of_planes(points: np.ndarray | None) -> Callable[[Any], Any] | None:
    """Takes (planes, 1, H, W) from (N, C, H, W)."""
    if points is None:
        return None
    at = _at(points)
    return lambda array: at(array)[:, None]


# ---------------------------------------------------------------- normalisation
def channels(shape: tuple[int, ...]) -> np.ndarray | None:
    """The channels that are checked; None for all of them."""
    if np.prod(shape) <= 2e6:
        return None
    return np.unique(sample((shape[1],), 4)[:, 0])


def norm_parts(values: tuple, chosen: np.ndarray | None, terms: float, loosen: tuple) -> list[Expected]:
    """Expectations of a normalisation's outputs, the tolerance in units of the largest value times `loosen`."""

    def pick(array: Any) -> Any:
        index = backend.asarray(chosen, device=backend.device_of(array))
        return array[index] if array.ndim == 1 else array[:, index]

    return [
        Expected(v, terms, None if chosen is None else pick, by * (float(np.max(np.abs(v), initial=0.0)) or 1.0))
        for v, by in zip(values, loosen, strict=True)
    ]
