"""Sums, means and extremes over axes, with NumPy."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.narrow import in_float32
from gpunn.cpu.sums import added

__all__ = ["reduced"]


@in_float32
def reduced(name: str, x: np.ndarray, axes: tuple[int, ...], factor: np.ndarray | None = None) -> np.ndarray:
    """The "sum", "mean", "max" or "min" of floats, of x or of x times a factor, over axes that stay as 1."""
    x = x if factor is None else x * factor
    if name in ("max", "min"):
        return getattr(x, name)(axis=axes, keepdims=True)
    with np.errstate(all="ignore"):
        y = added(x, axes, True)  # in the dtype in which it was added, for the mean may fit where the sum does not
        y = y / math.prod([x.shape[axis] for axis in axes]) if name == "mean" else y
        return y.astype(x.dtype, copy=False)
