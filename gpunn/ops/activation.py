"""Activations. Each keeps for its gradient the one array from which it is cheapest, often y rather than x."""

from __future__ import annotations

import math

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, asarray, device_of, twins
from gpunn.checks import arrays, check_choice, wants_grad
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.comparison import greater
from gpunn.ops.elementwise import applied
from gpunn.ops.in_place import into
from gpunn.ops.out import with_out
from gpunn.ops.precision import like
from gpunn.ops.reduce import total, wide
from gpunn.scalars import as_number


@with_out
def relu(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """max(x, 0); the gradient at 0 is 0.

    >>> ops.relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """
    return activate("relu", "relu", x, inplace=inplace)


@with_out
def leaky_relu(x: A, negative_slope: float = 0.01, inplace: bool = False, *, out: Array | None = None) -> A:
    """x where x > 0, else negative_slope x.

    >>> ops.leaky_relu([-1.0, 2.0], 0.1)
    array([-0.1,  2. ], dtype=float32)
    """
    return activate(
        "leaky_relu", "leaky_relu", x, as_number("leaky_relu", "negative_slope", negative_slope), inplace=inplace
    )


@with_out
def hardtanh(
    x: A, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, *, out: Array | None = None
) -> A:
    """x held between min_val and max_val; unlike that of clip the gradient is 0 at the bounds themselves.

    >>> ops.hardtanh([-3.0, 0.5, 2.0])
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return activate("hardtanh", "hardtanh", x, *bounds("hardtanh", min_val, max_val), inplace=inplace)


@with_out
def relu6(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """min(max(x, 0), 6); the gradient at 0 and 6 is 0.

    >>> ops.relu6([-1.0, 2.0, 7.0])
    array([0., 2., 6.], dtype=float32)
    """
    return activate("relu6", "hardtanh", x, 0.0, 6.0, inplace=inplace)


@with_out
def clipped_relu(x: A, ceiling: float, *, out: Array | None = None) -> A:
    """min(max(x, 0), ceiling), cuDNN's clipped ReLU; the gradient at 0 and at the ceiling is 0.

    >>> ops.clipped_relu([-1.0, 2.0, 7.0], 5)
    array([0., 2., 5.], dtype=float32)
    """
    return activate("clipped_relu", "hardtanh", x, *under("clipped_relu", ceiling))


def bounds(op: str, low: float, high: float) -> tuple[float, float]:
    """The bounds of a hardtanh, refused where they are out of order."""
    low, high = as_number(op, "min_val", low), as_number(op, "max_val", high)
    if not low < high:
        raise ValueError(f"{op}: min_val is {low} and max_val {high}, expected min_val below max_val; swap them")
    return low, high


def under(op: str, ceiling: float) -> tuple[float, float]:
    """The bounds of a clipped ReLU, refused where there is nothing between them."""
    high = as_number(op, "ceiling", ceiling)
    if not high > 0:
        raise ValueError(f"{op}: ceiling is {ceiling}, expected a number above 0, the largest value of the result")
    return 0.0, high


@with_out
def tanh(x: A, *, out: Array | None = None) -> A:
    """Hyperbolic tangent.

    >>> ops.tanh([0.0, 100.0])
    array([0., 1.], dtype=float32)
    """
    return activate("tanh", "tanh", x)


@with_out
def sigmoid(x: A, *, out: Array | None = None) -> A:
    """1 / (1 + exp(-x)), without overflow and to full relative precision at both ends.

    >>> ops.sigmoid([0.0, 100.0])
    array([0.5, 1. ], dtype=float32)
    """
    return activate("sigmoid", "sigmoid", x)


@with_out
def softplus(x: A, beta: float = 1, threshold: float = 20, *, out: Array | None = None) -> A:
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    >>> ops.softplus([-100.0, 0.0, 100.0]).round(3)
    array([  0.   ,   0.693, 100.   ], dtype=float32)
    """
    return activate("softplus", "softplus", x, *bend("softplus", beta, threshold))


def bend(op: str, beta: float, threshold: float) -> tuple[float, float]:
    """The numbers of a softplus, refused where nothing can be divided by beta."""
    beta = as_number(op, "beta", beta)
    if beta == 0 or not math.isfinite(beta):
        raise ValueError(f"{op}: beta is {beta}, expected a finite number other than 0")
    return beta, as_number(op, "threshold", threshold)


@with_out
def prelu(x: A, weight: A | float, *, out: Array | None = None) -> A:
    """x where x > 0, else weight x (He et al., 2015); weight is a number, or one slope a channel of x (N, C, *).

    >>> ops.prelu([[-1.0, -1.0]], [0.5, 0.25])
    array([[-0.5 , -0.25]], dtype=float32)
    """
    (a,), slope = arrays("prelu", x=x), weight
    if isinstance(weight, int | float | np.number):  # takes x's dtype and device
        slope = asarray(weight, a.dtype, device_of(a))
    elif asked() and not isinstance(weight, float):
        weight = slope = like(a, weight)
    a, w = arrays("prelu", x=a, slope=slope)
    channels = a.shape[1] if a.ndim > 1 else 1
    if w.shape not in ((), (1,), (channels,)):
        raise ValueError(
            f"prelu: weight is {w.shape}, expected (1,) or ({channels},), one a channel of x {a.shape}; "
            f"set num_parameters={channels}"
        )
    xp, per_channel = array_module(a), w.size != 1
    slopes = w.reshape(-1, *(1,) * (a.ndim - 2)) if per_channel else w.reshape(())
    y = xp.where(greater(a, 0), a, applied("multiply", a, slopes)).astype(
        a.dtype, copy=False
    )  # CuPy's of bfloat16 is float32
    summed = tuple(i for i in range(a.ndim) if not per_channel or i != 1)

    def backward(gy: Array, needs: Needs) -> Gradients:
        above, gx, gw = greater(a, 0), None, None
        if needs[0]:
            gx = xp.where(above, gy, applied("multiply", gy, slopes)).astype(gy.dtype, copy=False)
        if needs[1]:
            gw = total(xp.where(above, 0, wide(gy) * wide(a)), summed)
        return gx, gw if gw is None else gw.reshape(w.shape).astype(gy.dtype, copy=False)

    return record("prelu", y, (x, weight), backward)


@with_out
def elu(x: A, alpha: float = 1.0, inplace: bool = False, *, out: Array | None = None) -> A:
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al., 2016).

    >>> ops.elu([-1.0, 2.0]).round(3)
    array([-0.632,  2.   ], dtype=float32)
    """
    return activate("elu", "elu", x, as_number("elu", "alpha", alpha), inplace=inplace)


@with_out
def silu(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """x sigmoid(x), also called swish (Hendrycks and Gimpel, 2016; Elfwing et al., 2017).

    >>> ops.silu([-1.0, 2.0]).round(3)
    array([-0.269,  1.762], dtype=float32)
    """
    return activate("silu", "silu", x, inplace=inplace)


@with_out
def gelu(x: A, approximate: str = "none", *, out: Array | None = None) -> A:
    """x times the standard normal distribution's cdf at x (Hendrycks and Gimpel, 2016).

    approximate "none" is exact to a few roundings, also far left where 1 + erf would cancel; "tanh" is
    0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), at most 5e-4 away.

    >>> ops.gelu([-1.0, 2.0]).round(3)
    array([-0.159,  1.954], dtype=float32)
    """
    return activate("gelu", gelu_of("gelu", approximate), x)


def gelu_of(op: str, approximate: str) -> str:
    """The twin's name of a gelu."""
    check_choice(op, "approximate", approximate, ("none", "tanh"))
    return "gelu" if approximate == "none" else "gelu_tanh"


def activate(op: str, function: str, x: A, *options: float, inplace: bool = False) -> A:
    """The twin's function of this name, recorded, the closure keeps one array; in place x itself, with these values."""
    (a,) = arrays(op, x=x)
    twin = twins(a).activation
    y, kept = twin.forward(function, a, options, wants_grad(x) and is_grad_enabled())
    made = record(op, y, (x,), lambda gy, needs: (twin.backward(function, gy, kept, options),), owned=True)
    return into(x, made, op) if inplace else made
