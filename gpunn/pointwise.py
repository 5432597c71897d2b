"""Elementwise functions in NumPy's and CuPy's own: what the cpu twin computes with, and devices what no kernel takes.

Gradients come first with the result's gradient gy; of y = x / v by v: gy, v and y.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

Function: TypeAlias = Callable[..., Any]
Operand: TypeAlias = np.ndarray | float


def function(xp: ModuleType, name: str) -> Function:
    """The function of this name: one of FUNCTIONS, or the module's own."""
    return partial(FUNCTIONS[name], xp) if name in FUNCTIONS else getattr(xp, name)


def placed(
    xp: ModuleType, x: np.ndarray, shape: tuple[int, ...], first: tuple[int, ...], step: tuple[int, ...], value: float
) -> np.ndarray:
    """An array of this shape and x's memory order: x from `first` on in these steps along each axis, else value."""
    there = shape or (1,)  # CuPy takes shape=() for "not given"
    y = xp.full_like(x, value, shape=there) if value else xp.zeros_like(x, shape=there)
    inside = [slice(at, at + (n - 1) * by + 1 if n else at, by) for n, at, by in zip(x.shape, first, step, strict=True)]
    y = y.reshape(shape)
    y[tuple(inside) or ...] = x
    return y


def _clipped(xp: ModuleType, x: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    wide = x.astype("float32") if x.dtype.kind == "V" else x  # neither module clips bfloat16
    return xp.clip(wide, low, high).astype(x.dtype, copy=False)


def _divide(xp: ModuleType, gy: np.ndarray, v: Operand, y: np.ndarray) -> np.ndarray:
    return -(gy / v) * y


def _sqrt(xp: ModuleType, gy: np.ndarray, y: np.ndarray) -> np.ndarray:
    return gy / (y + y)


def _absolute(xp: ModuleType, gy: np.ndarray, x: np.ndarray) -> np.ndarray:
    return gy * (xp.greater(x, 0).astype(gy.dtype) - xp.less(x, 0)).astype(gy.dtype, copy=False)  # sign(nan): 0


def _clip(xp: ModuleType, gy: np.ndarray, x: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    inside = xp.ones(x.shape, dtype=bool)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return gy * inside


def _chosen(lost: str, xp: ModuleType, gy: np.ndarray, u: Operand, v: Operand) -> np.ndarray:
    """Of the larger or smaller of u and v by u; beside a nan neither is lost: both get the whole gradient."""
    share = 1 - xp.equal(u, v) * gy.dtype.type(0.5)
    return gy * (share - getattr(xp, lost)(u, v)).astype(gy.dtype, copy=False)


def _power(xp: ModuleType, gy: np.ndarray, u: Operand, v: Operand) -> np.ndarray:
    slope = xp.where(xp.equal(v, 0), 0, v * xp.power(u, xp.subtract(v, 1)))
    return gy * slope.astype(gy.dtype)


def _power_log(xp: ModuleType, gy: np.ndarray, u: Operand, v: Operand) -> np.ndarray:
    slope = xp.where(xp.equal(u, 0) & xp.greater_equal(v, 0), 0, xp.power(u, v) * xp.log(u))
    return gy * slope.astype(gy.dtype)


def _logistic(xp: ModuleType, v: np.ndarray) -> np.ndarray:
    below = xp.exp(-abs(v))  # no exponent is positive
    return xp.where(xp.less(v, 0), below, 1) / (1 + below)


def _glu(xp: ModuleType, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (u * _logistic(xp, v)).astype(u.dtype, copy=False)


def _glu_slope(xp: ModuleType, gy: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    share = _logistic(xp, v)
    return (gy * (u * share * (1 - share))).astype(gy.dtype, copy=False)


def _rsqrt(xp: ModuleType, x: np.ndarray) -> np.ndarray:
    return 1 / xp.sqrt(x)


def _sign(xp: ModuleType, x: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f":
        return xp.sign(x)
    return xp.greater(x, 0).astype(x.dtype) - xp.less(x, 0)  # of nan 0, as PyTorch's


def _frac(xp: ModuleType, x: np.ndarray) -> np.ndarray:
    return x - xp.trunc(x)


def _squared_error(xp: ModuleType, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (u - v) * (u - v)


def _squared_error_slope(xp: ModuleType, gy: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return gy * (2 * (v - w))


def _absolute_error(xp: ModuleType, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return xp.abs(u - v)


def _absolute_error_slope(xp: ModuleType, gy: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return gy * (xp.greater(v, w).astype(gy.dtype) - xp.less(v, w))


def _huber(xp: ModuleType, u: np.ndarray, v: np.ndarray, width: float, scale: float) -> np.ndarray:
    near = xp.clip(u - v, -width, width)
    return (u - v - near * 0.5) * near * scale


def _huber_slope(
    xp: ModuleType, gy: np.ndarray, v: np.ndarray, w: np.ndarray, width: float, scale: float
) -> np.ndarray:
    return gy * (xp.clip(v - w, -width, width) * scale)


def _weighed(xp: ModuleType, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    return xp.where(xp.equal(weight, 0) | xp.equal(x, 0), 0, weight * x)


def _logistic_error(xp: ModuleType, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    near = ((1 - v) + v) * xp.log1p(xp.exp(-abs(u)))
    far = _weighed(xp, 1 - v, xp.maximum(u, 0)) + _weighed(xp, v, xp.maximum(-u, 0))
    return (far + near).astype(u.dtype, copy=False)


def _logistic_error_slope(xp: ModuleType, gy: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return (gy * ((1 - w) - _logistic(xp, -v))).astype(gy.dtype, copy=False)


FUNCTIONS: dict[str, Function] = {
    "rsqrt": _rsqrt,
    "frac": _frac,
    "sign": _sign,
    "clip": _clipped,
    "divide_slope": _divide,
    "sqrt_slope": _sqrt,
    "absolute_slope": _absolute,
    "clip_slope": _clip,
    "maximum_slope": partial(_chosen, "less"),
    "minimum_slope": partial(_chosen, "greater"),
    "power_slope": _power,
    "power_log": _power_log,
    "glu": _glu,
    "glu_slope": _glu_slope,
    "squared_error": _squared_error,
    "squared_error_slope": _squared_error_slope,
    "absolute_error": _absolute_error,
    "absolute_error_slope": _absolute_error_slope,
    "huber": _huber,
    "huber_slope": _huber_slope,
    "logistic_error": _logistic_error,
    "logistic_error_slope": _logistic_error_slope,
}


def reads_x(activation: str, options: tuple[float, ...] = ()) -> bool:
    """Whether an activation's slope is told by x alone; of the others y tells it, which is needed further on anyway."""
    turned = activation in ("leaky_relu", "elu") and options[0] < 0  # whose y has not the sign of x
    return turned or activation not in ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "selu", "celu")
