"""Dropping at random on plain arrays: the twin of gpunn.cuda.dropout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn.cpu.narrow import in_float32, is_narrow
from gpunn.random import Draw


def drop(
    x: np.ndarray, mask_shape: tuple[int, ...], p: float, draw: Draw | np.ndarray
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """x, each element 0 with probability p, else times 1 / (1 - p); and the function that does so to a gradient.

    The mask has a number of `draw` for each of its elements, in logical order, and is broadcast to x. It is kept for
    the gradient: to make it anew would take longer than to read it. One of x's size takes a byte a number and is scaled
    when used; one of few numbers is scaled once.
    """
    assert isinstance(draw, Draw)  # no graph is captured here
    keep, scale = draw.uint32(mask_shape) >= p * 2**32, 0.0 if p == 1 else 1 / (1 - p)
    factor = (keep * scale).astype(np.float32 if is_narrow(x) else x.dtype) if keep.size < x.size else None

    @in_float32
    def masked(values: np.ndarray) -> np.ndarray:
        y = np.empty_like(values)  # in memory as they lie, whichever way the mask does
        if factor is not None:
            return np.multiply(values, factor, out=y)
        np.multiply(values, keep, out=y)
        y *= scale
        return y

    return np.asarray(masked(x)), masked
