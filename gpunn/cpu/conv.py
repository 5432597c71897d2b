"""Convolution of any rank as matrix products on channels-last memory.

A block of output positions is gathered into a matrix `cols` (positions, taps * channels) that stays in the L2 cache,
and one BLAS call multiplies it. The whole im2col matrix, taps times as large as the input, never exists. What a block
is depends on the shape alone, and partial sums are added in a fixed order: results do not depend on threads.
"""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu import activation as activations
from gpunn.cpu import depthwise, rowconv
from gpunn.cpu.blocks import BYTES, Blocks
from gpunn.cpu.columns import column_sums
from gpunn.cpu.layout import empty, padded, scratch, windows
from gpunn.cpu.narrow import in_float32, operands
from gpunn.cpu.threads import parallel_for
from gpunn.layout import channels_last
from gpunn.window import Window

_FEW_CHANNELS = 2  # up to here cols are gathered tap by tap, along image rows
_SMALL_WEIGHT = 1 << 20


def _weight_rows(w: np.ndarray) -> np.ndarray:
    """(K, C, *size) as a C-contiguous (K, taps * C) matrix, taps outermost."""
    return _reordered(channels_last(w), 0).reshape(w.shape[0], math.prod(w.shape[1:]))


def _turned_rows(w: np.ndarray) -> np.ndarray:
    """(K, C, *size) as a C-contiguous (taps * K, C) matrix with the taps in reverse: the weights of gx = gy * w."""
    turned = w.transpose(*range(2, w.ndim), 0, 1)[(slice(None, None, -1),) * (w.ndim - 2)]
    return _reordered(turned, -2).reshape(math.prod(w.shape[2:]) * w.shape[0], w.shape[1])


def _reordered(view: np.ndarray, axis: int) -> np.ndarray:
    """A C-contiguous copy of a view of weights, made by two threads along `axis`: its elements are far apart."""
    if view.flags.c_contiguous:
        return view
    if view.size < _SMALL_WEIGHT >> 4:
        return np.ascontiguousarray(view)
    copy = np.empty(view.shape, view.dtype)
    source, target = np.moveaxis(view, axis, 0), np.moveaxis(copy, axis, 0)
    parallel_for(lambda i: np.copyto(target[i::2], source[i::2]), 2, view.size)
    return copy


def _gather(view: np.ndarray, low: int, high: int, group: slice) -> np.ndarray:
    """The windows (n, *out, *size, C) of slab low:high as a (positions, taps * C) matrix; no copy where it is one."""
    part = view[:, low:high, ..., group]
    rank = (part.ndim - 2) // 2
    positions, width = math.prod(part.shape[: rank + 1]), math.prod(part.shape[rank + 1 :])
    if part.flags.c_contiguous:
        return part.reshape(positions, width)
    few = part.shape[-1] <= _FEW_CHANNELS  # runs of a window's row would be S * C short: copy along image rows instead
    if few:
        part = part.transpose(*range(rank + 1, part.ndim), *range(rank + 1))
    cols = scratch("cols", part.shape, part.dtype)
    np.copyto(cols, part)
    return cols.reshape(width, positions).T if few else cols.reshape(positions, width)


def in_memory_order(x: np.ndarray) -> np.ndarray:
    """x as the passes read it, so that several of them share one copy: here they read any order."""
    return x


@in_float32
def forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    win: Window,
    groups: int,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """y (N, K, *out) = x (N, C, *spatial) correlated with w (K, C/groups, *size), plus b (K,) and what is like y.

    Then the activation.
    """
    x, w = operands(x, w)
    if depthwise.suits(w.shape, groups):
        y = depthwise.forward(x, w, b, win)
    else:
        y = _correlate(x, _weight_rows(w).T, b, win, groups)
    if residual is not None:
        y = np.add(y, residual, out=y)
    return y if activation is None else activations.forward(activation, y, (), wanted=False)[0]


def _correlate(x: np.ndarray, matrix: np.ndarray, b: np.ndarray | None, win: Window, groups: int) -> np.ndarray:
    """`forward` with the weights as a (taps * C / groups, K) matrix."""
    if rowconv.suits(win, x.shape[1], matrix.shape[1], groups):
        return rowconv.correlate(x, matrix, b, win)
    out, filters = win.out(x.shape[2:]), matrix.shape[1]
    y = empty((x.shape[0], filters, *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    per_c, per_k = x.shape[1] // groups, filters // groups
    blocks = Blocks(x.shape[0], out, matrix.shape[0] * x.itemsize)

    def task(i: int) -> None:
        low, high = blocks.span(i)
        view = windows(padded(source[low:high], win.padding), win, out)
        for top, bottom in blocks.slabs():
            block = target[low:high, top:bottom].reshape(-1, filters)
            for g in range(groups):
                part = slice(g * per_k, (g + 1) * per_k)
                cols = _gather(view, top, bottom, slice(g * per_c, (g + 1) * per_c))
                np.matmul(cols, matrix[:, part], out=block[:, part])
            if b is not None:
                block += b

    parallel_for(task, blocks.count, y.size * matrix.shape[0] // 8)
    return y


@in_float32
def grad_weight(
    gy: np.ndarray, x: np.ndarray, w_shape: tuple[int, ...], win: Window, groups: int, bias: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """gw (K, C/groups, *size), its memory K, *size, C; and with ``bias`` gb (K,), else None."""
    above, below = operands(gy, x)
    return _grad_weight(above, below, w_shape, win, groups), column_sums(gy) if bias else None


def _grad_weight(gy: np.ndarray, x: np.ndarray, w_shape: tuple[int, ...], win: Window, groups: int) -> np.ndarray:
    """The sum over images and positions of gy times its window."""
    if rowconv.suits(win, x.shape[1], w_shape[0], groups):
        return rowconv.grad_weight(gy, x, w_shape, win)
    if depthwise.suits(w_shape, groups):
        return depthwise.grad_weight(gy, x, w_shape, win)
    filters, per_c, *size = w_shape
    width, per_k = math.prod(size) * per_c, filters // groups
    out = tuple(gy.shape[2:])
    blocks = Blocks(x.shape[0], out, width * x.itemsize)
    # Big weights: two partial sums, since each costs as much memory as the weights; small ones: up to sixteen.
    parts = min(blocks.count, max(2, min(16, _SMALL_WEIGHT // max(1, filters * width))))
    sums = np.zeros((max(parts, 1), filters, width), x.dtype)
    source, above = channels_last(x), channels_last(gy)

    def task(part: int) -> None:
        total, fresh = sums[part], True
        for i in range(part * blocks.count // parts, (part + 1) * blocks.count // parts):
            low, high = blocks.span(i)
            view = windows(padded(source[low:high], win.padding), win, out)
            errors = np.ascontiguousarray(above[low:high])
            for top, bottom in blocks.slabs():
                error = errors[:, top:bottom].reshape(-1, filters)
                product = total if fresh else scratch("product", total.shape, x.dtype)
                for g in range(groups):
                    k = slice(g * per_k, (g + 1) * per_k)
                    cols = _gather(view, top, bottom, slice(g * per_c, (g + 1) * per_c))
                    np.matmul(error[:, k].T, cols, out=product[k])
                if not fresh:
                    total += product
                fresh = False

    parallel_for(task, parts, gy.size * width // 8)
    gw = empty(w_shape, x.dtype)
    _add_up(sums, channels_last(gw).reshape(filters, width))
    return gw


def _add_up(parts: np.ndarray, total: np.ndarray) -> None:
    """total (K, width) = the sum of parts (J, K, width), in their order; half of the rows a task."""
    step = -(-len(total) // 2)

    def add(i: int) -> None:
        k = slice(i * step, (i + 1) * step)
        np.copyto(total[k], parts[0, k])
        for other in parts[1:]:
            total[k] += other[k]

    parallel_for(add, 2, parts.size)


@in_float32
def grad_bias(gy: np.ndarray) -> np.ndarray:
    """gb (K,): gy summed over all but the channels."""
    return column_sums(gy)


@in_float32
def grad_input(gy: np.ndarray, w: np.ndarray, x_shape: tuple[int, ...], win: Window, groups: int) -> np.ndarray:
    """gx (N, C, *spatial): each gy spread over its window, weighted by w."""
    gy, w = operands(gy, w)
    if depthwise.suits(w.shape, groups):
        return depthwise.grad_input(gy, w, x_shape, win)
    if groups == 1 and _flips(w.shape, x_shape, gy.shape, win):
        return _flipped(gy, w, win)
    return _scatter(gy, w, x_shape, win, groups)


def _flips(w_shape, x_shape, gy_shape, win: Window) -> bool:
    """Whether gx is cheaper as a convolution of gy with flipped weights than by spreading products."""
    fits = all(e > p for e, p in zip(win.extent, win.padding, strict=True)) and set(win.stride) == {1}
    gathered = math.prod(x_shape[2:]) * w_shape[0]
    spread = math.prod(gy_shape[2:]) * w_shape[1]
    return fits and math.prod(win.size) > 1 and gathered <= 2 * spread


def _flipped(gy: np.ndarray, w: np.ndarray, win: Window) -> np.ndarray:
    """gx as the correlation of gy with w turned around and its K and C swapped."""
    padding = tuple(e - 1 - p for e, p in zip(win.extent, win.padding, strict=True))
    return _correlate(gy, _turned_rows(w), None, type(win)(win.size, win.stride, padding, win.dilation), 1)


def _tap_slices(win: Window, taps: tuple[int, ...], out: tuple[int, ...]) -> tuple[slice, ...]:
    """Where in the padded input the window positions at offset `taps` lie."""
    starts = [t * d for t, d in zip(taps, win.dilation, strict=True)]
    return tuple(
        slice(start, start + (size - 1) * step + 1, step)
        for start, size, step in zip(starts, out, win.stride, strict=True)
    )


def _scatter(gy: np.ndarray, w: np.ndarray, x_shape: tuple[int, ...], win: Window, groups: int) -> np.ndarray:
    """col2im, one tap at a time: a product (positions, C), added at the tap's offset."""
    out, spatial, channels = tuple(gy.shape[2:]), x_shape[2:], x_shape[1]
    filters, per_c = w.shape[:2]
    per_k = filters // groups
    taps = list(np.ndindex(*win.size))
    weights = np.ascontiguousarray(w.transpose(*range(2, w.ndim), 0, 1)).reshape(len(taps), filters, per_c)
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx)
    frame = tuple(size + 2 * pad for size, pad in zip(spatial, win.padding, strict=True))
    inner = (slice(None), *(slice(p, p + s) for p, s in zip(win.padding, spatial, strict=True)))
    images = max(1, min(BYTES // max(1, math.prod(frame) * channels * gy.itemsize), (x_shape[0] + 1) // 2))

    def task(i: int) -> None:
        low, high = i * images, min(x_shape[0], (i + 1) * images)
        matrix = np.ascontiguousarray(above[low:high]).reshape(-1, filters)
        whole = scratch("frame", (high - low, *frame, channels), gy.dtype) if any(win.padding) else target[low:high]
        whole[...] = 0
        product = scratch("product", (matrix.shape[0], channels), gy.dtype)
        for tap, weight in zip(taps, weights, strict=True):
            for g in range(groups):
                k, c = slice(g * per_k, (g + 1) * per_k), slice(g * per_c, (g + 1) * per_c)
                np.matmul(matrix[:, k], weight[k], out=product[:, c])
            place = whole[(slice(None), *_tap_slices(win, tap, out))]
            place += product.reshape(high - low, *out, channels)
        if any(win.padding):
            target[low:high] = whole[inner]

    parallel_for(task, -(-x_shape[0] // images), gy.size * len(taps) * per_c // 8)
    return gx
