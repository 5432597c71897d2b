"""Pixels (..., H, W) of arrays at other places: separable for other sizes, and by an affine map."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gpunn.data.transforms.image import InterpolationMode
from gpunn.errors import DataError

SUPPORT = {InterpolationMode.BILINEAR: 1, InterpolationMode.BICUBIC: 2}  # half the filter's width, in pixels


def resampled(array: np.ndarray, size: tuple[int, int], mode: InterpolationMode, antialias: bool) -> np.ndarray:
    """The image in another size; whole numbers are rounded, and stay in their dtype's range."""
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        half = 0.5 if mode is InterpolationMode.NEAREST_EXACT else 0
        rows, columns = (np.minimum(((np.arange(m) + half) * (n / m)).astype(np.intp), n - 1)
                         for n, m in zip(array.shape[-2:], size, strict=True))  # fmt: skip
        return array[..., rows[:, None], columns]
    if mode not in SUPPORT:
        raise DataError(f"resize: {mode.name} is for Pillow's images; give BILINEAR or BICUBIC for Tensors and arrays")
    dtype = np.result_type(array.dtype, np.float32) if array.dtype.kind == "f" else np.dtype(np.float32)
    across, down = (_weights(n, m, mode, antialias).astype(dtype)
                    for n, m in zip(array.shape[:-3:-1], size[::-1], strict=True))  # fmt: skip
    return as_before(down @ (array.astype(dtype, copy=False) @ across.T), array.dtype)


def as_before(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floating values as `dtype`: whole numbers are rounded and limited to its range."""
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


@lru_cache(64)
def _weights(n: int, m: int, mode: InterpolationMode, antialias: bool) -> np.ndarray:
    """The share (m, n) of each of n pixels in each of m, float64."""
    ratio = n / m
    stretch = max(ratio, 1.0) if antialias else 1.0
    at = (np.arange(m) + 0.5) * ratio - 0.5
    reach = int(SUPPORT[mode] * stretch) + 1
    taps = np.floor(at).astype(np.intp)[:, None] + np.arange(-reach, reach + 2)
    shares = _filter((taps - at[:, None]) / stretch, mode, antialias)
    weights = np.zeros((m, n))
    if antialias:  # what lies outside counts for nothing
        shares = np.where((taps >= 0) & (taps < n), shares, 0)
    np.add.at(weights, (np.arange(m)[:, None], np.clip(taps, 0, n - 1)), shares)
    return weights / weights.sum(axis=1, keepdims=True)


def _filter(distance: np.ndarray, mode: InterpolationMode, antialias: bool) -> np.ndarray:
    x = np.abs(distance)
    if mode is InterpolationMode.BILINEAR:
        return np.maximum(1 - x, 0)
    a = -0.5 if antialias else -0.75  # Keys 1981: PyTorch's two choices
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def mapped(
    array: np.ndarray,
    matrix: Sequence[float],
    size: tuple[int, int],
    mode: InterpolationMode,
    fill: Sequence[float] | None,
) -> np.ndarray:
    """The image through `matrix` (2 x 3), which says where a place of the result, seen from its centre, comes from.

    Each place outside the image is `fill`, a value a channel, or 0.
    """
    (h, w), (p, q) = array.shape[-2:], size
    y, x = np.mgrid[:p, :q] + 0.5
    y, x = y - p / 2, x - q / 2
    a, b, c, d, e, f = matrix
    rows, columns = d * x + e * y + f + (h - 1) / 2, a * x + b * y + c + (w - 1) / 2
    fills = np.reshape(0 if fill is None else fill, (-1, 1, 1) if array.ndim > 2 else (1, 1))
    if mode is InterpolationMode.NEAREST:
        rows, columns = np.rint(rows), np.rint(columns)
        inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
        rows, columns = (np.where(inside, at, 0).astype(np.intp) for at in (rows, columns))
        return np.where(inside, array[..., rows, columns], fills.astype(array.dtype))
    if mode is not InterpolationMode.BILINEAR:
        raise DataError(f"affine: {mode.name} is for Pillow's images; give NEAREST or BILINEAR for Tensors and arrays")
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    values, share = np.zeros((*array.shape[:-2], p, q), dtype), np.zeros((p, q), dtype)
    top, left = np.floor(rows), np.floor(columns)
    for down in (0, 1):
        for right in (0, 1):
            r, s = top + down, left + right
            weight = (1 - np.abs(rows - r)) * (1 - np.abs(columns - s))
            weight = np.where((r >= 0) & (r < h) & (s >= 0) & (s < w), weight, 0).astype(dtype)
            taken = array[..., np.clip(r, 0, h - 1).astype(np.intp), np.clip(s, 0, w - 1).astype(np.intp)]
            values += weight * taken
            share += weight
    if fill is None:
        return as_before(values, array.dtype)
    # torchvision weights what it has weighted once more by the share: its edge pixels are that much darker.
    return as_before(share * values + (1 - share) * fills.astype(dtype), array.dtype)
