"""Local response normalisation (Krizhevsky et al., 2012)."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.checks import arrays, as_count
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.tensor import record
from gpunn.ops.reduce import wide
from gpunn.restored import restored


@restored
def local_response_norm(x: A, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> A:
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta, for x (N, C, *).

    The window reaches size // 2 channels back and (size - 1) // 2 ahead, and is cut off at the first and last channel.
    Section 3.3 of the paper does not divide by size: its alpha 1e-4 at size 5 is 5e-4 here.

    >>> ops.local_response_norm(np.ones((1, 3, 1)), 3, alpha=3.0).round(3)[0, :, 0]
    array([0.439, 0.354, 0.439])
    """
    (a,) = arrays("local_response_norm", x=x)
    size = as_count("local_response_norm", "size", size)
    if a.ndim < 3:
        raise ValueError(
            f"local_response_norm: x has {a.ndim} dimensions {a.shape}, expected (N, C, L) or more; reshape it"
        )
    before, after = size // 2, (size - 1) // 2
    b = wide(a)
    with np.errstate(over="ignore"):
        total = _divisor(b, before, after, alpha / size, k)
    if isinstance(total, np.ndarray) and not np.isfinite(total).all():  # squares past float32; a GPU is not asked
        b = b.astype(np.float64)
        total = _divisor(b, before, after, alpha / size, k)
    y = (b * total**-beta).astype(a.dtype, copy=False)

    def backward(gy: Array, needs: Needs) -> Gradients:
        b = a.astype(total.dtype, copy=False)
        gx = gy * total**-beta
        # A channel stands in the windows of those that it precedes: the window turned round.
        spread = _window_sum(gx * b / total, after, before)
        spread *= b
        spread *= 2 * alpha * beta / size
        gx -= spread
        return (gx.astype(gy.dtype, copy=False),)

    return record("local_response_norm", y, (x,), backward)


def _divisor(b: Array, before: int, after: int, scale: float, k: float) -> Array:
    """k + scale * sum of b^2 over the window."""
    total = _window_sum(b * b, before, after)
    total *= scale
    total += k
    return total


def _window_sum(a: Array, before: int, after: int) -> Array:
    """Sums over channels c - before to c + after."""
    channels = a.shape[1]
    total = array_module(a).zeros_like(a)
    for shift in range(-min(before, channels - 1), min(after, channels - 1) + 1):
        low, high = max(-shift, 0), channels - max(shift, 0)
        total[:, low:high] += a[:, low + shift : high + shift]
    return total
