"""The logistic function on plain arrays."""

from __future__ import annotations

import numpy as np


def logistic(x: np.ndarray) -> np.ndarray:
    """exp(min(x, 0)) / (1 + exp(-|x|)): no exponent is positive."""
    y = np.exp(np.minimum(x, 0))
    below = np.exp(-np.abs(x))
    below += 1
    y /= below
    return y
