"""Filters of images on NumPy arrays: one pass for each tap, over bands of rows that stay in the cache."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for

Shape = tuple[int, ...]
_BAND = 1 << 16  # elements of a band


def _places(n: int, size: int, border: str) -> np.ndarray:
    """Of each place of an axis of n, with the border that `size` taps need, the place that it is a copy of."""
    places = np.arange(n + size - 1) - size // 2
    if border == "replicate":
        return np.clip(places, 0, n - 1)
    if border == "circular":
        return places % n
    period = 2 * n if border == "symmetric" else max(2 * (n - 1), 1)
    places %= period
    return np.where(places < n, places, period - places - (border == "symmetric"))


def _images(a: np.ndarray, rank: int) -> np.ndarray:
    """`a` as (N, H, W) or (N, D, H, W); where filters go along rows alone, all rows as those of one image."""
    return a.reshape(1, -1, a.shape[-1]) if rank == 1 else a.reshape(-1, *a.shape[a.ndim - rank :])


def _bordered(x: np.ndarray, size: Shape, border: str) -> np.ndarray:
    """x (N, *) with what the taps meet outside of it."""
    if border == "zeros":
        return np.pad(x, [(0, 0), *[(n // 2, n - 1 - n // 2) for n in size]])
    for axis, n in enumerate(size, start=1):
        x = np.take(x, _places(x.shape[axis], n, border), axis) if n > 1 else x
    return x


def _folded(gx: np.ndarray, size: Shape, border: str) -> np.ndarray:
    """Its gradient: what came to each copy in the border goes back to where that was copied from."""
    for axis, n in enumerate(size, start=1):
        whole, count = np.moveaxis(gx, axis, 0), gx.shape[axis] - n + 1
        inner = whole[n // 2 : n // 2 + count].copy()
        for i, place in enumerate(_places(count, n, border) if border != "zeros" else ()):
            if not n // 2 <= i < n // 2 + count:
                inner[place] += whole[i]
        gx = np.moveaxis(inner, 0, axis)
    return gx


def _met(tap: Shape, low: int, shape: Shape) -> tuple[slice, ...]:
    """What a tap meets of a bordered image where results of this shape begin in row `low`."""
    first, *others = zip(tap, shape, strict=True)
    return slice(low + first[0], low + first[0] + first[1]), *[slice(k, k + n) for k, n in others]


@in_float32
def forward(x: np.ndarray, w: np.ndarray, border: str) -> np.ndarray:
    """y of x's shape: x correlated with w along its last axes."""
    y = np.empty(x.shape, x.dtype)
    if not x.size:
        return y
    target, taps = _images(y, w.ndim), w[None] if w.ndim == 1 else w
    source = _bordered(_images(x, w.ndim), taps.shape, border)
    images, height, *inner = target.shape
    rows = max(1, _BAND // max(1, math.prod(inner)))
    bands = [(n, low) for n in range(images) for low in range(0, height, rows)]

    def task(i: int) -> None:
        n, low = bands[i]
        made = target[n, low : low + rows]
        made[...] = 0
        terms = np.empty_like(made)
        with np.errstate(over="ignore", invalid="ignore"):
            for tap in np.ndindex(taps.shape):
                made += np.multiply(source[n][_met(tap, low, made.shape)], taps[tap], out=terms)

    parallel_for(task, len(bands), y.size * w.size)
    return y


@in_float32
def grad_input(gy: np.ndarray, w: np.ndarray, border: str) -> np.ndarray:
    """gx: each gy spread over the taps, and from the border back to where that was copied from."""
    if not gy.size:
        return np.empty(gy.shape, gy.dtype)
    above, taps = _images(gy, w.ndim), w[None] if w.ndim == 1 else w
    images, *space = above.shape
    gx = np.zeros((images, *[n + size - 1 for n, size in zip(space, taps.shape, strict=True)]), gy.dtype)

    def task(n: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            for tap in np.ndindex(taps.shape):
                gx[n][_met(tap, 0, tuple(space))] += above[n] * taps[tap]

    parallel_for(task, images, gy.size * w.size)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(_folded(gx, taps.shape, border)).reshape(gy.shape)


@in_float32
def grad_kernel(gy: np.ndarray, x: np.ndarray, size: Shape, border: str) -> np.ndarray:
    """gw of this size: the sum over all places of gy times what each tap met there."""
    gw = np.zeros(size, x.dtype)
    if not x.size:
        return gw
    above, taps = _images(gy, len(size)), size if len(size) > 1 else (1, *size)
    source, places = _bordered(_images(x, len(size)), taps, border), list(np.ndindex(taps))

    def task(i: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            met = source[(slice(None), *_met(places[i], 0, above.shape[1:]))]
            gw.reshape(-1)[i] = np.sum(np.multiply(met, above, order="C"))

    parallel_for(task, len(places), x.size * len(places))
    return gw
