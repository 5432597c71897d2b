"""Dropping to what SELU saturates at, which keeps mean and variance (Klambauer et al., 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor
from gpunn.ops.dropout import taken
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide
from gpunn.scalars import as_probability

LIMIT = -1.7580993408473766  # of SELU at minus infinity


@with_out
def alpha_dropout(x: A, p: float = 0.5, training: bool = False, *, out: Array | None = None) -> A:
    """In training each element becomes SELU's limit with probability p, and all are scaled and shifted; else x itself.

    Numbers of mean 0 and variance 1 keep both (Klambauer et al., 2017).
    The mask comes from gpunn.random's global stream, in logical order, and so is equal on every device.

    >>> ops.alpha_dropout(np.zeros(6), 0.5, training=True).round(3)
    array([-0.779,  0.779,  0.779,  0.779,  0.779, -0.779])
    """
    (a,) = arrays("alpha_dropout", x=x)
    return _dropped("alpha_dropout", x, a, a.shape, p, training, "an element")


@with_out
def feature_alpha_dropout(x: A, p: float = 0.5, training: bool = False, *, out: Array | None = None) -> A:
    """alpha_dropout of whole channels of x (N, C, *).

    >>> ops.feature_alpha_dropout(np.zeros((1, 3, 2)), 0.5, training=True).round(3)
    array([[[-0.779, -0.779],
            [ 0.779,  0.779],
            [ 0.779,  0.779]]])
    """
    op = "feature_alpha_dropout"
    (a,) = arrays(op, x=x)
    if training and a.ndim < 2:
        raise ValueError(f"{op}: x is {a.shape}, expected (N, C, *) with at least 2 dimensions; reshape it")
    return _dropped(op, x, a, (*a.shape[:2], *(1,) * (a.ndim - 2)), p, training, "a channel")


def _dropped(op: str, x: Operand, a: Array, mask_shape: Shape, p: float, training: bool, what: str) -> Any:
    p = as_probability(op, p, what)
    if not training or p == 0:
        return x if isinstance(x, Tensor) else a
    xp, dtype = array_module(a), np.float32 if a.dtype.itemsize == 2 else a.dtype
    ones = xp.ones_like(a, shape=mask_shape or (1,), order="C", dtype=dtype).reshape(mask_shape)
    kept = twins(a).dropout.drop(ones, mask_shape, p, taken(op, a, math.prod(mask_shape)))[0] != 0
    if p == 1:  # PyTorch's, too: a product with zeros
        return record(op, a * kept, (x,), lambda gy, needs: (gy * kept,))
    scale = 1 / math.sqrt((LIMIT**2 * p + 1) * (1 - p))
    factor, shift = (kept * scale).astype(dtype), (kept * (-scale * LIMIT)).astype(dtype)
    shift += scale * LIMIT * (1 - p)  # what is dropped becomes this
    y = xp.multiply(wide(a), factor, out=xp.empty_like(a, dtype=dtype))  # in memory as x lies
    y += shift

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        gx = xp.multiply(wide(gy), factor, out=xp.empty_like(gy, dtype=dtype))
        return (gx.astype(gy.dtype, copy=False),)

    return record(op, y.astype(a.dtype, copy=False), (x,), backward)
