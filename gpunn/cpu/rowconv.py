"""Convolution of few channels: a product for each row of the window, so that a third of the copying is left.

`convnd` copies each element once for every tap. Where rows follow each other (stride 1 down the image) only the taps
along a row need copies: the matrix of window row r is then the copied rows r, r + 1, ... as they lie in memory. The
R products are added. With 16 channels and 3x3 windows this takes 37 us an image where convnd takes 46; with hundreds of
channels the product is all that counts, and one long one is better than three.
"""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.blocks import Blocks
from gpunn.cpu.layout import empty, padded, scratch
from gpunn.cpu.threads import parallel_for
from gpunn.layout import channels_last
from gpunn.window import Window

_MOST_TAPS = 600  # taps * C up to which, and filters up to which, it was faster
_MOST_FILTERS = 64
_MOST_SUMS = 16  # partial sums of the weights' gradient, each as large as the weights


def suits(win: Window, channels: int, filters: int, groups: int) -> bool:
    """Whether this way is possible, and faster than convnd's."""
    possible = groups == 1 and win.stride[0] == 1 and win.size[0] > 1
    return possible and channels > 1 and win.positions * channels <= _MOST_TAPS and filters <= _MOST_FILTERS


def correlate(x: np.ndarray, matrix: np.ndarray, b: np.ndarray | None, win: Window) -> np.ndarray:
    """y (N, K, *out) from x (N, C, *spatial), the weights as a (taps * C, K) matrix and b (K,) or None."""
    out, filters, taps = win.out(x.shape[2:]), matrix.shape[1], win.size[0]
    y = empty((x.shape[0], filters, *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    weights = np.ascontiguousarray(matrix).reshape(taps, 1, -1, filters)  # BLAS packs a transposed one slowly
    blocks = Blocks(x.shape[0], out, (weights.shape[2] + taps * filters) * x.itemsize)

    def task(i: int) -> None:
        low, high = blocks.span(i)
        image = padded(source[low:high], win.padding)
        for top, bottom in blocks.slabs():
            factors = _factors(image, win, out, top, bottom)
            parts = scratch("parts", (*factors.shape[:-1], filters), x.dtype)
            np.matmul(factors, weights, out=parts)
            block = target[low:high, top:bottom].reshape(parts.shape[1:])
            np.add(parts[0], parts[1], out=block)
            for part in parts[2:]:
                block += part
            if b is not None:
                block += b

    parallel_for(task, blocks.count, y.size * matrix.shape[0] // 8)
    return y


def grad_weight(gy: np.ndarray, x: np.ndarray, w_shape: tuple[int, ...], win: Window) -> np.ndarray:
    """gw (K, C, *size), its memory K, *size, C: a product for each image and window row, added in a fixed order."""
    filters, channels, taps, *along = w_shape
    width, out = math.prod(along) * channels, tuple(gy.shape[2:])
    blocks = Blocks(x.shape[0], out, (width + filters) * x.itemsize)
    shares = min(blocks.count, _MOST_SUMS)
    sums = np.zeros((shares, taps, filters, width), x.dtype)
    source, above = channels_last(x), channels_last(gy)

    def task(share: int) -> None:
        for i in range(share * blocks.count // shares, (share + 1) * blocks.count // shares):
            low, high = blocks.span(i)
            image, errors = padded(source[low:high], win.padding), np.ascontiguousarray(above[low:high])
            for top, bottom in blocks.slabs():
                factors = _factors(image, win, out, top, bottom)
                error = errors[:, top:bottom].reshape(*factors.shape[1:3], filters).swapaxes(1, 2)
                parts = scratch("parts", (taps, high - low, filters, width), x.dtype)
                sums[share] += np.matmul(error, factors, out=parts).sum(1)

    parallel_for(task, shares, gy.size * width * taps // 8)
    total = sums.sum(0).reshape(taps, filters, *along, channels)
    gw = empty(w_shape, x.dtype)
    np.copyto(channels_last(gw), total.swapaxes(0, 1))
    return gw


def _factors(image: np.ndarray, win: Window, out: tuple[int, ...], top: int, bottom: int) -> np.ndarray:
    """The matrices (taps, n, positions, width) whose products with each window row's weights add up to rows top:bottom.

    They are one copy, seen from `taps` places: not to be written to.
    """
    down, across = win.dilation[0], math.prod(out[1:])
    rows = _rows(image, win, out, top, bottom - top + (win.size[0] - 1) * down)
    width = rows[0, 0].size // across
    item = rows.itemsize
    steps = (down * across * width * item, rows.strides[0], width * item, item)
    shape = (win.size[0], len(image), (bottom - top) * across, width)
    return np.ndarray(shape, rows.dtype, rows, 0, steps)


def _rows(image: np.ndarray, win: Window, out: tuple[int, ...], top: int, count: int) -> np.ndarray:
    """Rows top to top + count of a padded block, with the windows along each: (n, count, *out[1:], *size[1:], C)."""
    n, row, *spatial, channel = image.strides
    steps = [stride * step for stride, step in zip(spatial, win.stride[1:], strict=True)]
    taps = [stride * dilation for stride, dilation in zip(spatial, win.dilation[1:], strict=True)]
    shape = (len(image), count, *out[1:], *win.size[1:], image.shape[-1])
    copies = scratch("rows", shape, image.dtype)
    np.copyto(copies, np.ndarray(shape, image.dtype, image, top * row, (n, row, *steps, *taps, channel)))
    return copies
