"""What gpunn.optim does to lists of NumPy arrays beside its rules: norms, clipping, averages, sums, a loss's scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpunn.cpu.narrow import cast, is_narrow, rounding_back
from gpunn.cpu.pieces import pieces
from gpunn.restored import restored

Arrays = Sequence[np.ndarray]


@restored
def norm(arrays: Arrays, order: float) -> np.ndarray:
    """The norm, of order > 0, of all arrays taken as one vector: a 0-d array, of 16-bit ones in float32."""
    wide = [cast(array, np.dtype(np.float32)) if is_narrow(array) else array for array in arrays]
    vectors = [_in_memory_order(array) for array in wide if array.size] or [np.zeros(1, wide[0].dtype)]
    with np.errstate(all="ignore"):
        total = _norm(vectors, order)
        least = float(np.finfo(total.dtype).tiny) ** (1 / order) * 2**20
        if math.isinf(order) or least < total < math.inf:
            return total
        peak = max(abs(vector).max() for vector in vectors)  # powers over- or underflowed, or all is 0
        if not 0 < peak < math.inf:
            return total
        return np.asarray(peak * _norm([vector / peak for vector in vectors], order))


def _norm(vectors: Arrays, order: float) -> np.ndarray:
    return np.asarray(np.linalg.norm(np.stack([np.linalg.norm(vector, order) for vector in vectors]), order))


@rounding_back
@restored
def scale(arrays: Arrays, total: np.ndarray, limit: float) -> None:
    """Multiply by min(1, limit / (total + 1e-6)), in place; `total` is a 0-d array, which the host does not read."""
    np.seterr(all="ignore")  # NaN and infinite norms give NaN and zeros, in silence, as on a GPU
    size = total + 1e-6
    factor = np.minimum(1.0, limit / size)
    for array in arrays:
        if factor < 1e-30:  # it may be below the smallest normal number: in two steps, of which the second is exact
            array *= (limit / (size * 2.0**-60)).astype(array.dtype)
            array *= 2.0**-60
        else:
            array *= factor.astype(array.dtype)


@rounding_back
def clamp(arrays: Arrays, limit: float) -> None:
    """Limit every element to [-limit, limit], in place; NaN stays NaN."""
    for array in arrays:
        np.clip(array, -limit, limit, out=array)


def average(means: Arrays, values: Arrays, share: float | np.ndarray, kept: dict) -> None:
    """Move every mean towards its value: m += share (x - m), in place."""
    for mean, value in zip(means, values, strict=True):
        for m, x in pieces(mean, value):
            m += share * (x - m)


@rounding_back
def accumulate(sums: Arrays, grads: Arrays, weight: float | np.ndarray, fresh: Sequence[bool], kept: dict) -> None:
    """Add weight times the gradients to the sums, in place; a fresh sum counts as 0, whatever it holds.

    With a weight of 0 nothing is added: the mean of nothing is NaN, and so are its gradients.
    """
    for total, grad, new in zip(sums, grads, fresh, strict=True):
        if new:
            total[...] = 0
        if weight:
            total += grad * float(weight)


@rounding_back
def divide(arrays: Arrays, divisor: float | np.ndarray) -> None:
    """Divide every element, in place; by a divisor of 0 nothing."""
    for array in arrays:
        array /= float(divisor) or 1.0


@rounding_back
@restored
def unscale(grads: Arrays, state: np.ndarray) -> None:
    """Divide the gradients by state[0], in place; state[3] becomes 1 where one is not finite."""
    with np.errstate(all="ignore"):
        for grad in grads:
            grad *= (1 / state[0]).astype(grad.dtype)
            if not np.isfinite(grad).all():
                state[3] = 1


def rescale(state: np.ndarray, growth: float, backoff: float, every: int) -> None:
    """Make the state that of the next step: its scale times backoff after a bad one, times growth after many good."""
    scale, good, skips, bad = state.tolist()
    if bad:
        state[:] = scale * backoff, 0, skips + 1, 0
    else:
        grows = good + 1 >= every
        larger = scale * growth if grows and scale * growth <= 2.0**126 else scale
        state[:] = larger, 0 if grows else good + 1, skips, 0


def _in_memory_order(a: np.ndarray) -> np.ndarray:
    """The array as a vector, a view where its memory is dense."""
    order = sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis]))
    return a.transpose(order).reshape(-1)
