"""Gated linear units in blocks that stay in the cache."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.logistic import into
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.over import like, over, over_into


def glu(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """u times the logistic function of v, of arrays of one shape."""
    return over(_glu, u, v)[0]


def glu_slope(gy: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """gy u s (1 - s), the gradient of u s by v, s the logistic function of v."""
    return over(_glu_slope, gy, u, v)[0]


@in_float32
def backward(gy: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """gx, of a unit whose u and v are x's halves along the axis: for both of them one logistic function."""
    gx = np.empty_like(x)
    over_into(_slopes, (gy, *np.split(x, 2, axis)), np.split(gx, 2, axis))
    return gx


def _glu(u: np.ndarray, v: np.ndarray, y: np.ndarray) -> None:
    into(y, v)
    y *= u


def _glu_slope(gy: np.ndarray, u: np.ndarray, v: np.ndarray, gx: np.ndarray) -> None:
    _slopes(gy, u, v, like(u, "gu"), gx)


def _slopes(gy: np.ndarray, u: np.ndarray, v: np.ndarray, gu: np.ndarray, gv: np.ndarray) -> None:
    into(gv, v)
    np.multiply(gy, gv, out=gu)
    np.subtract(1, gv, out=gv)
    gv *= u
    gv *= gu
