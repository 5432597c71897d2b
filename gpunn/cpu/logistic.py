"""The logistic function on plain arrays."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.over import filled, like

_FLAT = 40.0  # from here on it is 1, in float64 too


def into(y: np.ndarray, x: np.ndarray) -> None:
    """y = e / (1 + e) of a block, into other memory or its own.

    With e = exp(min(x, 40)) nothing overflows, and what is small keeps its digits.
    """
    above = like(x, "above")
    np.exp(np.minimum(x, filled(x, _FLAT), out=above), out=above)
    np.add(above, 1, out=y)
    np.divide(above, y, out=y)
