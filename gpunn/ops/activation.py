"""Activations. Each keeps for its gradient the one array from which it is cheapest, often y rather than x."""

from __future__ import annotations

import math
from typing import Any

from gpunn.backend import array_module, kernels
from gpunn.ops.checks import axis_of, floats
from gpunn.tensor import record


def relu(x) -> Any:
    """max(x, 0); the gradient at 0 is 0."""
    (a,) = floats("relu", x=x)
    y = kernels(a).relu.forward(a)
    return record("relu", y, (x,), lambda gy, needs: (kernels(gy).relu.backward(gy, y),))


def leaky_relu(x, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope x."""
    (a,) = floats("leaky_relu", x=x)
    xp, slope = array_module(a), float(negative_slope)
    # For 0 <= slope <= 1 the larger of the two lines is the right one.
    y = xp.maximum(a, a * slope) if 0 <= slope <= 1 else xp.where(a > 0, a, a * slope)
    kept = y if slope >= 0 else a  # y > 0 where x > 0, and y is needed further on anyway

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        slopes = (kept > 0).astype(gy.dtype)
        slopes *= 1 - slope
        slopes += slope
        slopes *= gy
        return (slopes,)

    return record("leaky_relu", y, (x,), backward)


def tanh(x) -> Any:
    """Hyperbolic tangent."""
    (a,) = floats("tanh", x=x)
    y = array_module(a).tanh(a)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        gx = y * y
        gx -= 1
        gx *= gy
        gx *= -1
        return (gx,)

    return record("tanh", y, (x,), backward)


def sigmoid(x) -> Any:
    """1 / (1 + exp(-x)), without overflow and to full relative precision at both ends."""
    (a,) = floats("sigmoid", x=x)
    y = stable_sigmoid(a)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        gx = 1 - y
        gx *= y
        gx *= gy
        return (gx,)

    return record("sigmoid", y, (x,), backward)


def stable_sigmoid(a: Any) -> Any:
    """exp(min(a, 0)) / (1 + exp(-|a|)) on a plain array: no exponent is positive."""
    xp = array_module(a)
    y = xp.exp(xp.minimum(a, 0))
    below = xp.exp(-xp.abs(a))
    below += 1
    y /= below
    return y


def softplus(x, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    (a,) = floats("softplus", x=x)
    xp, beta = array_module(a), float(beta)
    if beta == 0 or not math.isfinite(beta):
        raise ValueError(f"softplus: beta is {beta}, expected a finite number other than 0")
    scaled = a * beta
    y = stable_softplus(scaled)
    y /= beta
    y = xp.where(scaled > threshold, a, y)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        scaled = a * beta
        return (xp.where(scaled > threshold, gy, gy * stable_sigmoid(scaled)),)

    return record("softplus", y, (x,), backward)


def stable_softplus(a: Any) -> Any:
    """log(1 + exp(a)) on a plain array as max(a, 0) + log1p(exp(-|a|))."""
    xp = array_module(a)
    y = xp.log1p(xp.exp(-xp.abs(a)))
    y += xp.maximum(a, 0)
    return y


def softmax(x, dim: int) -> Any:
    """exp(x) / sum of exp(x) along dim."""
    (a,) = floats("softmax", x=x)
    axis = axis_of("softmax", a, dim)
    y = softmax_of(a, axis)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        gx = gy * y
        along = gx.sum(axis=axis, keepdims=True)
        gx -= y * along
        return (gx,)

    return record("softmax", y, (x,), backward)


def softmax_of(a: Any, axis: int) -> Any:
    """softmax on a plain array."""
    if a.ndim == 0:
        return array_module(a).ones_like(a)
    y = shifted(a, axis)
    array_module(a).exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x, dim: int) -> Any:
    """x - log(sum of exp(x)) along dim."""
    (a,) = floats("log_softmax", x=x)
    axis = axis_of("log_softmax", a, dim)
    y = log_softmax_of(a, axis)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        gx = array_module(y).exp(y)
        gx *= gy.sum(axis=axis, keepdims=True) if gy.ndim else gy
        return (gy - gx,)

    return record("log_softmax", y, (x,), backward)


def log_softmax_of(a: Any, axis: int) -> Any:
    """log_softmax on a plain array."""
    xp = array_module(a)
    if a.ndim == 0 or a.size == 0:
        return xp.zeros_like(a)
    y = shifted(a, axis)
    y -= xp.log(xp.exp(y).sum(axis=axis, keepdims=True))
    return y


def shifted(a: Any, axis: int) -> Any:
    """A copy of `a` less its maximum along axis, so that no exponential overflows; empty axes stay as they are."""
    return a - a.max(axis=axis, keepdims=True) if a.shape[axis] else a.copy()
