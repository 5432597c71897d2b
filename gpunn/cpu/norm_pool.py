"""Pooling by the norm of a window, of any rank, on NumPy arrays: one pass for each offset in the window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from gpunn.cpu.layout import empty
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for
from gpunn.layout import channels_last
from gpunn.window import Window

_Slices = tuple[slice, ...]


def _taps(win: Window, in_size: tuple[int, ...], out: tuple[int, ...]) -> Iterator[tuple[_Slices, _Slices]]:
    """(outputs, inputs) of each offset in the window, as slices of one image: without those that hang over the edge."""
    for offset in product(*map(range, win.size)):
        kept = [min(p, (n - 1 - k) // step + 1) for p, n, k, step in zip(out, in_size, offset, win.stride, strict=True)]
        if min(kept) > 0:
            ends = zip(offset, kept, win.stride, strict=True)
            yield (
                tuple([slice(0, p) for p in kept]),
                tuple([slice(k, k + (p - 1) * step + 1, step) for k, p, step in ends]),
            )


def _scale(win: Window, in_size: tuple[int, ...], out: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The window's elements over those inside the input, (*out, 1)."""
    scale = np.ones((*out, 1), dtype)
    for axis, (n, size, step) in enumerate(zip(in_size, win.size, win.stride, strict=True)):
        inside = np.minimum(size, n - np.arange(out[axis]) * step)
        scale *= (size / inside).reshape(-1, *[1] * (len(out) - axis))
    return scale


def _raised(a: np.ndarray, power: float) -> np.ndarray:
    return a if power == 1 else a * a if power == 2 else a**power


@in_float32
def forward(x: np.ndarray, win: Window, ceil_mode: bool, power: float) -> np.ndarray:
    """y (N, C, *out): the norm of each window."""
    out = win.out(x.shape[2:], ceil_mode)
    y = empty((*x.shape[:2], *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    taps, scale = list(_taps(win, x.shape[2:], out)), _scale(win, x.shape[2:], out, x.dtype)

    def task(n: int) -> None:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            sums = np.zeros(target.shape[1:], x.dtype)
            for outer, inner in taps:
                sums[outer] += _raised(source[n][inner], power)
            sums *= scale
            target[n] = sums if power == 1 else np.sqrt(sums) if power == 2 else sums ** (1 / power)

    parallel_for(task, x.shape[0], y.size * win.positions)
    return y


@in_float32
def backward(gy: np.ndarray, x: np.ndarray, y: np.ndarray, win: Window, ceil_mode: bool, power: float) -> np.ndarray:
    """gx, from what forward took and gave; 0 where the norm is."""
    out, gx = y.shape[2:], empty(x.shape, x.dtype)
    above, source, result, target = (channels_last(a) for a in (gy, x, y, gx))
    taps, scale = list(_taps(win, x.shape[2:], out)), _scale(win, x.shape[2:], out, x.dtype)

    def task(n: int) -> None:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            target[n] = 0
            share = np.where(result[n] == 0, 0, above[n] * scale)
            for outer, inner in taps:
                if power == 1:
                    target[n][inner] += share[outer]
                    continue
                slope = _raised(source[n][inner] / result[n][outer], power - 1)
                target[n][inner] += share[outer] * np.where(result[n][outer] == 0, 0, slope)

    parallel_for(task, x.shape[0], y.size * win.positions)
    return gx
