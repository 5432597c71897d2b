"""The logistic function on plain arrays."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.over import ones


def logistic(x: np.ndarray) -> np.ndarray:
    """exp(min(x, 0)) / (1 + exp(-|x|)): no exponent is positive."""
    y = np.exp(np.minimum(x, 0))
    below = np.exp(-np.abs(x))
    below += 1
    y /= below
    return y


def into(y: np.ndarray, x: np.ndarray) -> None:
    """The same bits of a block into other memory; exp(min(x, 0)) is 1, or what the divisor has."""
    np.exp(np.negative(np.abs(x, out=y), out=y), out=y)
    above = ones(x >= 0, x, "above")
    np.maximum(y, above, out=above)
    y += 1
    np.divide(above, y, out=y)
