"""Activations. Each keeps for its gradient the one array from which it is cheapest, often y rather than x."""

from __future__ import annotations

import math
from typing import Any

from gpunn.backend import array_module, twins
from gpunn.checks import arrays, check_choice, wants_grad
from gpunn.engine.tensor import record
from gpunn.ops.normal_cdf import normal_cdf
from gpunn.ops.reduce import total, wide


def relu(x) -> Any:
    """max(x, 0); the gradient at 0 is 0."""
    (a,) = arrays("relu", x=x)
    y = twins(a).relu.forward(a)
    return record("relu", y, (x,), lambda gy, needs: (twins(gy).relu.backward(gy, y),))


def leaky_relu(x, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope x."""
    (a,) = arrays("leaky_relu", x=x)
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
    (a,) = arrays("tanh", x=x)
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
    (a,) = arrays("sigmoid", x=x)
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
    (a,) = arrays("softplus", x=x)
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


def prelu(x, weight) -> Any:
    """x where x > 0, else weight x; weight holds one slope, or one a channel of x (N, C, *) (He et al., 2015)."""
    a, w = arrays("prelu", x=x, slope=weight)
    channels = a.shape[1] if a.ndim > 1 else 1
    if w.shape not in ((1,), (channels,)):
        raise ValueError(
            f"prelu: weight is {w.shape}, expected (1,) or ({channels},), one a channel of x {a.shape}; "
            f"set num_parameters={channels}"
        )
    xp, per_channel = array_module(a), w.size > 1
    slopes = w.reshape(-1, *(1,) * (a.ndim - 2)) if per_channel else w.reshape(())
    y = xp.where(a > 0, a, a * slopes)
    summed = tuple(i for i in range(a.ndim) if not per_channel or i != 1)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any, Any]:
        gx = xp.where(a > 0, gy, gy * slopes) if needs[0] else None
        gw = total(wide(xp.where(a > 0, 0, gy * a)), summed) if needs[1] else None
        return gx, gw if gw is None else gw.reshape(w.shape).astype(gy.dtype, copy=False)

    return record("prelu", y, (x, weight), backward)


def elu(x, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al., 2016)."""
    (a,) = arrays("elu", x=x)
    xp, alpha = array_module(a), float(alpha)
    y = xp.expm1(xp.minimum(a, 0))
    y *= alpha
    y += xp.maximum(a, 0)
    # With alpha >= 0 the sign of y is x's, and alpha exp(x) is y + alpha; a negative alpha needs x itself.
    kept = y if alpha >= 0 else a

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        slopes = kept + alpha if alpha >= 0 else alpha * xp.exp(xp.minimum(kept, 0))
        return (xp.where(kept > 0, gy, gy * slopes),)

    return record("elu", y, (x,), backward)


def silu(x) -> Any:
    """x sigmoid(x), also called swish (Hendrycks and Gimpel, 2016; Elfwing et al., 2017)."""
    (a,) = arrays("silu", x=x)
    s = stable_sigmoid(a)
    y = a * s
    slope = None
    if wants_grad(x):  # s + y (1 - s)
        slope = 1 - s
        slope *= y
        slope += s
    return record("silu", y, (x,), lambda gy, needs: (gy * slope,))


def gelu(x, approximate: str = "none") -> Any:
    """x times the standard normal distribution's cdf at x (Hendrycks and Gimpel, 2016).

    approximate "none" is exact to a few roundings, also far left where 1 + erf would cancel; "tanh" is
    0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), at most 5e-4 away.
    """
    check_choice("gelu", "approximate", approximate, ("none", "tanh"))
    (a,) = arrays("gelu", x=x)
    b = wide(a).reshape(a.shape or (1,))  # what NumPy computes of a 0-d array is a number, which holds no out=
    half, density = normal_cdf(b) if approximate == "none" else _tanh_cdf(b)
    y = (b * half).astype(a.dtype, copy=False).reshape(a.shape)
    slope = None
    if wants_grad(x):  # (x F(x))' = F(x) + x F'(x)
        density *= b
        density += half
        slope = density.astype(a.dtype, copy=False).reshape(a.shape)
    return record("gelu", y, (x,), lambda gy, needs: (gy * slope,))


def _tanh_cdf(b: Any) -> tuple[Any, Any]:
    """(1 + tanh(u)) / 2 with u = sqrt(2 / pi) (b + 0.044715 b^3), and its slope."""
    rate, cubic = math.sqrt(2 / math.pi), 0.044715
    b = array_module(b).clip(b, -40, 40)  # the tanh is +-1 from 6 on, and cubes would overflow
    squared = b * b
    u = squared * (rate * cubic)
    u += rate
    u *= b
    t = array_module(b).tanh(u, out=u)
    slope = 1 - t * t
    squared *= 1.5 * rate * cubic
    squared += 0.5 * rate
    slope *= squared
    t += 1
    t *= 0.5
    return t, slope
