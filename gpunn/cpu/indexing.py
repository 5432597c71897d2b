"""The gradient of an index."""

from __future__ import annotations

from typing import Any

import numpy as np


def add(gy: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """gx of this shape: each element of gy added at the place from which x[index] read it, in gy's order."""
    gx = np.zeros_like(gy, shape=shape, dtype=np.float32 if gy.dtype.itemsize == 2 else gy.dtype)
    np.add.at(gx, index, gy)
    return gx.astype(gy.dtype, copy=False)
