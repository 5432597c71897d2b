"""2-d pooling on NumPy arrays: one pass over the whole block for each offset in the window, on channels-last memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn.cpu.elementwise import select
from gpunn.cpu.layout import empty, scratch
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for
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
    """(position, output slices, input slices) of each offset in the window, in row order, on (n, P, Q, C) blocks."""
    for r in range(win.size[0]):
        p, h = _reach(r * win.dilation[0], win.stride[0], win.padding[0], in_size[0], out[0])
        for s in range(win.size[1]):
            q, w = _reach(s * win.dilation[1], win.stride[1], win.padding[1], in_size[1], out[1])
            yield r * win.size[1] + s, (slice(None), p, q), (slice(None), h, w)


def _first_inside(win: Window, out: tuple[int, ...]) -> np.ndarray:
    """The first window position (P, Q, 1) that lies inside the input: the winner where all are -inf."""
    first = []
    for axis in range(2):
        start = np.arange(out[axis]) * win.stride[axis] - win.padding[axis]
        first.append(np.maximum(0, -(start // win.dilation[axis])))
    return (first[0][:, None] * win.size[1] + first[1][None, :])[..., None]


@in_float32
def max_forward(
    x: np.ndarray, win: Window, ceil_mode: bool, wanted: bool = True
) -> tuple[np.ndarray, Any]:
    """y and, where ``wanted``, the winner's position r * S + s (smallest unsigned type).

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
    """Elements that each window averages over, (P, Q, 1) or 0-d: up to the padded edge, or inside the input only."""
    counts = []
    for axis in range(2):
        start = np.arange(out[axis]) * win.stride[axis] - win.padding[axis]
        end = np.minimum(start + win.size[axis], in_size[axis] + win.padding[axis])
        if not count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, in_size[axis])
        counts.append(np.maximum(end - start, 1))
    if all((count == count[:1]).all() and count.size for count in counts):
        return np.asarray(counts[0][0] * counts[1][0], dtype)  # one number divides in long runs
    return (counts[0][:, None] * counts[1][None, :])[..., None].astype(dtype)


def _steps(win: Window, in_size: tuple[int, ...], out: tuple[int, ...], axis: int):
    """(output slice, input slice) of each offset of the window along one axis."""
    taps = range(0, win.size[axis] * win.dilation[axis], win.dilation[axis])
    return [_reach(tap, win.stride[axis], win.padding[axis], in_size[axis], out[axis]) for tap in taps]


@in_float32
def avg_forward(x: np.ndarray, win: Window, ceil_mode: bool, count_include_pad: bool) -> np.ndarray:
    """y: the mean of each window; zeros of the padding count if asked, what hangs over the padded edge never."""
    out = win.out(x.shape[2:], ceil_mode)
    y = empty((*x.shape[:2], *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    down, across = (_steps(win, x.shape[2:], out, axis) for axis in range(2))
    divisors = _divisors(win, x.shape[2:], out, count_include_pad, x.dtype)
    step = _images(tuple(y.shape))

    def task(i: int) -> None:
        block = slice(i * step, (i + 1) * step)
        a, mean = source[block], target[block]
        # Rows of the image first: whole rows are long runs of memory, single pixels are runs of C.
        sums = scratch("sums", (len(a), out[0], *a.shape[2:]), a.dtype)
        sums[...] = 0
        for p, h in down:
            sums[:, p] += a[:, h]
        mean[...] = 0
        for q, w in across:
            mean[:, :, q] += sums[:, :, w]
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
    down, across = (_steps(win, x_shape[2:], out, axis) for axis in range(2))
    divisors = _divisors(win, x_shape[2:], out, count_include_pad, gy.dtype)
    step = _images(tuple(gy.shape))

    def task(i: int) -> None:
        block = slice(i * step, (i + 1) * step)
        share, spread = above[block] / divisors, target[block]
        sums = scratch("sums", (len(share), out[0], *spread.shape[2:]), gy.dtype)
        sums[...] = 0
        for q, w in across:
            sums[:, :, w] += share[:, :, q]
        spread[...] = 0
        for p, h in down:
            spread[:, h] += sums[:, p]

    parallel_for(task, -(-x_shape[0] // step), gy.size * win.positions)
    return gx


def _cells(in_size: int, out_size: int) -> list[slice]:
    """PyTorch's adaptive windows: from floor(i * in / out) to ceil((i + 1) * in / out)."""
    return [slice(i * in_size // out_size, -(-(i + 1) * in_size // out_size)) for i in range(out_size)]


@in_float32
def adaptive_avg_forward(x: np.ndarray, out_size: tuple[int, int]) -> np.ndarray:
    """y (N, C, *out_size): the mean of each adaptive window."""
    y = empty((*x.shape[:2], *out_size), x.dtype)
    source, target = channels_last(x), channels_last(y)

    def task(n: int) -> None:
        for p, h in enumerate(_cells(x.shape[2], out_size[0])):
            for q, w in enumerate(_cells(x.shape[3], out_size[1])):
                cell = source[n, h, w]
                target[n, p, q] = cell.sum((0, 1)) / (cell.shape[0] * cell.shape[1])

    parallel_for(task, x.shape[0], x.size)
    return y


@in_float32
def adaptive_avg_backward(gy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """gx: each gy shared out evenly over its adaptive window."""
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx)

    def task(n: int) -> None:
        target[n] = 0
        for p, h in enumerate(_cells(x_shape[2], gy.shape[2])):
            for q, w in enumerate(_cells(x_shape[3], gy.shape[3])):
                cell = target[n, h, w]
                cell += above[n, p, q] / (cell.shape[0] * cell.shape[1])

    parallel_for(task, x_shape[0], gx.size)
    return gx


@in_float32
def adaptive_max_forward(x: np.ndarray, out_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """y (N, C, *out_size) and the winners' flat positions h * W + w in the plane (int32); the last NaN wins."""
    shape = (*x.shape[:2], *out_size)
    y, index = empty(shape, x.dtype), empty(shape, np.int32)
    source, best, winner = channels_last(x), channels_last(y), channels_last(index)
    width = x.shape[3]

    def task(n: int) -> None:
        for p, h in enumerate(_cells(x.shape[2], out_size[0])):
            for q, w in enumerate(_cells(x.shape[3], out_size[1])):
                cell = source[n, h, w]
                flat = np.ascontiguousarray(cell).reshape(-1, x.shape[1])
                where = flat.argmax(0)  # the first maximum, or the first NaN
                broken = np.isnan(flat)
                if broken.any():
                    where = np.where(broken.any(0), len(flat) - 1 - broken[::-1].argmax(0), where)
                best[n, p, q] = np.take_along_axis(flat, where[None], 0)[0]
                winner[n, p, q] = (h.start + where // cell.shape[1]) * width + w.start + where % cell.shape[1]

    parallel_for(task, x.shape[0], x.size)
    return y, index


@in_float32
def adaptive_max_backward(gy: np.ndarray, index: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """gx: each gy added at its winner's place; windows may overlap, so cells are added one after another."""
    gx = empty(x_shape, gy.dtype)
    above, winner = channels_last(gy), channels_last(index)
    target = channels_last(gx).reshape(x_shape[0], x_shape[2] * x_shape[3], x_shape[1])
    channels = np.arange(x_shape[1])

    def task(n: int) -> None:
        target[n] = 0
        for p, q in np.ndindex(*gy.shape[2:]):
            target[n][winner[n, p, q], channels] += above[n, p, q]

    parallel_for(task, x_shape[0], gx.size)
    return gx
