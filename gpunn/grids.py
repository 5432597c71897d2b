"""Places of a sampling grid along one axis: which elements each reads, how much of them, and the slopes of that.

Axes have MARGIN zeros at either end, where everything outside reads, so that no place needs to be masked. The arrays
may be of any library with NumPy's functions, `xp`. Coordinates and slopes are PyTorch's.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
MARGIN = 2
Array: TypeAlias = Any


class Tap(NamedTuple):
    """For each place an element of the axis with its margins, its weight, and the weight's slope by the grid.

    A weight of None is 1, with no slope. A slope may be a number for all places, or None where it was not asked for.
    """

    index: Array
    weight: Array
    slope: Array


def taps(
    xp: ModuleType, places: Array, n: int, mode: str, padding: str, align_corners: bool, sloped: bool = True
) -> list[Tap]:
    """The taps of places from -1 to 1, the ends of an axis of n elements: their edges, or their centres."""
    factor = (n - 1 if align_corners else n) / 2
    at = (places + 1) * factor
    at -= 0 if align_corners else 0.5
    if mode == "bicubic":
        return _cubic(xp, at, n, padding, align_corners, factor)
    at, turned = _inside(xp, at, n, padding, align_corners, sloped)
    low = xp.rint(at) if mode == "nearest" else xp.floor(at)
    index = _index(_without_nan(xp, low, -MARGIN) if padding == "zeros" else low)
    if mode == "nearest":
        return [Tap(index, None, None)]
    at -= low
    slope = factor if turned is None else turned * factor
    return [Tap(index, 1 - at, -slope), Tap(index + 1, at, slope)]


def _index(at: Array) -> Array:
    index = at.astype(np.int64)
    index += MARGIN
    return index


def _inside(
    xp: ModuleType, at: Array, n: int, padding: str, align_corners: bool, sloped: bool
) -> tuple[Array, Array | None]:
    """Places within the axis and its margins, and the slope of that, None where it is 1.

    NaN stays among zeros, whose weights it becomes; elsewhere it is place 0, as in PyTorch.
    """
    if padding == "zeros":
        return xp.clip(at, -MARGIN, n), None
    turned = None
    if padding == "reflection":
        at, turned = _reflected(xp, at, n, align_corners, sloped)
    held = _without_nan(xp, xp.clip(at, 0, n - 1), 0)
    if not sloped:
        return held, None
    within = ((at > 0) & (at < n - 1)).astype(at.dtype)
    return held, within if turned is None else within * turned


def _without_nan(xp: ModuleType, at: Array, instead: int) -> Array:
    """Finite places, NaN as another."""
    if xp is np and type(at) is np.ndarray and not np.isnan(at.sum()):  # a GPU is not asked
        return at
    return xp.where(at == at, at, instead).astype(at.dtype, copy=False)


def _reflected(xp: ModuleType, at: Array, n: int, align_corners: bool, sloped: bool) -> tuple[Array, Array | None]:
    """Places mirrored at the ends until they lie between them, and the slope of that."""
    low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
    if span == 0:
        return xp.zeros_like(at), xp.zeros_like(at)
    away = abs(at - low)
    whole = xp.floor(away / span)
    rest, odd = away - whole * span, whole % 2 == 1
    held = xp.where(odd, span - rest, rest).astype(at.dtype, copy=False) + low
    if not sloped:
        return held, None
    turned = xp.where(odd, -1, 1) * xp.where(at < low, -1, 1)
    return held, turned.astype(at.dtype)


def _cubic(xp: ModuleType, at: Array, n: int, padding: str, align_corners: bool, factor: float) -> list[Tap]:
    """Keys' cubic convolution with slope -0.75, whose four neighbours are padded each by itself."""
    low = xp.floor(at)
    near = at - low
    found = []
    for offset in range(-1, 3):
        t, side = abs(near - offset), 1 if offset <= 0 else -1  # which way the distance grows
        if offset in (0, 1):
            weight, slope = (1.25 * t - 2.25) * t * t + 1, (3.75 * t - 4.5) * t
        else:
            weight, slope = ((-0.75 * t + 3.75) * t - 6) * t + 3, (-2.25 * t + 7.5) * t - 6
        held, _ = _inside(xp, low + offset, n, padding, align_corners, False)
        index = _index(_without_nan(xp, held, -MARGIN) if padding == "zeros" else held)
        found.append(Tap(index, weight, slope * (side * factor)))
    return found
