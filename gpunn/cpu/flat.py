"""Positions in pooling windows as places in the plane."""

from __future__ import annotations

import numpy as np


def flat(
    index: np.ndarray,
    size: tuple[int, ...],
    starts: list[np.ndarray],
    dilation: tuple[int, ...],
    plane: tuple[int, ...],
) -> np.ndarray:
    """int64 (d*H + h)*W + w of positions in windows of this size, from ``starts`` along each axis; -1 outside."""
    place, outside = np.zeros(index.shape, np.int64), np.zeros(index.shape, bool)
    for axis, tap in enumerate(np.unravel_index(index, size)):
        at = starts[axis].reshape(-1, *[1] * (len(size) - axis - 1)) + tap * dilation[axis]
        outside |= (at < 0) | (at >= plane[axis])
        place = place * plane[axis] + at
    place[outside] = -1
    return place
