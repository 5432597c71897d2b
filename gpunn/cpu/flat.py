"""Positions in pooling windows as places in the plane, and the gradient from such places."""

from __future__ import annotations

import math

import numpy as np

from gpunn.errors import Known, PlaceError

Windows = tuple[list[np.ndarray], list[np.ndarray], tuple[int, ...]]  # along each axis: starts, taps; dilation


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


def add_at(
    gy: np.ndarray, place: np.ndarray, x_shape: tuple[int, ...], windows: Windows | None, known: Known
) -> np.ndarray:
    """gx of x_shape: each gy added at its place, in order, -1 nowhere. Raises PlaceError for a place that is none."""
    planes, count = math.prod(x_shape[:2]), math.prod(x_shape[2:])
    wrong = (place < -1) | (place >= count)
    if windows is not None:
        wrong |= (place != -1) & ~_in_windows(place, x_shape[2:], *windows)
    if wrong.any():
        row = int(wrong.reshape(-1).argmax())
        raise PlaceError.of(int(place.reshape(-1)[row]), row, *known)
    gx = np.zeros(planes * count, gy.dtype)
    rows = place.reshape(planes, math.prod(place.shape[2:])).astype(np.int64)
    kept = rows >= 0
    np.add.at(gx, (rows + np.arange(planes)[:, None] * count)[kept], gy.reshape(rows.shape)[kept])
    return gx.reshape(x_shape)


def _in_windows(
    place: np.ndarray,
    plane: tuple[int, ...],
    starts: list[np.ndarray],
    taps: list[np.ndarray],
    dilation: tuple[int, ...],
) -> np.ndarray:
    """Whether each place is one of its window's."""
    inside = np.ones(place.shape, bool)
    for axis in reversed(range(len(plane))):
        along = (-1, *[1] * (len(plane) - axis - 1))
        place, at = np.divmod(place, plane[axis])
        tap, between = np.divmod(at - starts[axis].reshape(along), dilation[axis])
        inside &= (between == 0) & (tap >= 0) & (tap < taps[axis].reshape(along))
    return inside
