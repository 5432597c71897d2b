"""Linear: y = x weight^T + bias, through an activation."""

from __future__ import annotations

import math

from gpunn.asked import asked
from gpunn.backend import Array, twins
from gpunn.checks import arrays, check_choice, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.out import with_out
from gpunn.ops.precision import narrowed

ACTIVATIONS = ("relu", "tanh")  # which the product's kernels take of what they add up


@with_out
def linear(x: A, weight: A, bias: A | None = None, activation: str | None = None, *, out: Array | None = None) -> A:
    """x (..., in_features), weight (out_features, in_features), bias (out_features,); gives (..., out_features).

    activation: "relu" or "tanh", taken of the result in the same launch; None leaves it.

    ValueError: sizes that do not fit, another activation. TypeError: dtypes.

    >>> ops.linear([[1.0, 2.0]], [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], [0.0, 0.0, 10.0])
    array([[ 3.,  2., 11.]], dtype=float32)
    >>> ops.linear([1.0, 2.0], [[1.0, -1.0], [0.0, 1.0]], activation="relu")
    array([0., 2.], dtype=float32)
    """
    if asked():
        x, weight, bias = narrowed(x, weight, bias)
    a, w, b = arrays("linear", x=x, w=weight, bias=bias)
    _check("linear", a, w, b)
    if activation is not None:
        check_choice("linear", "activation", activation, ACTIVATIONS)
    # One product for all leading axes; -1 would fail where a size is 0.
    rows = a if a.ndim == 2 else a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
    twin = twins(a).linear
    y = twin.forward(rows, w, b, activation)
    x_shape, filters = a.shape, w.shape[0]
    kept_rows, kept_w = (rows if wants_grad(weight) else None), (w if wants_grad(x) else None)
    kept_y = None if activation is None else y

    def backward(gy: Array, needs: Needs) -> Gradients:
        gy = gy if gy.ndim == 2 else gy.reshape(math.prod(gy.shape[:-1]), filters)
        gx, gw, gb = twin.backward(gy, kept_rows, kept_w, kept_y, activation, needs[2])
        return gx if gx is None or gx.shape == x_shape else gx.reshape(x_shape), gw, gb

    y = y if a.ndim == 2 else y.reshape(*x_shape[:-1], filters)
    return record("linear", y, (x, weight, bias), backward, owned=True)


def _check(op: str, a: Array, w: Array, b: Array | None) -> None:
    if a.ndim == 0 or w.ndim != 2:
        raise ValueError(
            f"{op}: x is {a.shape} and w {w.shape}, expected (..., in_features) and (out_features, in_features)"
        )
    if a.shape[-1] != w.shape[-1]:
        raise ValueError(
            f"{op}: x has {a.shape[-1]} features but w expects {w.shape[-1]} (x {a.shape}, w {w.shape}); "
            f"set in_features={a.shape[-1]}, or flatten x first"
        )
    if b is not None and b.shape != (w.shape[0],):
        raise ValueError(f"{op}: bias is {b.shape}, expected ({w.shape[0]},), one an output feature (w {w.shape})")
