"""Images at the places of a grid, a place at a time: the oracle of grid_sample, and its cases."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np


@dataclass(frozen=True)
class GridCase:
    """x (N, C, *sizes) at `places` of each image; the first places of each are `special`, the last axis of x first."""

    name: str
    x: tuple
    places: tuple
    special: tuple = ()

    def arrays(self):
        """x, the grid and gy."""
        rng = np.random.default_rng(sum(self.x) + len(self.name))
        grid = 0.9 * rng.standard_normal((self.x[0], math.prod(self.places), len(self.x) - 2))
        for i, place in enumerate(self.special):
            grid[:, i] = place
        x, gy = rng.standard_normal(self.x), rng.standard_normal((*self.x[:2], *self.places))
        return x, grid.reshape(self.x[0], *self.places, len(self.x) - 2), gy


FAR = ((math.nan, 0.25), (0.25, math.inf), (-math.inf, 0.1), (30000.0, -0.3), (1.0, -1.0), (0.0, 0.0), (-1.0, math.nan))
# The first warp's places read behind those of the second, which read the last pixels of a tile.
BEHIND = ((0.75, 0.75),) * 32 + ((-0.125, -0.125),) * 32
GRIDS = (
    GridCase("few places", (2, 3, 4, 5), (3, 2)),
    GridCase("packs of channels, far places", (1, 8, 5, 6), (3, 5), FAR),
    GridCase("several tiles, several blocks of places", (2, 5, 18, 33), (2, 150), FAR),
    GridCase("places at the ends of tiles", (1, 2, 36, 36), (8, 8), BEHIND),
    GridCase("one pixel", (1, 2, 1, 1), (2, 2)),
    GridCase("volumes", (2, 4, 5, 9, 10), (2, 3, 45)),
    GridCase("volumes of one slice", (1, 2, 1, 3, 4), (2, 2, 2)),
    GridCase("no places", (2, 3, 4, 5), (0, 2)),
    GridCase("no images", (0, 3, 4, 5), (2, 2)),
)


def keys(t):
    """Keys' cubic convolution with a = -0.75 at distance t, and its slope by t."""
    a, t = -0.75, abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1, 3 * (a + 2) * t**2 - 2 * (a + 3) * t
    return a * (t**3 - 5 * t**2 + 8 * t - 4), a * (3 * t**2 - 10 * t + 8)


def reflect(at, n, align_corners):
    """`at` walked back and forth between the ends, and which way it then goes; both 0 where there is no way to go."""
    low, high = (0.0, n - 1.0) if align_corners else (-0.5, n - 0.5)
    if low == high:
        return 0.0, 0.0
    if not math.isfinite(at):
        return math.nan, 1.0
    turns = 0
    if abs(at) > 1e3:  # an even number of turns at once
        at -= 2 * (high - low) * math.floor((at - low) / (2 * (high - low)))
    while not low <= at <= high:
        at, turns = (2 * low - at if at < low else 2 * high - at), turns + 1
    return at, (-1.0) ** turns


def held(at, n, padding, align_corners):
    """Where a place is read, and the slope of that."""
    if padding == "zeros":
        return at, 1.0
    at, turned = reflect(at, n, align_corners) if padding == "reflection" else (at, 1.0)
    return (0.0 if at != at else min(max(at, 0.0), n - 1.0)), turned if 0 < at < n - 1 else 0.0


def reads(place, n, mode, padding, align_corners):
    """(index, weight, slope by the place) of each element of an axis that is read; None for one outside."""
    factor = (n - 1 if align_corners else n) / 2
    at = (place + 1) * factor - (0.0 if align_corners else 0.5)
    if mode == "bicubic":
        if not math.isfinite(at):  # no distance is a number
            index = None if padding == "zeros" else 0 if at != at or at < 0 or padding == "reflection" else n - 1
            return [(index, math.nan, math.nan)]
        found = []
        for i in range(math.floor(at) - 1, math.floor(at) + 3):
            weight, slope = keys(at - i)
            index = int(held(float(i), n, padding, align_corners)[0])
            found.append((index if 0 <= index < n else None, weight, math.copysign(1.0, at - i) * slope * factor))
        return found
    at, turned = held(at, n, padding, align_corners)
    if not math.isfinite(at):  # among zeros, whose weights a NaN becomes
        return [(None, 0.0 if mode == "nearest" or math.isinf(at) else math.nan, factor)]
    if mode == "nearest":
        index = round(at)  # halves to even
        return [(index if 0 <= index < n else None, 1.0, 0.0)]
    low = math.floor(at)
    pairs = ((low, 1 - (at - low), -factor * turned), (low + 1, at - low, factor * turned))
    return [(i if 0 <= i < n else None, weight, slope) for i, weight, slope in pairs]


def walk(x, grid, *how):
    """Each place (n, at) with the corners that it reads: the pixel's index, weights and slopes of the axes."""
    flat = grid.reshape(len(grid), math.prod(grid.shape[1:-1]), grid.shape[-1])
    for n, at in np.ndindex(*flat.shape[:2]):
        axes = [reads(float(p), size, *how) for p, size in zip(flat[n, at, ::-1], x.shape[2:], strict=True)]
        for corner in product(*axes):
            yield n, at, *zip(*corner, strict=True)


def grid_sample(x, grid, *how):
    """y of float64 arrays; how: mode, padding, align_corners."""
    y = np.zeros((*x.shape[:2], math.prod(grid.shape[1:-1])))
    for n, at, index, weights, _ in walk(x, grid, *how):
        y[n, :, at] += math.prod(weights) * (0 if None in index else x[(n, slice(None), *index)])
    return y.reshape(*x.shape[:2], *grid.shape[1:-1])


def grid_sample_backward(gy, x, grid, *how):
    """gx and ggrid."""
    gx, ggrid = np.zeros(x.shape), np.zeros((len(grid), math.prod(grid.shape[1:-1]), grid.shape[-1]))
    above = gy.reshape(*gy.shape[:2], ggrid.shape[1])
    for n, at, index, weights, slopes in walk(x, grid, *how):
        outside = None in index
        if not outside:
            gx[(n, slice(None), *index)] += math.prod(weights) * above[n, :, at]
        met = 0.0 if outside else float(x[(n, slice(None), *index)] @ above[n, :, at])
        for axis, slope in enumerate(slopes if how[0] != "nearest" else ()):
            others = math.prod([w for other, w in enumerate(weights) if other != axis])
            ggrid[n, at, grid.shape[-1] - 1 - axis] += met * slope * others
    return gx, ggrid.reshape(grid.shape)


def base(sizes, align_corners):
    """A row (x, y, 1), or (x, y, z, 1), for each pixel, whose sides are 2 / n long, or lie 2 / (n - 1) apart."""
    rows = []
    for pixel in np.ndindex(*sizes):
        along = [(-1 + 2 * i / max(n - 1, 1) if align_corners else (2 * i + 1) / n - 1) if n > 1 else 0.0
                 for i, n in zip(pixel, sizes, strict=True)]  # fmt: skip
        rows.append([*along[::-1], 1.0])
    return np.array(rows)
