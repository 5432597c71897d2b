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
from gpunn.cpu.layout import channels_last, empty, padded, scratch
from gpunn.cpu.threads import parallel_for

_MOST_TAPS = 600  # taps * C up to which, and filters up to which, it was faster
_MOST_FILTERS = 64


def suits(win, channels: int, filters: int, groups: int) -> bool:
    """Whether this way is possible, and faster than convnd's."""
    possible = groups == 1 and win.stride[0] == 1 and win.size[0] > 1
    return possible and channels > 1 and win.positions * channels <= _MOST_TAPS and filters <= _MOST_FILTERS


def correlate(x: np.ndarray, matrix: np.ndarray, b: np.ndarray | None, win) -> np.ndarray:
    """y (N, K, *out) from x (N, C, *spatial), the weights as a (taps * C, K) matrix and b (K,) or None."""
    out, filters, taps = win.out(x.shape[2:]), matrix.shape[1], win.size[0]
    y = empty((x.shape[0], filters, *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    weights = np.ascontiguousarray(matrix).reshape(taps, 1, -1, filters)  # BLAS packs a transposed one slowly
    across, width = math.prod(out[1:]), weights.shape[2]
    blocks = Blocks(x.shape[0], out, (width + taps * filters) * x.itemsize)

    def task(i: int) -> None:
        low, high = blocks.span(i)
        image = padded(source[low:high], win.padding)
        for top, bottom in blocks.slabs():
            depth = bottom - top
            rows = _rows(image, win, out, top, depth + (taps - 1) * win.dilation[0])
            down = win.dilation[0] * across * rows.itemsize * width
            steps = (down, rows.strides[0], width * rows.itemsize, rows.itemsize)
            factors = np.ndarray((taps, high - low, depth * across, width), x.dtype, rows, 0, steps)
            parts = scratch("parts", (taps, high - low, depth * across, filters), x.dtype)
            np.matmul(factors, weights, out=parts)
            block = target[low:high, top:bottom].reshape(parts.shape[1:])
            np.add(parts[0], parts[1], out=block)
            for part in parts[2:]:
                block += part
            if b is not None:
                block += b

    parallel_for(task, blocks.count, y.size * matrix.shape[0] // 8)
    return y


def _rows(image: np.ndarray, win, out: tuple[int, ...], top: int, count: int) -> np.ndarray:
    """Rows top to top + count of a padded block, with the windows along each: (n, count, *out[1:], *size[1:], C)."""
    n, row, *spatial, channel = image.strides
    steps = [stride * step for stride, step in zip(spatial, win.stride[1:], strict=True)]
    taps = [stride * dilation for stride, dilation in zip(spatial, win.dilation[1:], strict=True)]
    shape = (len(image), count, *out[1:], *win.size[1:], image.shape[-1])
    copies = scratch("rows", shape, image.dtype)
    np.copyto(copies, np.ndarray(shape, image.dtype, image, top * row, (n, row, *steps, *taps, channel)))
    return copies
