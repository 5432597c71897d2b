"""Adaptive pooling of any rank on NumPy arrays: means axis by axis, maxima window by window.

Windows that tile the input evenly are those of an ordinary pooling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from itertools import product

import numpy as np

from gpunn.cpu import pool
from gpunn.cpu.flat import add_at, flat
from gpunn.cpu.layout import empty
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.resample import resample
from gpunn.cpu.samples import row_sums
from gpunn.cpu.threads import parallel_for
from gpunn.errors import Known
from gpunn.layout import channels_last
from gpunn.taps import Taps, windows
from gpunn.window import Window


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


def _even(in_size: tuple[int, ...], out_size: tuple[int, ...]) -> Window | None:
    """The windows as one that steps by its size, where they tile x evenly and most of the work is theirs, not one's."""
    size = tuple([n // p for n, p in zip(in_size, out_size, strict=True)])
    even = all(p * k == n for p, k, n in zip(out_size, size, in_size, strict=True))
    return Window.of(size, size, rank=len(size)) if even and math.prod(size) <= 2 * math.prod(out_size) else None


def _counts(taps: tuple[Taps, ...], dtype: np.dtype) -> np.ndarray:
    """Elements of each window, as one number, which divides in long runs, where they are equal."""
    along = [np.diff(one.starts) for one in taps]
    if all((count == count[0]).all() for count in along):
        along = [count[:1] for count in along]
    return reduce(np.multiply.outer, along).astype(dtype)


@in_float32
def avg_forward(x: np.ndarray, out_size: tuple[int, ...]) -> np.ndarray:
    """y (N, C, *out_size): the mean of each window, axis by axis."""
    y = empty((*x.shape[:2], *out_size), x.dtype)
    if math.prod(out_size) == 1:
        _whole(x, y)
    else:
        taps = tuple(map(windows, x.shape[2:], out_size))
        np.divide(resample(x, taps), _counts(taps, y.dtype), out=y)
    return y


def _whole(x: np.ndarray, y: np.ndarray) -> None:
    """The mean over all of space: of row-major planes by BLAS."""
    count, target, axes = math.prod(x.shape[2:]), channels_last(y), tuple(range(1, x.ndim - 1))
    planes = x.reshape(*x.shape[:2], count) if x.flags.c_contiguous else None

    def task(n: int) -> None:
        target[n] = (x[n].sum(axes) if planes is None else row_sums(planes[n])) / count

    parallel_for(task, x.shape[0], x.size)


@in_float32
def avg_backward(gy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """gx: each gy shared out evenly over its window."""
    taps = tuple(map(windows, x_shape[2:], gy.shape[2:]))
    share = np.divide(gy, _counts(taps, gy.dtype), out=empty(gy.shape, gy.dtype))
    if math.prod(gy.shape[2:]) > 1:
        return resample(share, tuple([one.transposed for one in taps]))
    gx = empty(x_shape, gy.dtype)

    def task(n: int) -> None:
        channels_last(gx)[n] = channels_last(share)[n]

    parallel_for(task, x_shape[0], gx.size)
    return gx


@in_float32
def max_forward(x: np.ndarray, out_size: tuple[int, ...], wanted: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """y, and where ``wanted`` the winner's place (a*R + r)*S + s in its window; the first maximum, or last NaN."""
    if win := _even(x.shape[2:], out_size):
        return pool.max_forward(x, win, False, wanted)
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
    """gx: each gy added at its winner's place; windows may overlap, so they are added one after another."""
    if win := _even(x_shape[2:], gy.shape[2:]):
        return pool.max_backward(gy, index, x_shape, win)
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx).reshape(x_shape[0], math.prod((*x_shape[2:], x_shape[1])))
    winner, channels = channels_last(places(index, x_shape)), np.arange(x_shape[1])

    def task(n: int) -> None:
        target[n] = 0
        np.add.at(target[n], (winner[n] * x_shape[1] + channels).reshape(-1), above[n].reshape(-1))

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
