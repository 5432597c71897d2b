"""A step length along a direction that meets the strong Wolfe conditions: for LBFGS."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from gpunn.backend import Array


class Point(NamedTuple):
    """A step length, the loss there, its gradient, and the loss's slope along the direction."""

    t: float
    loss: float
    gradient: Array
    slope: float


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    t: float,
    longest: float,
    most: int,
    narrow: float,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """A point from which the loss falls enough and its slope is flat enough, and how often the loss was computed.

    Nocedal and Wright 2006, algorithms 3.5 and 3.6, with the safeguards of PyTorch's: a bracket is sought by cubics
    that go out, then narrowed by cubics within, until it moves no parameter by `narrow` (`longest` is the direction's
    largest element) or `most` evaluations are spent.
    """
    before, now, count = start, at(t), 0
    bracket: list[Point] = []
    while count < most:
        if now.loss > start.loss + c1 * now.t * start.slope or (count > 1 and now.loss >= before.loss):
            bracket = [before, now]
            break
        if abs(now.slope) <= -c2 * start.slope:
            return now, count + 1
        if now.slope >= 0:
            bracket = [before, now]
            break
        bounds = now.t + 0.01 * (now.t - before.t), now.t * 10
        before, now = now, at(cubic(before, now, bounds))
        count += 1
    if count == most:
        bracket = [start, now]
    return _narrowed(at, start, bracket, count, longest, most, narrow, (c1, c2))


def _narrowed(
    at: Callable[[float], Point],
    start: Point,
    bracket: list[Point],
    count: int,
    longest: float,
    most: int,
    narrow: float,
    limits: tuple[float, float],
) -> tuple[Point, int]:
    """The best end of a bracket that is narrowed around such a point."""
    (c1, c2), stalled, evaluations = limits, False, count + 1
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while count < most and abs(bracket[1].t - bracket[0].t) * longest >= narrow:
        t, stalled = _within(bracket, stalled)
        now, count, evaluations = at(t), count + 1, evaluations + 1
        if now.loss > start.loss + c1 * t * start.slope or now.loss >= bracket[low].loss:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        if abs(now.slope) <= -c2 * start.slope:
            return now, evaluations
        if now.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
    return bracket[low], evaluations


def _within(bracket: list[Point], stalled: bool) -> tuple[float, bool]:
    """Where to look next inside a bracket, a tenth off its ends; and whether that was near one of them."""
    t, (left, right) = cubic(bracket[0], bracket[1]), sorted(point.t for point in bracket)
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not stalled and left < t < right:
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def cubic(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through two points and slopes, within bounds; their middle where there is none."""
    lowest, highest = bounds or sorted((a.t, b.t))
    if a.t == b.t:
        return (lowest + highest) / 2
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (lowest + highest) / 2
    left, right = (a, b) if a.t <= b.t else (b, a)
    d2 = math.sqrt(square)
    below = right.slope - left.slope + 2 * d2
    if below == 0:
        return (lowest + highest) / 2
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / below)
    return min(max(t, lowest), highest)
