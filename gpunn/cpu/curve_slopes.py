"""Gradients of activations in blocks that stay in the cache: of gpunn.cpu.curves, from what its forward kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn.cpu.curves import SELU, SELU_LOW, WITH_SLOPE
from gpunn.cpu.logistic import into
from gpunn.cpu.over import held, like, ones, over, pick, pick_beyond, zeros


def backward(name: str, gy: np.ndarray, kept: np.ndarray, options: tuple[float, ...]) -> np.ndarray:
    """gx, from what forward kept."""
    if name in WITH_SLOPE:
        return gy * kept
    return over(lambda a, above, gx: _BACKWARD[name](above, a, gx, *options), kept, gy)[0]


def _relu_back(gy, y, gx):
    """gy where the unit is on, also where y is NaN; exactly 0 elsewhere, also where gy is infinite or NaN."""
    pick(gy, y != 0, gx)


def _leaky_relu_back(gy, kept, gx, slope):
    gx[...] = kept > 0
    gx *= 1 - slope
    gx += slope
    gx *= gy


def _sigmoid_back(gy, y, gx):
    np.subtract(1, y, out=gx)
    gx *= y
    gx *= gy


def _softplus_back(gy, a, gx, beta, threshold):
    z = np.multiply(a, beta, out=like(a, "z"))
    far = z > threshold
    into(gx, z)
    gx *= gy
    if far.any():
        np.copyto(gx, gy, where=far)


def _hardtanh_back(gy, a, gx, low, high):
    out = a <= low
    out |= a >= high
    pick(gy, np.logical_not(out, out=out), gx)


def _elu_back(gy, kept, gx, alpha):
    if alpha == 1:  # min(y, 0) + 1 is 1 right of 0
        np.minimum(kept, zeros(kept), out=gx)
        gx += 1
        gx *= gy
        return
    slopes = kept + alpha if alpha >= 0 else alpha * np.exp(np.minimum(kept, zeros(kept)))
    gx[...] = np.where(kept > 0, gy, gy * slopes)


def _hardsigmoid_back(gy, a, gx):
    pick(np.multiply(gy, 1 / 6, out=like(a, "part")), np.abs(a, out=gx) < 3, gx)


def _hardswish_back(gy, a, gx):
    """1/2 + a / 3 between -3 and 3; held to -1 and 1, the third loses half of itself where it is one of the two."""
    held(a, -3.0, 3.0, gx)
    gx *= 1 / 3
    part = np.trunc(gx, out=like(a, "part"))
    part *= 0.5
    gx -= part
    gx += 0.5
    gx *= gy
    if not np.isfinite(np.vdot(gx, gx)):  # 0 of what is infinite or NaN, too
        gx[a <= -3] = 0


def _shrink_back(gy, a, gx, width):
    pick_beyond(gy, a, width, gx)


def _threshold_back(gy, a, gx, at, value):
    pick(gy, ~(a <= at), gx)


def _selu_back(gy, y, gx):
    np.minimum(y, zeros(y), out=gx)
    gx += SELU_LOW
    up = ones(y > 0, y, "up")
    up *= SELU - SELU_LOW
    gx += up
    gx *= gy


def _celu_back(gy, y, gx, alpha):
    np.divide(np.minimum(y, zeros(y), out=gx), alpha, out=gx)
    gx += 1
    gx *= gy


def _softsign_back(gy, a, gx):
    np.abs(a, out=gx)
    gx += 1
    np.divide(gy, gx, out=(part := like(a, "part")))
    np.divide(part, gx, out=gx)


_BACKWARD: dict[str, Callable[..., None]] = {
    "relu": _relu_back,
    "leaky_relu": _leaky_relu_back,
    "sigmoid": _sigmoid_back,
    "softplus": _softplus_back,
    "hardtanh": _hardtanh_back,
    "elu": _elu_back,
    "hardsigmoid": _hardsigmoid_back,
    "hardswish": _hardswish_back,
    "hardshrink": _shrink_back,
    "softshrink": _shrink_back,
    "threshold": _threshold_back,
    "selu": _selu_back,
    "celu": _celu_back,
    "softsign": _softsign_back,
}
