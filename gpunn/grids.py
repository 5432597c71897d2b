"""Places of a sampling grid along one axis: which elements each reads, how much of them, and the slopes of that.

Axes have MARGIN zeros at either end, where everything outside reads, so that no place needs to be masked. Coordinates
and slopes are PyTorch's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpunn.restored import restored

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
MARGIN = 2


class Tap(NamedTuple):
    """For each place an element of the axis with its margins, its weight, and the weight's slope by the grid.

    A weight of None is 1, with no slope. A slope may be a number for all places, or None where it was not asked for.
    """

    index: np.ndarray
    weight: np.ndarray | None
    slope: np.ndarray | float | None


@restored
def taps(places: np.ndarray, n: int, mode: str, padding: str, align_corners: bool, sloped: bool = True) -> list[Tap]:
    """The taps of places from -1 to 1, the ends of an axis of n elements: their edges, or their centres."""
    np.seterr(all="ignore")  # of places that are no numbers, or past all of them
    factor = (n - 1 if align_corners else n) / 2
    at = (places + 1) * factor
    at -= 0 if align_corners else 0.5
    if mode == "bicubic":
        return _cubic(at, n, padding, align_corners, factor)
    at, turned = _inside(at, n, padding, align_corners, sloped)
    low = np.rint(at) if mode == "nearest" else np.floor(at)
    index = _index(_without_nan(low, -MARGIN) if padding == "zeros" else low)
    if mode == "nearest":
        return [Tap(index, None, None)]
    at -= low
    slope = factor if turned is None else turned * factor
    return [Tap(index, 1 - at, -slope), Tap(index + 1, at, slope)]


def _index(at: np.ndarray) -> np.ndarray:
    index = at.astype(np.int64)
    index += MARGIN
    return index


def _inside(
    at: np.ndarray, n: int, padding: str, align_corners: bool, sloped: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Places within the axis and its margins, and the slope of that, None where it is 1.

    NaN stays among zeros, whose weights it becomes; elsewhere it is place 0, as in PyTorch.
    """
    if padding == "zeros":
        return np.clip(at, -MARGIN, n), None
    turned = None
    if padding == "reflection":
        at, turned = _reflected(at, n, align_corners, sloped)
    held = _without_nan(np.clip(at, 0, n - 1), 0)
    if not sloped:
        return held, None
    within = ((at > 0) & (at < n - 1)).astype(at.dtype)
    return held, within if turned is None else within * turned


def _without_nan(at: np.ndarray, instead: int) -> np.ndarray:
    """Finite places, NaN as another."""
    if not np.isnan(at.sum()):
        return at
    return np.where(at == at, at, instead).astype(at.dtype, copy=False)


def _reflected(at: np.ndarray, n: int, align_corners: bool, sloped: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Places mirrored at the ends until they lie between them, and the slope of that."""
    low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
    if span == 0:
        return np.zeros_like(at), np.zeros_like(at)
    away = abs(at - low)
    whole = np.floor(away / span)
    rest, odd = away - whole * span, whole % 2 == 1
    held = np.where(odd, span - rest, rest).astype(at.dtype, copy=False) + low
    if not sloped:
        return held, None
    turned = np.where(odd, -1, 1) * np.where(at < low, -1, 1)
    return held, turned.astype(at.dtype)


def _cubic(at: np.ndarray, n: int, padding: str, align_corners: bool, factor: float) -> list[Tap]:
    """Keys' cubic convolution with slope -0.75, whose four neighbours are padded each by itself."""
    low = np.floor(at)
    near = at - low
    found = []
    for offset in range(-1, 3):
        t, side = abs(near - offset), 1 if offset <= 0 else -1  # which way the distance grows
        if offset in (0, 1):
            weight, slope = (1.25 * t - 2.25) * t * t + 1, (3.75 * t - 4.5) * t
        else:
            weight, slope = ((-0.75 * t + 3.75) * t - 6) * t + 3, (-2.25 * t + 7.5) * t - 6
        held, _ = _inside(low + offset, n, padding, align_corners, False)
        index = _index(_without_nan(held, -MARGIN) if padding == "zeros" else held)
        found.append(Tap(index, weight, slope * (side * factor)))
    return found
