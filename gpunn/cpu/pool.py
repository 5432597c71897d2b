"""Pooling of any rank on NumPy arrays: a pass over the whole block for each offset in the window, channels last."""

from __future__ import annotations

import math
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn.cpu.elementwise import select
from gpunn.cpu.flat import add_at, flat
from gpunn.cpu.layout import empty, scratch
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for
from gpunn.errors import Known
from gpunn.layout import channels_last
from gpunn.window import Window

_BLOCK = 1 << 16  # output elements to a task


def _images(shape: tuple[int, ...]) -> int:
    """Images to a task: a cache's worth of output, at least two tasks, by shape alone."""
    return max(1, min(_BLOCK // max(1, math.prod(shape[1:])), (shape[0] + 1) // 2))


def _reach(offset: int, step: int, pad: int, size: int, out: int) -> tuple[slice, slice]:
    """For one window offset: the outputs whose element lies inside the input, and those elements."""
    low = max(0, -(-(pad - offset) // step))
    high = min(out, (size - 1 + pad - offset) // step + 1)
    if high <= low:
        return slice(0, 0), slice(0, 0)
    start = low * step - pad + offset
    return slice(low, high), slice(start, start + (high - low - 1) * step + 1, step)


def _offsets(win: Window, in_size: tuple[int, ...], out: tuple[int, ...]):
    """(position, output slices, input slices) of each offset in the window, in row order, on (n, *out, C) blocks."""
    axes = [_steps(win, in_size, out, axis) for axis in range(win.rank)]
    for position, taps in enumerate(product(*axes)):
        outer, inner = zip(*taps, strict=True)
        yield position, (slice(None), *outer), (slice(None), *inner)


def _steps(win: Window, in_size: tuple[int, ...], out: tuple[int, ...], axis: int):
    """(output slice, input slice) of each offset of the window along one axis."""
    taps = range(0, win.size[axis] * win.dilation[axis], win.dilation[axis])
    return [_reach(tap, win.stride[axis], win.padding[axis], in_size[axis], out[axis]) for tap in taps]


def _along(counts: list[np.ndarray], axis: int) -> np.ndarray:
    """One axis's numbers, to be broadcast with (*out, C)."""
    return counts[axis].reshape(-1, *[1] * (len(counts) - axis))


def _first_inside(win: Window, out: tuple[int, ...]) -> np.ndarray:
    """The first window position (*out, 1) that lies inside the input: the winner where all are -inf."""
    first, place = [], np.zeros((1,) * (win.rank + 1), np.int64)
    for axis in range(win.rank):
        start = np.arange(out[axis]) * win.stride[axis] - win.padding[axis]
        first.append(np.maximum(0, -(start // win.dilation[axis])))
    for axis in range(win.rank):
        place = place * win.size[axis] + _along(first, axis)
    return place


@in_float32
def max_forward(x: np.ndarray, win: Window, ceil_mode: bool, wanted: bool = True) -> tuple[np.ndarray, Any]:
    """y and, where ``wanted``, the winner's position (a*R + r)*S + s (smallest unsigned type).

    The first maximum wins, or the last NaN (PyTorch).
    """
    out = win.out(x.shape[2:], ceil_mode)
    shape = (*x.shape[:2], *out)
    y = empty(shape, x.dtype)
    index = empty(shape, np.min_scalar_type(win.positions - 1)) if wanted else None
    source, best, winner = channels_last(x), channels_last(y), None if index is None else channels_last(index)
    offsets, first = list(_offsets(win, x.shape[2:], out)), _first_inside(win, out)
    step = _images(shape)

    def task(i: int) -> None:
        block = slice(i * step, (i + 1) * step)
        a, top = source[block], best[block]
        top[...] = -np.inf
        if winner is None:
            for _, outer, inner in offsets:
                np.maximum(top[outer], a[inner], out=top[outer])
            return
        where = winner[block]
        where[...] = first
        for position, outer, inner in offsets:
            new, old, place = a[inner], top[outer], where[outer]
            # Positions grow, so the last winner is the largest: a maximum does for a copy under a mask.
            won = np.greater(new, old).view(np.uint8)
            np.maximum(place, won * place.dtype.type(position), out=place)
            np.maximum(old, new, out=old)
        if np.isnan(top).any():
            for position, outer, inner in offsets:
                np.copyto(where[outer], position, where=np.isnan(a[inner]))

    parallel_for(task, -(-x.shape[0] // step), y.size * win.positions)
    return y, index


@in_float32
def max_backward(gy: np.ndarray, index: np.ndarray, x_shape: tuple[int, ...], win: Window) -> np.ndarray:
    """gx: each gy added where its window's winner was."""
    out = tuple(gy.shape[2:])
    gx = empty(x_shape, gy.dtype)
    above, winner, target = channels_last(gy), channels_last(index), channels_last(gx)
    offsets = list(_offsets(win, x_shape[2:], out))
    step = _images(tuple(gy.shape))

    def task(i: int) -> None:
        block = slice(i * step, (i + 1) * step)
        a, where, spread = np.ascontiguousarray(above[block]), winner[block], target[block]
        spread[...] = 0
        part = scratch("pooled", a.shape, a.dtype)
        for position, outer, inner in offsets:
            select(a, where == position, out=part)
            spread[inner] += part[outer]

    parallel_for(task, -(-x_shape[0] // step), gy.size * win.positions)
    return gx


def _divisors(
    win: Window, in_size: tuple[int, ...], out: tuple[int, ...], count_include_pad: bool, dtype: DTypeLike
) -> np.ndarray:
    """Elements that each window averages over, (*out, 1) or 0-d: up to the padded edge, or inside the input only."""
    counts = []
    for axis in range(win.rank):
        start = np.arange(out[axis]) * win.stride[axis] - win.padding[axis]
        end = np.minimum(start + win.size[axis], in_size[axis] + win.padding[axis])
        if not count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, in_size[axis])
        counts.append(np.maximum(end - start, 1))
    if all((count == count[:1]).all() and count.size for count in counts):
        return np.asarray(math.prod(int(count[0]) for count in counts), dtype)  # one number divides in long runs
    return reduce(np.multiply, [_along(counts, axis) for axis in range(win.rank)]).astype(dtype)


def _gather(a: np.ndarray, y: np.ndarray, axis: int, steps: list[tuple[slice, slice]]) -> None:
    """y: the sums of a over the window's offsets along one axis of space."""
    before = (slice(None),) * (axis + 1)
    y[...] = 0
    for outer, inner in steps:
        y[(*before, outer)] += a[(*before, inner)]


def _spread(y: np.ndarray, a: np.ndarray, axis: int, steps: list[tuple[slice, slice]]) -> None:
    """The way back: a, to which each y is added at the window's offsets along one axis."""
    _gather(y, a, axis, [(inner, outer) for outer, inner in steps])


@in_float32
def avg_forward(x: np.ndarray, win: Window, ceil_mode: bool, count_include_pad: bool) -> np.ndarray:
    """y: the mean of each window; zeros of the padding count if asked, what hangs over the padded edge never."""
    out = win.out(x.shape[2:], ceil_mode)
    y = empty((*x.shape[:2], *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    steps = [_steps(win, x.shape[2:], out, axis) for axis in range(win.rank)]
    divisors = _divisors(win, x.shape[2:], out, count_include_pad, x.dtype)
    step = _images(tuple(y.shape))

    def task(i: int) -> None:
        block = slice(i * step, (i + 1) * step)
        a, mean = source[block], target[block]
        # The first axes first: whole rows are long runs of memory, single pixels are runs of C.
        for axis in range(win.rank):
            shape = (len(a), *out[: axis + 1], *a.shape[axis + 2 :])
            sums = mean if axis == win.rank - 1 else scratch(f"sums {axis}", shape, a.dtype)
            _gather(a, sums, axis, steps[axis])
            a = sums
        mean /= divisors

    parallel_for(task, -(-x.shape[0] // step), y.size * win.positions)
    return y


@in_float32
def avg_backward(
    gy: np.ndarray, x_shape: tuple[int, ...], win: Window, ceil_mode: bool, count_include_pad: bool
) -> np.ndarray:
    """gx: each gy shared out evenly over its window."""
    out = tuple(gy.shape[2:])
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx)
    steps = [_steps(win, x_shape[2:], out, axis) for axis in range(win.rank)]
    divisors = _divisors(win, x_shape[2:], out, count_include_pad, gy.dtype)
    step = _images(tuple(gy.shape))

    def task(i: int) -> None:
        block = slice(i * step, (i + 1) * step)
        share, spread = above[block] / divisors, target[block]
        for axis in reversed(range(win.rank)):
            shape = (len(share), *out[:axis], *spread.shape[axis + 1 :])
            sums = spread if axis == 0 else scratch(f"sums {axis}", shape, gy.dtype)
            _spread(share, sums, axis, steps[axis])
            share = sums

    parallel_for(task, -(-x_shape[0] // step), gy.size * win.positions)
    return gx


@in_float32
def max_backward_from(
    gy: np.ndarray, place: np.ndarray, x_shape: tuple[int, ...], win: Window | None, known: Known
) -> np.ndarray:
    """gx, from places in the plane; raises PlaceError before anything is computed."""
    windows = win and (_starts(win, gy.shape[2:]), [np.array([size]) for size in win.size], win.dilation)
    return add_at(gy, place, x_shape, windows, known)


def places(index: np.ndarray, x_shape: tuple[int, ...], win: Window) -> np.ndarray:
    """Positions in windows as int64 places (d*H + h)*W + w in the plane; -1 outside of it."""
    return flat(index, win.size, _starts(win, index.shape[2:]), win.dilation, x_shape[2:])


def _starts(win: Window, out: tuple[int, ...]) -> list[np.ndarray]:
    """Where windows begin along each axis."""
    return [np.arange(p) * stride - pad for p, stride, pad in zip(out, win.stride, win.padding, strict=True)]
