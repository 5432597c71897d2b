"""Channels-last memory, padding and reusable scratch memory for the NumPy twins."""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import DTypeLike

from gpunn.layout import as_channels_last
from gpunn.window import Window

_KEEP = 1 << 23  # scratch above 8 MB is not kept
_local = threading.local()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An (N, C, *spatial)-shaped array whose memory is channels-last, and its own: a view of nothing."""
    channels, spatial = shape[1], shape[2:]
    item = np.dtype(dtype).itemsize
    steps = [channels * math.prod(spatial[i:]) * item for i in range(len(spatial) + 1)]
    return np.ndarray(shape, dtype, None, 0, (steps[0], item, *steps[1:]))


def rows(x: np.ndarray) -> np.ndarray:
    """(N, C, *spatial) as a C-contiguous (N * positions, C) matrix: a view of channels-last memory, else a copy."""
    return as_channels_last(x).reshape(math.prod((x.shape[0], *x.shape[2:])), x.shape[1])


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Uninitialised memory that this thread reuses under `name`: valid until its next call with that name."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    kept: dict[str, np.ndarray] = _local.__dict__.setdefault("kept", {})
    block = kept.get(name)
    if block is None or block.nbytes < size:
        block = np.empty(max(size, 1), np.uint8)
        if size <= _KEEP:
            kept[name] = block
    return np.ndarray(shape, dtype, block)


def padded(x: np.ndarray, padding: tuple[int, ...], name: str = "padded") -> np.ndarray:
    """A channels-last (n, *spatial, C) block with zeros around it, in scratch memory, or x itself where it serves."""
    if not any(padding) and x.flags.c_contiguous:
        return x
    spatial = tuple(size + 2 * pad for size, pad in zip(x.shape[1:-1], padding, strict=True))
    block = scratch(name, (x.shape[0], *spatial, x.shape[-1]), x.dtype)
    for axis, pad in enumerate(padding, start=1):
        if pad:
            where: list[slice] = [slice(None)] * x.ndim
            where[axis] = slice(0, pad)
            block[tuple(where)] = 0
            where[axis] = slice(block.shape[axis] - pad, None)
            block[tuple(where)] = 0
    inner = (slice(None), *(slice(pad, pad + size) for pad, size in zip(padding, x.shape[1:-1], strict=True)))
    block[inner] = x
    return block


def windows(x: np.ndarray, win: Window, out: tuple[int, ...]) -> np.ndarray:
    """Every window of a C-contiguous channels-last block, as a view (n, *out, *win.size, C) to read from."""
    n, *spatial, channel = x.strides
    steps = [stride * step for stride, step in zip(spatial, win.stride, strict=True)]
    taps = [stride * dilation for stride, dilation in zip(spatial, win.dilation, strict=True)]
    shape = (x.shape[0], *out, *win.size, x.shape[-1])
    return np.ndarray(shape, x.dtype, x, 0, (n, *steps, *taps, channel))  # as_strided, at a tenth of its cost


def keep_freed_memory() -> None:
    """Let glibc hold on to freed memory up to 64 MB, by freeing one large block that is never touched.

    glibc raises its limits for handing memory back to the largest block freed so far (mallopt(3), M_MMAP_THRESHOLD).
    With the limits of a small network each step gave its activations back and took them again, page by page: 900
    page faults and 1.4 of 5.6 ms of a LeNet-5 step. Elsewhere than in glibc this does nothing.
    """
    np.empty(31 << 20, np.uint8)
