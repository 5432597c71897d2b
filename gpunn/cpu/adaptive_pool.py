"""Adaptive pooling of any rank on NumPy arrays, window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from gpunn.cpu.flat import add_at, flat
from gpunn.cpu.layout import empty
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.samples import row_sums
from gpunn.cpu.threads import parallel_for
from gpunn.errors import Known
from gpunn.layout import channels_last


def _spans(in_size: int, out_size: int) -> list[slice]:
    """PyTorch's windows along an axis: from floor(i * in / out) to ceil((i + 1) * in / out)."""
    return [slice(i * in_size // out_size, -(-(i + 1) * in_size // out_size)) for i in range(out_size)]


def _cells(in_size: tuple[int, ...], out_size: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each output's position and window, in order."""
    return zip(np.ndindex(*out_size), product(*map(_spans, in_size, out_size)), strict=True)


def _largest(in_size: tuple[int, ...], out_size: tuple[int, ...]) -> tuple[int, ...]:
    """The largest window's sizes, by which an index counts."""
    spans = map(_spans, in_size, out_size)
    return tuple([max([one.stop - one.start for one in along]) for along in spans])


@in_float32
def avg_forward(x: np.ndarray, out_size: tuple[int, ...]) -> np.ndarray:
    """y (N, C, *out_size): the mean of each window."""
    y = empty((*x.shape[:2], *out_size), x.dtype)
    source, target, count = channels_last(x), channels_last(y), math.prod(x.shape[2:])
    cells, axes = list(_cells(x.shape[2:], out_size)), tuple(range(len(out_size)))
    planes = x.flags.c_contiguous and len(cells) == 1

    def task(n: int) -> None:
        if planes:
            target[n] = row_sums(x[n].reshape(x.shape[1], count)) / count  # by BLAS
            return
        for at, where in cells:
            cell = source[n][where]
            target[n][at] = cell.sum(axes) / math.prod(cell.shape[:-1])

    parallel_for(task, x.shape[0], x.size)
    return y


@in_float32
def avg_backward(gy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """gx: each gy shared out evenly over its window."""
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx)
    cells = list(_cells(x_shape[2:], gy.shape[2:]))

    def task(n: int) -> None:
        target[n] = 0
        for at, where in cells:
            cell = target[n][where]
            cell += above[n][at] / math.prod(cell.shape[:-1])

    parallel_for(task, x_shape[0], gx.size)
    return gx


@in_float32
def max_forward(x: np.ndarray, out_size: tuple[int, ...], wanted: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """y, and where ``wanted`` the winner's place (a*R + r)*S + s in its window; the first maximum, or last NaN."""
    shape, size = (*x.shape[:2], *out_size), _largest(x.shape[2:], out_size)
    y, index = empty(shape, x.dtype), empty(shape, np.min_scalar_type(math.prod(size) - 1)) if wanted else None
    cells, channels = list(_cells(x.shape[2:], out_size)), np.arange(x.shape[1])

    def task(n: int) -> None:
        for at, span in cells:
            cell = x[n][(slice(None), *span)]
            rows = cell.reshape(len(cell), math.prod(cell.shape[1:]))
            where = rows.argmax(1)  # the first maximum, or the first NaN
            best = rows[channels, where]
            if (broken := np.isnan(best)).any():
                where[broken] = rows.shape[1] - 1 - np.isnan(rows[broken])[:, ::-1].argmax(1)
            y[n][(slice(None), *at)] = best
            if index is not None:
                index[n][(slice(None), *at)] = np.ravel_multi_index(np.unravel_index(where, cell.shape[1:]), size)

    parallel_for(task, x.shape[0], x.size)
    return y, index


@in_float32
def max_backward(gy: np.ndarray, index: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """gx: each gy added at its winner's place; windows may overlap, so cells are added one after another."""
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx).reshape(x_shape[0], math.prod(x_shape[2:]), x_shape[1])
    winner, channels = channels_last(places(index, x_shape)), np.arange(x_shape[1])

    def task(n: int) -> None:
        target[n] = 0
        for at in np.ndindex(*gy.shape[2:]):
            target[n][winner[n][at], channels] += above[n][at]

    parallel_for(task, x_shape[0], gx.size)
    return gx


@in_float32
def max_backward_from(gy: np.ndarray, place: np.ndarray, x_shape: tuple[int, ...], known: Known) -> np.ndarray:
    """gx, from places in the plane; raises PlaceError before anything is computed."""
    spans = [_spans(n, p) for n, p in zip(x_shape[2:], gy.shape[2:], strict=True)]
    starts = [np.array([one.start for one in along]) for along in spans]
    taps = [np.array([one.stop - one.start for one in along]) for along in spans]
    return add_at(gy, place, x_shape, (starts, taps, (1,) * len(spans)), known)


def places(index: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """Places in windows as int64 places (d*H + h)*W + w in the plane."""
    starts = [np.array([one.start for one in _spans(n, p)]) for n, p in zip(x_shape[2:], index.shape[2:], strict=True)]
    return flat(index, _largest(x_shape[2:], index.shape[2:]), starts, (1,) * len(starts), x_shape[2:])
