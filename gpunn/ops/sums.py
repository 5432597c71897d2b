"""Sums whose rounding error does not grow with their length."""

from __future__ import annotations

import numpy as np

_LONG = 4096  # addends; below, the error of adding one after another stays under 1e-4, and float64 would cost time


def total(a, axis, keepdims: bool = False):
    """``a.sum(axis, keepdims)``, long float32 sums in float64 where NumPy would add one after another.

    NumPy adds in pairs only along the last axis of contiguous memory. Over the rows of a matrix a million values of
    1000 so lose their third digit, and a variance taken about that mean is of no use. GPUs add in trees.
    """
    axes = tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if a.dtype == np.float32 and isinstance(a, np.ndarray):
        length = np.prod([a.shape[i] for i in axes], dtype=np.int64)
        in_pairs = a.flags.c_contiguous and (a.ndim - 1 in axes or -1 in axes)
        if length >= _LONG and not in_pairs:
            return a.sum(axis=axes, keepdims=keepdims, dtype=np.float64).astype(np.float32)
    return a.sum(axis=axes, keepdims=keepdims)
