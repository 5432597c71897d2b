"""Gated linear units in blocks that stay in the cache."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.logistic import into
from gpunn.cpu.over import like, over


def glu(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """u times the logistic function of v, of arrays of one shape."""
    return over(_glu, u, v)[0]


def glu_slope(gy: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """gy u s (1 - s), the gradient of u s by v, s the logistic function of v."""
    return over(_glu_slope, gy, u, v)[0]


def _glu(u: np.ndarray, v: np.ndarray, y: np.ndarray) -> None:
    into(y, v)
    y *= u


def _glu_slope(gy: np.ndarray, u: np.ndarray, v: np.ndarray, gx: np.ndarray) -> None:
    into(gx, v)
    gx *= np.subtract(1, gx, out=like(u, "rest"))
    gx *= u
    gx *= gy
