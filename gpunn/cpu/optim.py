"""The rules of gpunn.optim on NumPy arrays: the textbook lines, in pieces that stay in a core's cache.

Every function takes lists with an entry a parameter: the parameters and their states, which it changes, the gradients,
and settings, a tuple of numbers for each, in the order of struct Setting in kernels/optim. `kept` is the caller's dict
in which a twin may keep what it needs at the next step; here nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn.cpu.narrow import cast, is_narrow, largest, rounding_back
from gpunn.cpu.pieces import pieces
from gpunn.restored import restored

Arrays = Sequence[np.ndarray]
States = Sequence[np.ndarray | None]
Settings = Any  # Sequence[tuple]: the functions of a captured step come to no cpu


def sgd(params: Arrays, buffers: States, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: b = momentum b + share d; p -= rate b, with nesterov rate (d + momentum b), without a buffer rate d."""
    if _skipped(kept):
        return
    for param, buffer, grad, setting in zip(params, buffers, grads, settings, strict=True):
        rate, momentum, share, decay, l1, nesterov = setting
        for p, g, *rest in pieces(param, grad, *([] if buffer is None else [buffer])):
            d = _penalised(g, p, decay, l1)
            if rest:
                (b,) = rest
                b *= momentum
                b += d if share == 1 else share * d
                d = d + momentum * b if nesterov else b
            p -= rate * d


def adam(
    params: Arrays, means: Arrays, squares: Arrays, grads: Arrays, settings: Settings, kept: dict
) -> None:
    """Step: m = b1 m + c1 g; v = b2 v + c2 g^2; p -= rate m / (sqrt(v) / root + eps), after p *= keep."""
    if _skipped(kept):
        return
    for param, mean, square, grad, setting in zip(params, means, squares, grads, settings, strict=True):
        keep, decay, l1, b1, c1, b2, c2, root, eps, rate = setting
        for p, g, m, v in pieces(param, grad, mean, square):
            if keep != 1:
                p *= keep
            v *= b2
            d = _add_square(v, _penalised(g, p, decay, l1), c2, largest(square.dtype))
            m *= b1
            m += c1 * d
            p -= rate * (m / (np.sqrt(v) / root + eps))


def rmsprop(
    params: Arrays, squares: Arrays, means: States, buffers: States, grads: Arrays, settings: Settings,
    kept: dict,
) -> None:  # fmt: skip
    """Step: v = alpha v + c g^2; d = g / (sqrt(v - a^2) + eps); p -= rate d, or rate b with b = momentum b + d."""
    if _skipped(kept):
        return
    for *arrays, grad, setting in zip(params, squares, means, buffers, grads, settings, strict=True):
        param, square, mean, buffer = arrays
        rate, alpha, c, eps, momentum, decay, l1 = setting
        for p, g, v, *rest in pieces(param, grad, square, *(x for x in (mean, buffer) if x is not None)):
            v *= alpha
            d = _add_square(v, _penalised(g, p, decay, l1), c, largest(square.dtype))
            spread = v
            if mean is not None:
                a = rest[0]
                a *= alpha
                a += c * d
                spread = np.maximum(v - a * a, 0)  # below 0 by rounding, where all gradients were alike
            d = d / (np.sqrt(spread) + eps)
            if buffer is not None:
                b = rest[-1]
                b *= momentum
                b += d
                d = b
            p -= rate * d


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
    """Add weight times the gradients to the sums, in place; a fresh sum counts as 0, whatever it holds."""
    for total, grad, new in zip(sums, grads, fresh, strict=True):
        if new:
            total[...] = 0
        total += grad * float(weight)


@rounding_back
def divide(arrays: Arrays, divisor: float | np.ndarray) -> None:
    """Divide every element, in place; by a divisor of 0 nothing."""
    for array in arrays:
        array /= float(divisor) or 1.0


def _skipped(kept: dict) -> bool:
    """Whether a step is to change nothing."""
    flag = kept.get("skip")  # contract.SKIP
    return flag is not None and bool(flag[0])


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


def _penalised(g: np.ndarray, p: np.ndarray, decay: float, l1: float) -> np.ndarray:
    """The gradient of loss + decay/2 |p|^2 + l1 |p|_1."""
    if decay:
        g = decay * p + g
    if l1:
        g = g + l1 * np.sign(p)
    return g


@restored
def _add_square(v: np.ndarray, d: np.ndarray, c: float, most: float) -> np.ndarray:
    """Add c d^2 to v, in place, and give the d to go on with; v is kept where numbers are finite up to `most`.

    Where v would be infinite for good, which no step ever leaves, both are what just fits: such a step is as long,
    since it divides one by the root of the other.
    """
    met: list[str] = []
    with np.errstate(over="call", call=lambda problem, _: met.append(problem)):  # a look that costs nothing
        total = d * d
        total *= c
        total += v
    if met or (most < np.finfo(v.dtype).max and (total > most).any()):
        with np.errstate(all="ignore"):
            root = np.sqrt(v.dtype.type(c))
            fits = ~np.isfinite(d) | ~np.isfinite(v)
            total = np.where(fits, total, v + (root * d) ** 2)  # c d^2 may fit where d^2 does not
            over = ~fits & (total > most)
            d = np.where(over, np.copysign(np.sqrt(most - v) / root, d), d)
            total = np.where(over, v.dtype.type(most), total)
    v[...] = total
    return d


def _in_memory_order(a: np.ndarray) -> np.ndarray:
    """The array as a vector, a view where its memory is dense."""
    order = sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis]))
    return a.transpose(order).reshape(-1)
