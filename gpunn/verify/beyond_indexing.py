"""Rows of tables, images in another size and at the places of a grid past 2^31 elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn import taps
from gpunn.backend import Array, faults
from gpunn.cuda import grid_sample, indexing, reduce, resample
from gpunn.errors import RowError
from gpunn.reference import grid_sample as places
from gpunn.reference.resample import resample as oracle
from gpunn.verify.space import Beyond, Space, exact, numbers

ROWS, COLUMNS = 2**20 + 2, 2048
I64 = np.dtype(np.int64)


def indices(space: Space) -> Iterator[Beyond]:
    """Large tables, many numbers, gradients of many rows, images in another size and at places."""
    yield from _rows(space)
    yield _segments(space)
    yield from _resampled(space)
    for channels_last in (True, False):
        yield from _sampled(space, channels_last)
    yield _sampled_each(space)


def _rows(space: Space) -> Iterator[Beyond]:
    """The last two rows of a table, and the last two numbers of many."""
    last = numbers("table", 2, COLUMNS)

    def run(table: Array, index: Array) -> tuple:
        y = indexing.rows(table, index, "embedding")
        if space.on_emulator:  # the last block that would have put the ticket back is not the last of all
            faults.watch(index, RowError.of, "embedding", len(table))[0][0] = 0
        return (y[-2:],)

    def of_many() -> tuple:
        table = space.zeros(ROWS, COLUMNS)
        table[-2:] = space.give(last)
        return run(table, space.give(np.array([ROWS - 1, ROWS - 2])))

    def to_many() -> tuple:
        index = space.zeros(ROWS, dtype=I64)
        index[-1] = 1
        return run(space.give(last), index)

    yield Beyond("indexing.rows", "a table", 5, 2, of_many, lambda: exact(last[::-1]))
    yield Beyond("indexing.rows", "2^20 numbers", 5, 1, to_many, lambda: exact(last))


def _segments(space: Space) -> Beyond:
    """The last two rows of gy go to one place."""
    last = numbers("gy", 2, COLUMNS)

    def run() -> tuple:
        gy, order = space.zeros(ROWS, COLUMNS), np.arange(ROWS)
        gy[-2:] = space.give(last)
        starts = np.append(order[:-1], ROWS)
        return (reduce.segment_sums(gy, space.give(starts), space.give(order))[-2:],)

    want = np.stack([np.zeros(COLUMNS), np.asarray(last, np.float64).sum(axis=0)])
    return Beyond("reduce.segment_sums", "2^20 rows", 10, 24, run, lambda: exact(want))


def _resampled(space: Space) -> Iterator[Beyond]:
    """The last of many images, twice as large, or half."""
    larger = taps.linear(16, 32, None, False), taps.linear(32, 64, None, False)
    smaller = taps.linear(32, 16, None, False), taps.linear(64, 32, None, False)
    for axes, shape in ((larger, (16, 16, 32)), (smaller, (16, 32, 64))):
        for channels_last in (True, False):
            yield _image(space, axes, numbers("x", *shape), channels_last)


def _image(space: Space, axes: tuple[taps.Taps, ...], last: np.ndarray, channels_last: bool) -> Beyond:
    samples = 2**31 // 2**15 + 2

    def run() -> tuple:
        return (resample.resample(space.image(samples, last, channels_last), axes)[-1:],)

    def want() -> tuple:
        return ((oracle(np.asarray(last, np.float64)[None], axes), 4, None),)

    name = f"2^16 images of {last.shape[1]} rows{', channels-last' if channels_last else ''}"
    return Beyond("resample.taps", name, 6, 128, run, want)


def _sampled(space: Space, channels_last: bool) -> Iterator[Beyond]:
    """The last of many images, read at as many places as it has pixels."""
    samples, last, how = 2**31 // 2**13 + 2, numbers("sampled", 16, 16, 32), ("bilinear", "reflection", True)
    at = numbers("places", 16, 32, 2)

    def given() -> tuple[Array, Array]:
        grid = space.zeros(samples, *at.shape)
        grid[-1] = space.give(at)
        return space.image(samples, last, channels_last), grid

    def run() -> tuple:
        return (grid_sample.forward(*given(), *how)[-1:],)

    def run_backward() -> tuple:
        x, grid = given()
        return tuple([one[-1:] for one in grid_sample.backward(x, x, grid, *how, (True, True)) if one is not None])

    x, grid = np.asarray(last, np.float64)[None], np.asarray(at, np.float64)[None]

    def want() -> tuple:
        return ((places.grid_sample(x, grid, *how), 4, None),)

    def want_backward() -> tuple:
        return tuple([(one, 512, None) for one in places.grid_sample_backward(x, x, grid, *how)])

    name = f"2^18 images{', channels-last' if channels_last else ''}"
    yield Beyond("grid_sample.forward", name, 10, 8, run, want)
    yield Beyond("grid_sample.backward", name, 11, 8, run_backward, want_backward)


def _sampled_each(space: Space) -> Beyond:
    """As many threads as places: images of one channel."""
    samples, last, at = 2**31 // 2**10 + 2, numbers("sampled", 1, 2, 4), numbers("places", 32, 32, 2)

    def run() -> tuple:
        grid = space.zeros(samples, *at.shape)
        grid[-1] = space.give(at)
        return (grid_sample.forward(space.image(samples, last, False), grid, "nearest", "border", True)[-1:],)

    x, grid = np.asarray(last, np.float64)[None], np.asarray(at, np.float64)[None]
    want = places.grid_sample(x, grid, "nearest", "border", True)
    return Beyond("grid_sample.forward", "2^21 images of one channel", 14, 4, run, lambda: exact(want))
