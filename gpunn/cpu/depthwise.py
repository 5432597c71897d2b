"""Depthwise convolution of any rank: one filter, or a few, to each channel, so there is nothing for BLAS to multiply.

Every pass is one `numpy.einsum` over all taps of an image: its inner loop is a multiply-add on contiguous memory (0.14
ns an element and tap; a product and a sum by ufuncs take 0.23). At stride 1 a row of positions times channels lies in
memory as one run, at every tap, so the weights are repeated along it: 96 channels alone are too short a loop.
"""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.layout import empty, padded, scratch
from gpunn.cpu.threads import parallel_for
from gpunn.layout import channels_last
from gpunn.window import Window

_TILED = 1 << 16  # elements of the repeated weights: 256 KB of float32, which stay in the L2 cache
_PARTS = 16  # partial sums of the weights' gradient


class _Rows:
    """Windows of a channels-last block whose last output axis is folded into runs of `fold` positions * channels."""

    def __init__(self, win: Window, out: tuple[int, ...], filters: int) -> None:
        most = min(out[-1], _TILED // max(1, math.prod(win.size) * filters)) if win.stride[-1] == 1 else 1
        self.fold = next((f for f in range(most, 1, -1) if out[-1] % f == 0), 1)
        self.win, self.run = win, self.fold * filters
        self.shape = (*out[:-1], out[-1] // self.fold, self.run)
        rank = len(out)
        self.at, self.taps, self.both = [*range(rank), 2 * rank], [*range(rank, 2 * rank + 1)], [*range(2 * rank + 1)]

    def windows(self, block: np.ndarray) -> np.ndarray:
        """The view (*out, *size, run) of a C-contiguous (*spatial, K) block."""
        *spatial, item = block.strides
        steps = [stride * step for stride, step in zip(spatial, self.win.stride, strict=True)]
        steps[-1] *= self.fold
        taps = [stride * step for stride, step in zip(spatial, self.win.dilation, strict=True)]
        shape = (*self.shape[:-1], *self.win.size, self.run)
        return np.ndarray(shape, block.dtype, block, 0, (*steps, *taps, item))

    def tile(self, values: np.ndarray) -> np.ndarray:
        """(..., K) repeated along a run."""
        return np.tile(values, self.fold)

    def correlate(self, block: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
        """out (*out, K) = the block's windows times the tiled weights (*size, run), summed over the taps."""
        np.einsum(self.windows(block), self.both, weights, self.taps, self.at, out=out.reshape(self.shape))

    def weigh(self, block: np.ndarray, gy: np.ndarray, out: np.ndarray) -> None:
        """out (*size, run) = the block's windows times gy (*out, K), summed over the positions."""
        np.einsum(self.windows(block), self.both, gy.reshape(self.shape), self.at, self.taps, out=out)


def suits(w_shape: tuple[int, ...], groups: int) -> bool:
    """Whether each group is one channel."""
    return w_shape[1] == 1 and groups > 1


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, win: Window) -> np.ndarray:
    """y (N, K, *out) = x (N, C, *spatial) correlated with w (K, 1, *size), plus b (K,)."""
    out, filters, copies = win.out(x.shape[2:]), w.shape[0], w.shape[0] // x.shape[1]
    y = empty((x.shape[0], filters, *out), x.dtype)
    source, target = channels_last(x), channels_last(y)
    rows = _Rows(win, out, filters)
    weights = rows.tile(_taps(w))
    shift = None if b is None else rows.tile(b)

    def task(i: int) -> None:
        rows.correlate(_framed(source[i], win, copies), weights, target[i])
        if shift is not None:
            part = target[i].reshape(rows.shape)
            part += shift

    parallel_for(task, x.shape[0], y.size * math.prod(win.size))
    return y


def grad_input(gy: np.ndarray, w: np.ndarray, x_shape: tuple[int, ...], win: Window) -> np.ndarray:
    """gx (N, C, *spatial): gy, with stride - 1 zeros between its elements, correlated with the turned weights."""
    rank, filters, spatial = len(win.size), w.shape[0], x_shape[2:]
    gx = empty(x_shape, gy.dtype)
    above, target = channels_last(gy), channels_last(gx)
    frame = tuple(size + extent - 1 for size, extent in zip(spatial, win.extent, strict=True))
    whole = [_overlap(*axis) for axis in zip(gy.shape[2:], frame, win.extent, win.padding, win.stride, strict=True)]
    taken, place = tuple(part[0] for part in whole), tuple(part[1] for part in whole)
    rows = _Rows(Window(win.size, (1,) * rank, (0,) * rank, win.dilation), spatial, filters)
    weights = rows.tile(_taps(w)[(slice(None, None, -1),) * rank])

    def task(i: int) -> None:
        block = scratch("frame", (*frame, filters), gy.dtype)
        block[...] = 0
        block[place] = above[i][taken]
        if filters == x_shape[1]:
            rows.correlate(block, weights, target[i])
        else:
            spread = scratch("spread", (*spatial, filters), gy.dtype)
            rows.correlate(block, weights, spread)
            np.sum(spread.reshape(*spatial, x_shape[1], -1), axis=-1, out=target[i])

    parallel_for(task, x_shape[0], math.prod(x_shape) * math.prod(win.size))
    return gx


def _overlap(count: int, frame: int, extent: int, padding: int, stride: int) -> tuple[slice, slice]:
    """Which of an axis's `count` gradients lie in the frame, and where: the q-th at q stride + extent - 1 - padding."""
    start = extent - 1 - padding
    first = max(0, -(start // stride))
    last = max(first, min(count, (frame - 1 - start) // stride + 1))
    low = start + first * stride
    return slice(first, last), slice(low, low + (last - first) * stride, stride)


def grad_weight(gy: np.ndarray, x: np.ndarray, w_shape: tuple[int, ...], win: Window) -> np.ndarray:
    """gw (K, 1, *size), its memory K, *size: partial sums over a few images each, added up in float64."""
    images, filters, out = x.shape[0], w_shape[0], tuple(gy.shape[2:])
    rows, copies, parts = _Rows(win, out, filters), filters // x.shape[1], min(images, _PARTS)
    sums = np.zeros((parts, *win.size, filters), x.dtype)
    source, above = channels_last(x), channels_last(gy)

    def task(part: int) -> None:
        total = scratch("total", (*win.size, rows.run), x.dtype)
        for i in range(part * images // parts, (part + 1) * images // parts):
            rows.weigh(_framed(source[i], win, copies), np.ascontiguousarray(above[i]), total)
            sums[part] += total.reshape(*win.size, rows.fold, filters).sum(-2)

    parallel_for(task, parts, gy.size * math.prod(win.size))
    gw = empty(w_shape, x.dtype)
    channels_last(gw)[..., 0] = np.moveaxis(sums.sum(0, dtype=np.float64), -1, 0)
    return gw


def _taps(w: np.ndarray) -> np.ndarray:
    """(K, 1, *size) as a C-contiguous (*size, K)."""
    return np.ascontiguousarray(np.moveaxis(w[:, 0], 0, -1))


def _framed(image: np.ndarray, win: Window, copies: int) -> np.ndarray:
    """One image (*spatial, C) with zeros around it, each channel `copies` times."""
    image = image if copies == 1 else np.repeat(image, copies, axis=-1)
    return padded(image[None], win.padding)[0]
