"""Batch normalisation by the statistics of several ranks' batches: each rank's own passes, between which they meet."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.columns import Cut
from gpunn.cpu.layout import rows
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.normalise import Join, moments, normalised, way_back
from gpunn.restored import restored


@in_float32(kept=(1, 2))
@restored
def forward(
    x: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    join: Join,
    residual: np.ndarray | None = None,
    relu: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """y, mean, rstd and what backward is told of a ReLU, y itself; mean, rstd = join(x's mean, x's biased variance)."""
    matrix = rows(x)
    own = moments(matrix, Cut(*matrix.shape)) if x.size else (np.zeros(x.shape[1]), np.zeros(x.shape[1]))
    mean, rstd = join(*own)
    with np.errstate(all="ignore"):
        y = normalised(matrix, x.shape, gamma, beta, mean, rstd**-2.0, 0.0, residual, relu)
    return y, mean, rstd, y if relu else None


@in_float32(kept=(1, 2))
def backward(
    gy: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray | None,
    mean: np.ndarray,
    rstd: np.ndarray,
    join: Join,
    passed: np.ndarray | None = None,
    residual: bool = True,
    relu: bool = False,
    beta: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """gx, ggamma, gbeta and the masked gy; join(ggamma, gbeta) gives their means over all that was normalised."""
    return way_back(gy, x, gamma, mean, rstd, passed, relu, beta, True, join)
