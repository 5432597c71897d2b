"""The rules of gpunn.optim on NumPy arrays: the textbook lines, in pieces that stay in a core's cache.

Every function takes lists with an entry a parameter: the parameters and their states, which it changes, the gradients,
and settings, a tuple of numbers for each, in the order of struct Setting in kernels/optim. `kept` is the caller's dict
in which a twin may keep what it needs at the next step; here nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn.cpu.narrow import largest
from gpunn.cpu.optim_gradients import accumulate, average, clamp, divide, norm, rescale, scale, unscale
from gpunn.cpu.pieces import pieces
from gpunn.restored import restored

__all__ = [
    "accumulate", "adadelta", "adam", "adamax", "asgd", "average", "clamp", "divide", "norm", "rescale", "rmsprop",
    "rprop", "scale", "sgd", "unscale",
]  # fmt: skip

Arrays = Sequence[np.ndarray]
States = Sequence[np.ndarray | None]
Settings = Any  # Sequence[tuple]: the functions of a captured step come to no cpu


def sgd(params: Arrays, buffers: States, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: b = momentum b + share d; p -= rate b, with nesterov rate (d + momentum b), without a buffer rate d."""
    if _skipped(kept):
        return
    for param, buffer, grad, setting in zip(params, buffers, grads, settings, strict=True):
        rate, momentum, share, decay, l1, nesterov, maximize = setting
        for p, g, *rest in pieces(param, grad, *([] if buffer is None else [buffer])):
            d = _penalised(g, p, decay, l1, maximize)
            if rest:
                (b,) = rest
                b *= momentum
                b += d if share == 1 else share * d
                d = d + momentum * b if nesterov else b
            p -= rate * d


def adam(
    params: Arrays, means: Arrays, squares: Arrays, peaks: States, grads: Arrays, settings: Settings, kept: dict
) -> None:
    """Step: m = b1 m + c1 g; v = b2 v + c2 g^2; p -= rate m / (sqrt(v) / root + eps), after p *= keep.

    Where there is a peak, it becomes the largest v so far, and stands for v; where ahead is not 0, share m + ahead g
    stands for m.
    """
    if _skipped(kept):
        return
    for param, mean, square, peak, grad, setting in zip(
        params, means, squares, peaks, grads, settings, strict=True
    ):  # fmt: skip
        keep, decay, l1, b1, c1, b2, c2, root, eps, rate, share, ahead, maximize = setting
        for p, g, m, v, *rest in pieces(param, grad, mean, square, *([] if peak is None else [peak])):
            if keep != 1:
                p *= keep
            v *= b2
            d = _add_square(v, _penalised(g, p, decay, l1, maximize), c2, largest(square.dtype))
            m *= b1
            m += c1 * d
            for top in rest:
                np.maximum(top, v, out=top)
            size = np.sqrt(rest[0] if rest else v) / root + eps
            p -= rate * ((share * m + ahead * d if ahead else m) / size)


def rmsprop(
    params: Arrays, squares: Arrays, means: States, buffers: States, grads: Arrays, settings: Settings,
    kept: dict,
) -> None:  # fmt: skip
    """Step: v = alpha v + c g^2; d = g / (sqrt(v - a^2) + eps); p -= rate d, or rate b with b = momentum b + d."""
    if _skipped(kept):
        return
    for *arrays, grad, setting in zip(params, squares, means, buffers, grads, settings, strict=True):
        param, square, mean, buffer = arrays
        rate, alpha, c, eps, momentum, decay, l1, maximize = setting
        for p, g, v, *rest in pieces(param, grad, square, *(x for x in (mean, buffer) if x is not None)):
            v *= alpha
            d = _add_square(v, _penalised(g, p, decay, l1, maximize), c, largest(square.dtype))
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


def adadelta(params: Arrays, squares: Arrays, moves: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: v = rho v + c g^2; d = g sqrt(a + eps) / sqrt(v + eps); a = rho a + c d^2; p -= rate d."""
    if _skipped(kept):
        return
    for param, square, move, grad, setting in zip(params, squares, moves, grads, settings, strict=True):
        rate, rho, c, eps, decay, l1, maximize = setting
        for p, g, v, a in pieces(param, grad, square, move):
            v *= rho
            d = _add_square(v, _penalised(g, p, decay, l1, maximize), c, largest(square.dtype))
            d = d / np.sqrt(v + eps) * np.sqrt(a + eps)
            a *= rho
            a += c * (d * d)
            p -= rate * d


def adamax(params: Arrays, means: Arrays, peaks: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: m = b1 m + c1 g; u = max(b2 u, |g| + eps); p -= rate m / u."""
    if _skipped(kept):
        return
    for param, mean, peak, grad, setting in zip(params, means, peaks, grads, settings, strict=True):
        rate, b1, c1, b2, eps, decay, l1, maximize = setting
        for p, g, m, u in pieces(param, grad, mean, peak):
            d = _penalised(g, p, decay, l1, maximize)
            m *= b1
            m += c1 * d
            u *= b2
            np.maximum(u, abs(d) + eps, out=u)
            p -= rate * (m / u)


def rprop(params: Arrays, previous: Arrays, steps: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: p -= sign(g) s, where s is multiplied by plus while g keeps its sign, by minus where that turns.

    Where it turns g counts as 0 for now; s stays between least and most.
    """
    if _skipped(kept):
        return
    for param, before, size, grad, setting in zip(params, previous, steps, grads, settings, strict=True):
        minus, plus, least, most, maximize = setting
        for p, g, b, s in pieces(param, grad, before, size):
            d = -g if maximize else g
            turn = np.sign(d) * np.sign(b)  # their product may be too small for a float
            s *= np.where(turn > 0, plus, np.where(turn < 0, minus, turn + 1)).astype(s.dtype)  # NaN stays NaN
            np.clip(s, least, most, out=s)
            b[...] = np.where(turn < 0, 0, d)
            p -= np.sign(b) * s


def asgd(params: Arrays, means: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: p = keep p - rate g; a += share (p - a)."""
    if _skipped(kept):
        return
    for param, mean, grad, setting in zip(params, means, grads, settings, strict=True):
        keep, rate, share, decay, l1, maximize = setting
        for p, g, a in pieces(param, grad, mean):
            d = _penalised(g, p, decay, l1, maximize)
            p *= keep
            p -= rate * d
            if share == 1:
                a[...] = p
            else:
                a += share * (p - a)


def _skipped(kept: dict) -> bool:
    """Whether a step is to change nothing."""
    flag = kept.get("skip")  # contract.SKIP
    return flag is not None and bool(flag[0])


def _penalised(g: np.ndarray, p: np.ndarray, decay: float, l1: float, maximize: float) -> np.ndarray:
    """The gradient of loss + decay/2 |p|^2 + l1 |p|_1, or with minus the loss."""
    if maximize:
        g = -g
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
