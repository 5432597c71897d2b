"""Single random numbers out of gpunn's global stream, a microsecond each.

A number claims one block of the stream as any other call does; the blocks are computed some hundreds at a time ahead of
those claims, since a block is a function of (seed, stream, counter) alone: whoever draws in between shifts nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from gpunn import random

AHEAD = 512  # blocks


class _Computed(NamedTuple):
    """The first number of each block from `counter` on."""

    seed: int
    stream: int
    counter: int
    numbers: list[float]


_computed = _Computed(-1, 0, 0, [])


def uniform(low: float = 0.0, high: float = 1.0) -> float:
    """Uniform on [low, high), of 53 random bits."""
    global _computed
    draw, known = random.take(2), _computed
    at = draw.counter - known.counter
    if draw.seed != known.seed or draw.stream != known.stream or not 0 <= at < len(known.numbers):
        words = draw.uint32((AHEAD, 4)).astype(float)
        numbers = ((words[:, 0] // 32 * 2.0**26 + words[:, 1] // 64) * 2.0**-53).tolist()
        _computed, at = (known := _Computed(*draw, numbers)), 0
    return low + (high - low) * known.numbers[at]


def whole(low: int, high: int) -> int:
    """A whole number from low to high - 1."""
    return low + int(uniform() * (high - low))


def order(n: int) -> list[int]:
    """The numbers 0 to n - 1 in random order."""
    keys = [uniform() for _ in range(n)]
    return sorted(range(n), key=keys.__getitem__)
