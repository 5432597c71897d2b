"""Distances between every two of two sets of points."""

from __future__ import annotations

import math

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.ops.broadcast import operands, unbroadcast
from gpunn.ops.elementwise import floating
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide
from gpunn.ops.vector_norm import NAMES, vector_norm
from gpunn.restored import restored
from gpunn.scalars import as_number

MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


@with_out
@restored
def cdist(x1: A, x2: Operand, p: float = 2.0, compute_mode: str = MODES[0], *, out: Array | None = None) -> A:
    """The distance of order p between each of x1's points (..., P, M) and each of x2's (..., R, M): (..., P, R).

    The gradient at distance 0 is 0. Of order 2 and more than 25 points distances come from one product of matrices, as
    in PyTorch, which rounds those of near points; else from P * R * M differences. Order 0 counts those that are not 0.

    Args:
        x1: points of floating point.
        x2: other points, of the same size.
        p: the order, from 0 to math.inf.
        compute_mode: PyTorch's name of when the product is taken; "donot_use_mm_for_euclid_dist" for never.

    Raises:
        TypeError: integers.
        ValueError: fewer than two dimensions, points of different sizes, a negative order, or another mode.

    Examples:
        >>> ops.cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
        array([[5., 1.]], dtype=float32)
    """
    a, b, p = floating("cdist", x1), floating("cdist", x2), as_number("cdist", "p", p)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"cdist: got shapes {a.shape} and {b.shape}, expected (..., P, M) and (..., R, M): points of one size; "
            "reshape them"
        )
    if not p >= 0 or compute_mode not in MODES:
        raise ValueError(
            f"cdist: p is {p} and compute_mode {compute_mode!r}, expected p of at least 0, and one of {MODES}"
        )
    u, v = operands("cdist", a[..., :, None, :], b[..., None, :, :])
    if p == 2 and (compute_mode == MODES[1] or (compute_mode == MODES[0] and max(a.shape[-2], b.shape[-2]) > 25)):
        return _by_product(x1, x2, u[..., 0, :], v[..., 0, :, :])
    xp, difference = array_module(u), wide(u) - wide(v)
    with np.errstate(all="ignore"):
        y = _norm(difference, p)

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        with np.errstate(all="ignore"):
            distance, size = y[..., None], abs(difference)
            slope = xp.sign(difference)
            if p == 0:
                slope = slope * 0
            elif p == math.inf:
                slope = slope * (size == distance)
            elif p != 1:
                slope = slope * xp.where((distance == 0) | ((size == 0) & (p < 1)), 0, (size / distance) ** (p - 1))
            g = (wide(gy)[..., None] * slope).astype(gy.dtype, copy=False)
            return (
                unbroadcast(g, u.shape).reshape(a.shape) if needs[0] else None,
                unbroadcast(-g, v.shape).reshape(b.shape) if needs[1] else None,
            )

    return record("cdist", y.astype(u.dtype, copy=False), (x1, x2), backward)


def _by_product(x1: A, x2: Operand, u: Array, v: Array) -> A:
    """Euclidean distances as roots of |a|^2 + |b|^2 - 2 ab."""
    a, b, xp, matmul = wide(u), wide(v), array_module(u), twins(u).matmul.matmul

    def squares(x: Array) -> Array:
        return (x * x).sum(axis=-1)

    near = squares(a)[..., :, None] + squares(b)[..., None, :] - 2 * matmul(a, b.swapaxes(-1, -2))
    y = xp.sqrt(xp.maximum(near, 0))

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        with np.errstate(all="ignore"):
            share = xp.where(y == 0, 0, wide(gy) / y).astype(y.dtype, copy=False)
        ga = gb = None
        if needs[0]:
            ga = unbroadcast(share.sum(axis=-1)[..., None] * a - matmul(share, b), a.shape)
        if needs[1]:
            gb = unbroadcast(share.sum(axis=-2)[..., None] * b - matmul(share.swapaxes(-1, -2), a), b.shape)
        return ga, gb

    return record("cdist", y.astype(u.dtype, copy=False), (x1, x2), backward)


def _norm(a: Array, p: float) -> Array:
    """The norm of order p along the last dimension."""
    if not a.shape[-1]:
        return array_module(a).zeros_like(a, shape=a.shape[:-1])
    if p in NAMES:
        return vector_norm(a, p, -1)
    return (a != 0).sum(axis=-1).astype(a.dtype) if p == 0 else (abs(a) ** p).sum(axis=-1) ** (1 / p)
