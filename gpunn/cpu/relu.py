"""max(x, 0) and its gradient."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.elementwise import select


def forward(x: np.ndarray) -> np.ndarray:
    """max(x, 0); NaN stays NaN."""
    return np.maximum(x, 0)


def backward(gy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """gy where the unit is on, also where y is NaN; exactly 0 elsewhere, also where gy is infinite or NaN."""
    return select(gy, y != 0, np.empty_like(gy))
