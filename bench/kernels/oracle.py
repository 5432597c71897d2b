"""What a result must be: the oracle's plain loops where they take a second or so, else a sample of elements.

A sample holds the first and the last index of every axis and seeded ones between: pixels of a convolution, planes of a
pooling, channels of a normalisation. Each sampled element is computed by itself, in float64.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.reference import close
from gpunn.verify import compare
from gpunn.verify.tasks import Task

POINTS = {"forward": 96, "grad_input": 96, "grad_weight": 32}
LOOPS = 25_000  # turns of the plain loops, about 10 microseconds each
PRODUCTS = 2e8
LOOSE = 100  # times the tolerance that a rival has: its sums are not ours


@dataclass(frozen=True)
class Part:
    """What `take(output)` must be for each output: (values, length of the sum, scale). take: None for the whole."""

    want: tuple[tuple[np.ndarray, float, float | None], ...]
    take: Callable[[Any], Any] | None = None

    def of(self, output: Any) -> Any:
        return output if self.take is None else self.take(output)


def judge(outputs: tuple, expected: Part) -> tuple[float, str]:
    """(worst error as a part of what is allowed, what is wrong or ""). Not finite is wrong, sampled or not."""
    worst = 0.0
    for number, (got, (want, terms, scale)) in enumerate(zip(outputs, expected.want, strict=False)):
        wide = got.astype(np.float32) if got.dtype.itemsize == 2 else got  # bfloat16 knows no isfinite
        if not bool(backend.array_module(got).isfinite(wide).all()):
            return math.inf, f"output {number} is not finite everywhere"
        part = expected.of(got)
        if part.shape != want.shape:
            return math.inf, f"output {number} has shape {part.shape}, expected {want.shape}"
        error = compare(part, want, terms, scale)
        worst = max(worst, error)
        if error > 1:
            return worst, f"output {number} is off by {error:.3g} times what {terms:.0f} terms are allowed"
    return worst, ""


def near(result: Any, expected: Part, dtype: str) -> bool:
    """Whether a rival's first output is the same thing."""
    first = result[0] if isinstance(result, tuple) else result
    array = first.float().cpu().numpy() if hasattr(first, "cpu") else backend.to_numpy(first)
    want, terms, scale = expected.want[0]
    sums = close.tolerance(want, terms, "float64" if dtype == "float64" else "float32", scale)
    rounding = close.EPS[dtype] * float(np.max(np.abs(want), initial=0.0))
    return bool(np.max(np.abs(expected.of(array) - want), initial=0.0) <= LOOSE * (sums + rounding))


def sample(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Coordinates (points, axes): corners first, then seeded ones; every element where there are few."""
    if math.prod(shape) <= count:
        return np.array(list(itertools.product(*map(range, shape))), int).reshape(-1, len(shape))
    corners = np.array(list(itertools.product(*((0, n - 1) for n in shape))))[:count]
    rng = np.random.default_rng(sum(shape))
    drawn = np.stack([rng.integers(0, n, count - len(corners)) for n in shape], axis=1)
    return np.concatenate([corners, drawn])


def parts(task: Task, case: Any) -> Callable[[], Part]:
    """The answer for the planes of a pooling or the channels of a normalisation that are checked."""
    part = None
    if task.operation.startswith("pool."):
        positions = 1 if hasattr(case, "out") else case.window().positions
        if math.prod(case.y) * positions > 4e6:
            part = sample(case.x[:2], 6)
    elif math.prod(case.x) > 2e6:
        part = np.unique(sample(case.x[1:2], 4)[:, 0])
    take = None if part is None else lambda output: task.take(output, part)
    return lambda: Part(task.want(part), take)


def conv(task: Task, case: Any, arrays: list) -> Callable[[], Part]:
    """The answer of one pass of a convolution; `arrays` are the rounded host arrays x, w, b, gy."""
    pass_ = task.operation.partition(".")[2]
    if pass_ == "grad_bias" or (
        math.prod((*case.y[2:], *case.size)) <= LOOPS and float(math.prod(case.y)) * case.terms <= PRODUCTS
    ):
        return lambda: Part(task.want())
    shape = {"forward": case.y, "grad_input": case.x, "grad_weight": case.w}[pass_]
    terms = {"forward": case.terms, "grad_input": case.terms_grad_input, "grad_weight": case.terms_grad_weight}[pass_]
    points = sample(shape, POINTS[pass_])

    def take(output: Any) -> Any:
        return output[tuple(backend.asarray(axis, device=backend.device_of(output)) for axis in points.T)]

    def expect() -> Part:
        return Part(((np.array([_element(pass_, case, arrays, *map(int, at)) for at in points]), terms, None),), take)

    return expect


def _element(pass_: str, case: Any, arrays: list, first: int, second: int, *place: int) -> float:
    """One element of an output: where its output, input and tap meet, the products of two of the three."""
    x, w, b, gy = arrays
    filters, depth = case.w[0] // case.groups, case.w[1]
    outputs, inputs, taps = zip(*(_meetings(pass_, case, axis, at) for axis, at in enumerate(place)), strict=True)
    start = 0.0
    if pass_ == "forward":
        channel = second // filters * depth
        one, other = _picked(x[first, channel : channel + depth], inputs), _picked(w[second], taps)
        start = 0.0 if b is None else float(b[second])
    elif pass_ == "grad_input":
        group, local = divmod(second, depth)
        mine = slice(group * filters, (group + 1) * filters)
        one, other = _picked(gy[first, mine], outputs), _picked(w[mine, local], taps)
    else:
        channel = first // filters * depth + second
        one, other = _picked(gy[:, first], outputs), _picked(x[:, channel], inputs)
    return start + float((one.astype(np.float64) * other.astype(np.float64)).sum())


def _picked(a: np.ndarray, places: tuple[np.ndarray, ...]) -> np.ndarray:
    """The elements at these places along each axis behind the first."""
    for axis, at in enumerate(places, 1):
        a = a.take(at, axis)
    return a


def _meetings(pass_: str, case: Any, axis: int, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(outputs, inputs, taps) that meet along an axis, with the pass's own at `place`; padding meets nothing."""
    p, r = (index.ravel() for index in np.indices((case.y[2 + axis], case.size[axis])))
    h = p * case.stride[axis] - case.padding[axis] + r * case.dilation[axis]
    own = {"forward": p, "grad_input": h, "grad_weight": r}[pass_]
    meet = (own == place) & (h >= 0) & (h < case.x[2 + axis])
    return p[meet], h[meet], r[meet]
