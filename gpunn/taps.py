"""Resampling along one axis as a sparse matrix: which elements each output reads, and how much of each.

Coordinates are PyTorch's. The gradient is the transposed matrix, so that either way each result gathers its own sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

_KEPT = 256  # layers repeat their geometry


@dataclass(frozen=True, eq=False)
class Taps:
    """Output i is the sum of weight[e] x[index[e]] over e from starts[i] to starts[i + 1].

    n: elements of the axis that is read. weight: None where each output is one element as it is.
    """

    n: int
    starts: np.ndarray
    index: np.ndarray
    weight: np.ndarray | None

    @property
    def m(self) -> int:
        """Outputs."""
        return len(self.starts) - 1

    @property
    def identity(self) -> bool:
        """Whether the outputs are the axis as it is."""
        return self.n == self.m and self.weight is None and bool((self.index == np.arange(self.n)).all())

    @cached_property
    def repeats(self) -> int:
        """How often each element is taken, one after the other; 0 where it is otherwise."""
        k = self.m // max(self.n, 1)
        regular = self.weight is None and self.m == k * self.n
        return k if regular and bool((self.index == np.arange(self.m) // max(k, 1)).all()) else 0

    @cached_property
    def groups(self) -> int:
        """How many elements in a row each output adds up as they are, from the first on; 0 where it is otherwise."""
        k = self.n // max(self.m, 1)
        if self.weight is None or self.n != k * self.m or len(self.index) != self.n or (self.weight != 1).any():
            return 0
        return k if bool((self.index == np.arange(self.n)).all() and (np.diff(self.starts) == k).all()) else 0

    @cached_property
    def transposed(self) -> Taps:
        """Of gradients: for each element of the axis the outputs that read it, in their order."""
        outputs = np.repeat(np.arange(self.m), np.diff(self.starts))
        order = np.argsort(self.index, kind="stable")
        starts = np.searchsorted(self.index[order], np.arange(self.n + 1))
        weight = np.ones(len(order)) if self.weight is None else self.weight[order]
        as_it_is = (np.diff(starts) == 1).all() and (weight == 1).all()
        return Taps(self.m, starts, outputs[order], None if as_it_is else weight)

    @cached_property
    def most(self) -> int:
        """Elements that one output reads at most."""
        return int(np.diff(self.starts).max(initial=0))


def _of(n: int, index: np.ndarray, weight: np.ndarray | None) -> Taps:
    """Of indices (m, taps), those outside moved to the ends, and weights of that shape."""
    m, taps = index.shape
    flat = None if weight is None else weight.reshape(-1)
    return Taps(n, np.arange(m + 1) * taps, np.clip(index, 0, n - 1).reshape(-1), flat)


def _step(n: int, m: int, factor: float | None, align_corners: bool = False) -> float:
    """Elements of the axis from one output to the next."""
    if align_corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return n / m if factor is None else 1 / factor


def _places(n: int, m: int, factor: float | None, align_corners: bool) -> np.ndarray:
    """Where on the axis the outputs lie: corners on corners, or edges on edges."""
    step, outputs = _step(n, m, factor, align_corners), np.arange(m)
    return outputs * step if align_corners else (outputs + 0.5) * step - 0.5


@lru_cache(_KEPT)
def same(n: int) -> Taps:
    """The axis as it is."""
    return Taps(n, np.arange(n + 1), np.arange(n), None)


@lru_cache(_KEPT)
def nearest(n: int, m: int, factor: float | None, exact: bool, wide: bool) -> Taps:
    """Input floor(i step), or, where `exact`, the nearest.

    In float32 as PyTorch's, or in float64 where it is `wide`: at odd factors the last bit decides.
    """
    real = np.float64 if wide else np.float32
    step, half = real(_step(n, m, factor)), real(0.5)
    outputs = np.arange(m, dtype=real)
    place = np.maximum(step * (outputs + half) - half, 0) + half if exact else outputs * step
    return _of(n, np.floor(place.astype(np.float32)).astype(np.int64)[:, None], None)


@lru_cache(_KEPT)
def linear(n: int, m: int, factor: float | None, align_corners: bool) -> Taps:
    """The two neighbours of each output's place, weighted by nearness."""
    place = np.maximum(_places(n, m, factor, align_corners), 0)
    low = np.minimum(np.floor(place).astype(np.int64), n - 1)
    near = np.minimum(place - low, 1.0)
    return _of(n, np.stack([low, low + 1], 1), np.stack([1 - near, near], 1))


@lru_cache(_KEPT)
def cubic(n: int, m: int, factor: float | None, align_corners: bool) -> Taps:
    """The four neighbours of each output's place, weighted by Keys' cubic convolution (1981)."""
    place = _places(n, m, factor, align_corners)
    low = np.floor(place).astype(np.int64)
    offsets = np.arange(-1, 3)
    return _of(n, low[:, None] + offsets, keys((place - low)[:, None] - offsets, -0.75))


@lru_cache(_KEPT)
def antialiased(n: int, m: int, factor: float | None, align_corners: bool, is_cubic: bool) -> Taps:
    """A triangle, or Keys' function, as wide as the step where the axis shrinks: every element has its share.

    The step alone heeds align_corners: the outputs' edges lie on the axis', as PyTorch has it.
    """
    step = _step(n, m, factor, align_corners)
    wide = max(step, 1.0)
    support = (2 if is_cubic else 1) * wide
    centre = step * (np.arange(m) + 0.5)
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), n)
    starts = np.concatenate([[0], np.cumsum(high - low)])
    outputs = np.repeat(np.arange(m), high - low)
    index = np.arange(starts[-1]) - starts[outputs] + low[outputs]
    away = (index - centre[outputs] + 0.5) / wide
    share = keys(away, -0.5) if is_cubic else np.maximum(1 - np.abs(away), 0)
    total = np.bincount(outputs, share, m)
    return Taps(n, starts, index, share / np.where(total == 0, 1, total)[outputs])


@lru_cache(_KEPT)
def in_bytes(taps: Taps) -> tuple[Taps, int]:
    """The same with weights of 16 bits, and how many bits these have behind the point: PyTorch's for uint8."""
    outputs, weight = np.repeat(np.arange(taps.m), np.diff(taps.starts)), taps.weight
    places, which = np.unique(outputs * taps.n + taps.index, return_inverse=True)  # an end that is read twice is one
    weight = np.bincount(which, weight, len(places))
    most, bits = float(weight.max(initial=0)), 0
    while bits < 22 and int(0.5 + most * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    whole = np.trunc(weight * (1 << bits) + np.copysign(0.5, weight))
    starts = np.searchsorted(places, np.arange(taps.m + 1) * taps.n)
    return Taps(taps.n, starts, places % taps.n, whole), bits


@lru_cache(_KEPT)
def windows(n: int, m: int) -> Taps:
    """The sum of all elements that an output covers, in part or whole: adaptive pooling's windows."""
    outputs = np.arange(m)
    low, high = outputs * n // m, -(-(outputs + 1) * n // m)
    starts = np.concatenate([[0], np.cumsum(high - low)])
    rows = np.repeat(outputs, high - low)
    return Taps(n, starts, np.arange(starts[-1]) - starts[rows] + low[rows], np.ones(len(rows)))


@lru_cache(_KEPT)
def area(n: int, m: int) -> Taps:
    """Their mean: adaptive average pooling."""
    found = windows(n, m)
    counts = np.diff(found.starts)
    return Taps(n, found.starts, found.index, np.repeat(1 / counts, counts))


def keys(away: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic function of the distance: 1 at 0, 0 at 1 and from 2 on; slope `a` at 1 (-0.75 in images, or -0.5)."""
    t = np.abs(away)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))
