"""Sums over axes in which no digits are lost."""

from __future__ import annotations

import math

import numpy as np

_LONG = 4096  # addends; below, the error of adding one after another stays under 1e-4, and float64 would cost time
_WIDER = {np.dtype(np.float32): np.float64, np.dtype(np.float64): np.longdouble}


def added(a: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """The sum of floats in the dtype in which it was added, for the mean may fit where the sum does not.

    NumPy adds in pairs only along the last axis of contiguous memory, elsewhere one after another: over the rows of a
    matrix a million values of 1000 lose their third digit in float32. Long sums take float64 there, and so does one
    that overflowed.
    """
    dtype = np.dtype(np.float32) if a.dtype.itemsize == 2 else a.dtype
    in_pairs = a.flags.c_contiguous and (a.ndim - 1 in axes or -1 in axes)
    if dtype == np.float32 and not in_pairs and math.prod([a.shape[i] for i in axes]) >= _LONG:
        dtype = np.dtype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        y = a.sum(axis=axes, keepdims=keepdims, dtype=dtype)
        return y if np.isfinite(y).all() else a.sum(axis=axes, keepdims=keepdims, dtype=_WIDER[dtype])
