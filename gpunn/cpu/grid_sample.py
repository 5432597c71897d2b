"""Sampling at the places of a grid on NumPy arrays: blocks of places, of which each reads all channels, as one row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from gpunn.cpu.narrow import cast, in_float32
from gpunn.cpu.threads import parallel_for
from gpunn.grids import MARGIN, Tap, taps

BLOCK, NUMBERS = 1 << 14, 1 << 18  # places at once, and their numbers, at most: what they read stays in the cache
FEW = 8  # channels
# Places in the image, how far behind them it is read, the weights (None: 1), and the taps of each axis.
Corner = tuple[np.ndarray, int, Any, tuple[Tap, ...]]
How = tuple[str, str, bool]  # mode, padding, align_corners


@in_float32
def forward(x: np.ndarray, grid: np.ndarray, mode: str, padding: str, align_corners: bool) -> np.ndarray:
    """Samples y (N, C, *places) of x (N, C, *sizes) at grid (N, *places, axes), the last axis first."""
    how = mode, padding, align_corners
    y = np.empty((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    made, places = y.reshape(*x.shape[:2], math.prod(grid.shape[1:-1])), _flat(grid)
    step = _step(x.shape[1])

    def task(n: int) -> None:
        image = _margined(x[n])
        for low in range(0, made.shape[2], step):
            part = slice(low, low + step)
            corners = list(_corners(places[n, part], x.shape[2:], how, False))
            for rows, out in zip(image, _runs(made[n, :, part]), strict=True):
                out[...] = _sampled(rows, corners).T

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
    sizes, step = [size + 2 * MARGIN for size in x.shape[2:]], _step(x.shape[1])

    def task(n: int) -> None:
        image = None if slopes is None else _margined(x[n])
        total = None if gx is None else np.zeros((x.shape[1], math.prod(sizes)), x.dtype)
        for low in range(0, above.shape[2], step):
            part = slice(low, low + step)
            found = _corners(places[n, part], x.shape[2:], (mode, padding, align_corners), slopes is not None)
            corners = list(found)
            if total is not None:
                _scatter(above[n, :, part], corners, total)
            if slopes is not None and image is not None:
                _add_slopes(above[n, :, part], image, corners, slopes[n, part])
        if gx is not None and total is not None:
            gx[n] = total.reshape(len(total), *sizes)[(slice(None), *_core(x.shape[2:]))]

    if gy.size:
        parallel_for(task, len(x), gy.size)
    return gx, ggrid


def _flat(grid: np.ndarray) -> np.ndarray:
    """(N, *places, axes) as (N, M, axes)."""
    return grid.reshape(len(grid), math.prod(grid.shape[1:-1]), grid.shape[-1])


def _step(channels: int) -> int:
    """Places of a block."""
    return max(1, min(BLOCK, NUMBERS // max(1, channels)))


def _runs(a: np.ndarray) -> list[np.ndarray]:
    """(C, ...) in runs of channels that are read together: all, or few one by one, since short rows cost more."""
    return [a] if len(a) >= FEW else [a[c : c + 1] for c in range(len(a))]


def _margined(image: np.ndarray) -> list[np.ndarray]:
    """(C, *sizes) with zeros around it: of each run of channels a row at each position."""
    made = []
    for run in _runs(image):
        padded = np.zeros((*[n + 2 * MARGIN for n in run.shape[1:]], len(run)), run.dtype)
        padded[_core(run.shape[1:])] = run.transpose(*range(1, run.ndim), 0)
        made.append(padded.reshape(math.prod(padded.shape[:-1]), len(run)))
    return made


def _sampled(image: np.ndarray, corners: list[Corner]) -> np.ndarray:
    """The sums (M, C) of what the places read of rows (positions, C)."""
    y, term = np.empty((2, len(corners[0][0]), image.shape[1]), image.dtype)
    for i, (index, behind, weight, _) in enumerate(corners):
        into = term if i else y
        np.take(image[behind:], index, 0, out=into, mode="clip")
        if weight is not None:
            into *= weight[:, None]
        if i:
            y += term
    return y


def _core(sizes: Any) -> tuple[slice, ...]:
    return tuple([slice(MARGIN, MARGIN + n) for n in sizes])


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


def _add_slopes(gy: np.ndarray, image: list[np.ndarray], corners: list[Corner], into: np.ndarray) -> None:
    """The gradient of one grid (M, axes), from gy (C, M)."""
    above, axes = [np.ascontiguousarray(run.T) for run in _runs(gy)], into.shape[-1]
    sums = np.zeros((axes, len(into)), into.dtype)
    for index, behind, _, corner in corners:
        met = np.zeros(len(into), into.dtype)
        for rows, g in zip(image, above, strict=True):
            met += np.einsum("mc,mc->m", np.take(rows[behind:], index, 0, mode="clip"), g)
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
