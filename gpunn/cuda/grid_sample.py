"""Sampling at the places of a grid on CUDA and emulated arrays: gathers, and sums in a fixed order on the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.constants import constant
from gpunn.cuda import elementwise, indexing
from gpunn.cuda.dtypes import wide
from gpunn.grids import MARGIN, Tap, taps


def forward(x: Array, grid: Array, mode: str, padding: str, align_corners: bool) -> Array:
    """y (N, C, *places) of x (N, C, *sizes) at grid (N, *places, axes), the last axis first."""
    (N, C), sizes = x.shape[:2], x.shape[2:]
    rows, places = _rows(wide(x)), wide(grid)
    y = array_module(x).zeros_like(rows, shape=(math.prod(grid.shape[:-1]), C))
    if y.size:
        for index, weight, _ in _corners(places, sizes, mode, padding, align_corners):
            met = rows.take(index, axis=0)
            y += met if weight is None else met * weight[:, None]
    y = y.reshape(N, *grid.shape[1:-1], C)
    return y.transpose(0, y.ndim - 1, *range(1, y.ndim - 1)).astype(x.dtype, copy=False)


def backward(
    gy: Array, x: Array, grid: Array, mode: str, padding: str, align_corners: bool, needs: tuple[bool, bool]
) -> tuple[Array | None, Array | None]:
    """Gradients gx and ggrid, each where it is needed; sums in the order of places."""
    xp, sizes, C = array_module(x), x.shape[2:], x.shape[1]
    if not gy.size:
        return tuple([xp.zeros_like(a) if need else None for a, need in zip((x, grid), needs, strict=True)])  # type: ignore[return-value]
    above = wide(gy).transpose(0, *range(2, gy.ndim), 1).reshape(-1, C)
    corners = list(_corners(wide(grid), sizes, mode, padding, align_corners))
    gx = None
    if needs[0]:
        parts = [above if weight is None else above * weight[:, None] for _, weight, _ in corners]
        count = x.shape[0] * math.prod([n + 2 * MARGIN for n in sizes])
        index = xp.concatenate([index for index, _, _ in corners])
        rows = indexing.add(xp.concatenate(parts), index, (count, C))
        padded = rows.reshape(x.shape[0], *[n + 2 * MARGIN for n in sizes], C)
        core = padded[(slice(None), *[slice(MARGIN, MARGIN + n) for n in sizes])]
        gx = core.transpose(0, x.ndim - 1, *range(1, x.ndim - 1)).astype(x.dtype)
    return gx, _slopes(above, x, grid, corners) if needs[1] else None


def _rows(x: Array) -> Array:
    """(N, C, *sizes) as (N * places, C), with zeros around each image."""
    shape = (*x.shape[:2], *[n + 2 * MARGIN for n in x.shape[2:]])
    padded = elementwise.place(x, shape, (0, 0, *[MARGIN] * (x.ndim - 2)), (1,) * x.ndim)
    return padded.transpose(0, *range(2, x.ndim), 1).reshape(-1, x.shape[1])


def _corners(
    grid: Array, sizes: tuple[int, ...], mode: str, padding: str, align_corners: bool
) -> Iterator[tuple[Array, Array | None, tuple[Tap, ...]]]:
    """All that the places of a grid read: a row of each image, its weight (None: 1), and the taps of each axis."""
    xp, padded = array_module(grid), [n + 2 * MARGIN for n in sizes]
    flat = grid.reshape(grid.shape[0], -1, len(sizes))
    first = constant(np.arange(grid.shape[0]) * math.prod(padded), grid)[:, None]
    along = [taps(xp, flat[:, :, -1 - axis], n, mode, padding, align_corners) for axis, n in enumerate(sizes)]
    for corner in product(*along):
        index, weight = corner[0].index, corner[0].weight
        for tap, n in zip(corner[1:], padded[1:], strict=True):
            index = index * n + tap.index
            weight = weight if tap.weight is None else weight * tap.weight
        yield (index + first).reshape(-1), None if weight is None else weight.reshape(-1), corner


def _slopes(above: Array, x: Array, grid: Array, corners: list[tuple[Array, Array | None, tuple[Tap, ...]]]) -> Array:
    """The gradient of the grid, from gy (places, C)."""
    xp, rows, axes = array_module(x), _rows(wide(x)), grid.shape[-1]
    found = xp.zeros_like(above, shape=(axes, len(above)))
    if corners[0][1] is not None:
        for index, _, corner in corners:
            met = (rows.take(index, axis=0) * above).sum(axis=1)
            for axis, own in enumerate(corner):
                slope = own.slope if isinstance(own.slope, float) else own.slope.reshape(-1)
                part = met * slope
                for other, tap in enumerate(corner):
                    part = part if other == axis else part * tap.weight.reshape(-1)
                found[axes - 1 - axis] += part
    return found.transpose().reshape(grid.shape).astype(grid.dtype)
