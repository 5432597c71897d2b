"""Local response normalisation on NumPy."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.samples import wide


def forward(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> tuple[np.ndarray, np.ndarray]:
    """y = x / divisor^beta of x (N, C, *), and what backward takes: the divisor."""
    b = x.astype(wide(x.dtype), copy=False)
    with np.errstate(over="ignore"):
        divisor = _divisor(b, size, alpha / size, k)
    if not np.isfinite(divisor).all():  # squares past float32
        b = b.astype(np.float64)
        divisor = _divisor(b, size, alpha / size, k)
    return (b * divisor**-beta).astype(x.dtype, copy=False), divisor


def backward(
    gy: np.ndarray, x: np.ndarray, kept: np.ndarray, size: int, alpha: float, beta: float, k: float
) -> np.ndarray:
    """gx, from what forward kept."""
    b, divisor = x.astype(kept.dtype, copy=False), kept
    gx = gy * divisor**-beta
    # A channel stands in the windows of those that it precedes: the window turned round.
    spread = _window_sum(gx * b / divisor, (size - 1) // 2, size // 2)
    spread *= b
    spread *= 2 * alpha * beta / size
    gx -= spread
    return gx.astype(gy.dtype, copy=False)


def _divisor(b: np.ndarray, size: int, scale: float, k: float) -> np.ndarray:
    """k + scale * sum of b^2 over the window."""
    total = _window_sum(b * b, size // 2, (size - 1) // 2)
    total *= scale
    total += k
    return total


def _window_sum(a: np.ndarray, before: int, after: int) -> np.ndarray:
    """Sums over channels c - before to c + after."""
    channels = a.shape[1]
    total = np.zeros_like(a)
    for shift in range(-min(before, channels - 1), min(after, channels - 1) + 1):
        low, high = max(-shift, 0), channels - max(shift, 0)
        total[:, low:high] += a[:, low + shift : high + shift]
    return total
