"""Activations: forward gives y and the one array from which the gradient is cheapest, often y rather than x."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn.cpu import curves
from gpunn.cpu.elementwise import select
from gpunn.cpu.gelu import gelu
from gpunn.cpu.logistic import logistic
from gpunn.cpu.narrow import in_float32
from gpunn.pointwise import reads_x
from gpunn.restored import restored

Options = tuple[float, ...]


@in_float32
def forward(name: str, x: np.ndarray, options: Options, wanted: bool) -> tuple[np.ndarray, np.ndarray]:
    """y, and what backward takes; ``wanted`` says whether there will be a backward."""
    if name in curves.NAMES:
        return curves.forward(name, x, options, wanted)
    return _FORWARD[name](x, *options, wanted=wanted)


@in_float32
def backward(name: str, gy: np.ndarray, kept: np.ndarray, options: Options) -> np.ndarray:
    """gx, from what forward kept."""
    return curves.backward(name, gy, kept, options) if name in curves.NAMES else _BACKWARD[name](gy, kept, *options)


@in_float32
def slopes(name: str, gy: np.ndarray, seen: np.ndarray, options: Options) -> np.ndarray:
    """gx, from x where gpunn.pointwise.reads_x says so, else from y; in memory it lies as that one does."""
    if gy.strides != seen.strides:
        given, gy = gy, np.empty_like(seen)
        gy[...] = given
    kept = forward(name, seen, options, True)[1] if reads_x(name, options) else seen
    return backward(name, gy, kept, options)


# ---------------------------------------------------------------- forward
def _relu(x, wanted):
    y = np.maximum(x, 0)
    return y, y


@restored
def _leaky_relu(x, slope, wanted):
    if 0 < slope <= 1:
        y = np.maximum(x, x * slope)  # the larger of the two lines is the right one
    else:
        with np.errstate(invalid="ignore"):  # 0 times infinity, which is not taken
            y = np.where(x > 0, x, x * slope)
    return y, y if slope >= 0 else x  # y > 0 where x > 0, and y is needed further on anyway


def _tanh(x, wanted):
    y = np.tanh(x)
    return y, y


def _sigmoid(x, wanted):
    y = logistic(x)
    return y, y


def _softplus(x, beta, threshold, wanted):
    scaled = x * beta
    y = np.log1p(np.exp(-np.abs(scaled)))  # log(1 + exp(a)) is max(a, 0) + log1p(exp(-|a|))
    y += np.maximum(scaled, 0)
    y /= beta
    return np.where(scaled > threshold, x, y), x


def _hardtanh(x, low, high, wanted):
    return np.clip(x, low, high), x


def _elu(x, alpha, wanted):
    y = np.expm1(np.minimum(x, 0))
    y *= alpha
    y += np.maximum(x, 0)
    # With alpha >= 0 the sign of y is x's, and alpha exp(x) is y + alpha; a negative alpha needs x itself.
    return y, y if alpha >= 0 else x


@restored
def _silu(x, wanted):
    s = logistic(x)
    with np.errstate(invalid="ignore"):  # -inf times 0
        y = x * s
    if not wanted:
        return y, y
    slope = 1 - s  # s + y (1 - s)
    slope *= y
    slope += s
    return y, slope


def _gelu(x, wanted):
    return gelu(x, wanted, tanh=False)


def _gelu_tanh(x, wanted):
    return gelu(x, wanted, tanh=True)


# ---------------------------------------------------------------- backward
def _relu_backward(gy, y):
    """gy where the unit is on, also where y is NaN; exactly 0 elsewhere, also where gy is infinite or NaN."""
    return select(gy, y != 0, np.empty_like(gy))


def _leaky_relu_backward(gy, kept, slope):
    slopes = (kept > 0).astype(gy.dtype)
    slopes *= 1 - slope
    slopes += slope
    slopes *= gy
    return slopes


def _tanh_backward(gy, y):
    gx = y * y
    gx -= 1
    gx *= gy
    gx *= -1
    return gx


def _sigmoid_backward(gy, y):
    gx = 1 - y
    gx *= y
    gx *= gy
    return gx


def _softplus_backward(gy, x, beta, threshold):
    scaled = x * beta
    return np.where(scaled > threshold, gy, gy * logistic(scaled))


def _hardtanh_backward(gy, x, low, high):
    return select(gy, ~((x <= low) | (x >= high)), np.empty_like(gy))


def _elu_backward(gy, kept, alpha):
    slopes = kept + alpha if alpha >= 0 else alpha * np.exp(np.minimum(kept, 0))
    return np.where(kept > 0, gy, gy * slopes)


def _times_slope(gy, slope):
    return gy * slope


_FORWARD: dict[str, Callable] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "hardtanh": _hardtanh,
    "elu": _elu,
    "silu": _silu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}
_BACKWARD: dict[str, Callable] = {
    "relu": _relu_backward,
    "leaky_relu": _leaky_relu_backward,
    "tanh": _tanh_backward,
    "sigmoid": _sigmoid_backward,
    "softplus": _softplus_backward,
    "hardtanh": _hardtanh_backward,
    "elu": _elu_backward,
    "silu": _times_slope,
    "gelu": _times_slope,
    "gelu_tanh": _times_slope,
}
