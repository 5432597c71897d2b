"""Sampling at the places of a grid on NumPy arrays: blocks of places, whose channels are gathered by shared indices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from gpunn.cpu.narrow import cast, in_float32
from gpunn.cpu.threads import parallel_for
from gpunn.grids import MARGIN, Tap, taps

BLOCK = 1 << 14  # places at once, whose indices and weights stay in the cache
# Places in the image, how far behind them it is read, the weights (None: 1), and the taps of each axis.
Corner = tuple[np.ndarray, int, Any, tuple[Tap, ...]]
How = tuple[str, str, bool]  # mode, padding, align_corners


@in_float32
def forward(x: np.ndarray, grid: np.ndarray, mode: str, padding: str, align_corners: bool) -> np.ndarray:
    """Samples y (N, C, *places) of x (N, C, *sizes) at grid (N, *places, axes), the last axis first."""
    y = np.empty((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    made, places = y.reshape(*x.shape[:2], math.prod(grid.shape[1:-1])), _flat(grid)

    def task(n: int) -> None:
        image, term = _margined(x[n]), np.empty(BLOCK, x.dtype)
        for low in range(0, made.shape[2], BLOCK):
            out = made[n, :, low : low + BLOCK]
            part = term[: out.shape[1]]
            corners = _corners(places[n, low : low + BLOCK], x.shape[2:], (mode, padding, align_corners), False)
            for i, (index, behind, weight, _) in enumerate(corners):
                for c, row in enumerate(image):
                    np.take(row[behind:], index, out=out[c] if weight is None else part, mode="clip")
                    if weight is not None and i == 0:
                        np.multiply(part, weight, out=out[c])
                    elif weight is not None:
                        out[c] += np.multiply(part, weight, out=part)

    if y.size:
        parallel_for(task, len(x), y.size)
    return y


@in_float32
def backward(
    gy: np.ndarray,
    x: np.ndarray,
    grid: np.ndarray,
    mode: str,
    padding: str,
    align_corners: bool,
    needs: tuple[bool, bool],
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gradients gx and ggrid, each where it is needed; sums in the order of places."""
    gx = np.zeros(x.shape, x.dtype) if needs[0] else None
    ggrid = np.zeros(grid.shape, grid.dtype) if needs[1] else None
    above = np.ascontiguousarray(gy).reshape(*gy.shape[:2], math.prod(gy.shape[2:]))
    places = _flat(grid)
    slopes = None if ggrid is None or mode == "nearest" else _flat(ggrid)

    def task(n: int) -> None:
        image = None if slopes is None else _margined(x[n])
        total = None if gx is None else _margined(np.zeros_like(x[n]))
        for low in range(0, above.shape[2], BLOCK):
            part = slice(low, low + BLOCK)
            found = _corners(places[n, part], x.shape[2:], (mode, padding, align_corners), slopes is not None)
            corners = list(found)
            if total is not None:
                _scatter(above[n, :, part], corners, total)
            if slopes is not None and image is not None:
                _add_slopes(above[n, :, part], image, corners, slopes[n, part])
        if gx is not None and total is not None:
            gx[n] = total.reshape(len(total), *[size + 2 * MARGIN for size in x.shape[2:]])[_core(x.shape[2:])]

    if gy.size:
        parallel_for(task, len(x), gy.size)
    return gx, ggrid


def _flat(grid: np.ndarray) -> np.ndarray:
    """(N, *places, axes) as (N, M, axes)."""
    return grid.reshape(len(grid), math.prod(grid.shape[1:-1]), grid.shape[-1])


def _margined(image: np.ndarray) -> np.ndarray:
    """(C, *sizes) with zeros around it, each channel in one row."""
    padded = np.zeros((len(image), *[n + 2 * MARGIN for n in image.shape[1:]]), image.dtype)
    padded[_core(image.shape[1:])] = image
    return padded.reshape(len(image), math.prod(padded.shape[1:]))


def _core(sizes: Any) -> tuple[slice, ...]:
    return (slice(None), *[slice(MARGIN, MARGIN + n) for n in sizes])


def _corners(places: np.ndarray, sizes: Any, how: How, sloped: bool) -> Iterator[Corner]:
    """All that places (M, axes) read: a tap of each axis, in every combination."""
    along = [taps(np.ascontiguousarray(places[:, -1 - axis]), n, *how, sloped) for axis, n in enumerate(sizes)]
    steps = [math.prod([n + 2 * MARGIN for n in sizes[axis + 1 :]]) for axis in range(len(sizes))]
    first = _sum([axis[0].index for axis in along], steps)
    for which in product(*[range(len(axis)) for axis in along]):
        corner = tuple([axis[i] for axis, i in zip(along, which, strict=True)])
        if how[0] == "bilinear":  # neighbours, which are read by the first one's index
            index, behind = first, sum(step for i, step in zip(which, steps, strict=True) if i)
        else:
            index, behind = _sum([tap.index for tap in corner], steps), 0
        weight = corner[0].weight
        for tap in corner[1:]:
            weight = weight if tap.weight is None else weight * tap.weight
        yield index, behind, weight, corner


def _sum(indices: list[np.ndarray], steps: list[int]) -> np.ndarray:
    total = indices[-1]
    for index, step in zip(indices[:-1], steps[:-1], strict=True):
        total = total + index * step
    return total


def _scatter(gy: np.ndarray, corners: list[Corner], total: np.ndarray) -> None:
    """What each place read gets its share of gy (C, M), in the places' order."""
    for c, row in enumerate(gy):
        for index, behind, weight, _ in corners:
            np.add.at(total[c, behind:], index, row if weight is None else row * weight)


def _add_slopes(gy: np.ndarray, image: np.ndarray, corners: list[Corner], into: np.ndarray) -> None:
    """The gradient of one grid (M, axes), from gy (C, M)."""
    part, axes = np.empty_like(gy[0]), into.shape[-1]
    sums = np.zeros((axes, len(into)), into.dtype)
    for index, behind, _, corner in corners:
        met = np.zeros_like(part)
        for c, row in enumerate(gy):
            np.take(image[c, behind:], index, out=part, mode="clip")
            met += np.multiply(part, row, out=part)
        for axis in range(axes):
            slope = met * corner[axis].slope
            for other, tap in enumerate(corner):
                slope = slope if other == axis else np.multiply(slope, tap.weight, out=slope)
            sums[axes - 1 - axis] += slope
    into[...] = sums.T


def base(theta: np.ndarray, sizes: tuple[int, ...], align_corners: bool) -> np.ndarray:
    """(places, axes + 1): where each pixel of an image of these sizes lies, the last axis first, and 1; as theta is."""
    axes = [(2 * np.arange(n) - (n - 1)) / max(n - 1 if align_corners else n, 1) for n in sizes]
    mesh = np.meshgrid(*axes, indexing="ij")[::-1]
    places = np.stack([*mesh, np.ones(sizes)], -1).reshape(-1, len(sizes) + 1)
    return cast(places.astype(np.float32), theta.dtype) if theta.dtype.itemsize == 2 else places.astype(theta.dtype)
