"""Losses that ask for a margin: between scores, distances, or angles."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from gpunn.asked import asked
from gpunn.backend import Array, array_module
from gpunn.checks import arrays, check_same_device, check_shape
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.out import with_out
from gpunn.ops.pointwise_loss import fitting, pointwise
from gpunn.ops.precision import cast, widened
from gpunn.ops.reduce import wide
from gpunn.scalars import as_number


@with_out
def margin_ranking_loss(
    input1: A, input2: A, target: Operand, margin: float = 0.0, reduction: str = "mean", *, out: Array | None = None
) -> A:
    """max(0, margin - target (input1 - input2)): target 1 where input1 is to be the larger one, -1 where input2 is.

    Shapes broadcast.

    >>> ops.margin_ranking_loss([1.0, 1.0], [0.0, 3.0], [1.0, 1.0], 0.5, "none")
    array([0. , 2.5], dtype=float32)
    """
    op, gap = "margin_ranking_loss", as_number("margin_ranking_loss", "margin", margin)
    taken, found = fitting(op, reduction, input1=input1, input2=input2, target=target)
    if len({a.ndim for a in found}) > 1:
        shapes = ", ".join(str(a.shape) for a in found)
        raise ValueError(
            f"{op}: input1, input2 and target are {shapes}, expected as many dimensions of each; reshape them"
        )

    def value(xp: ModuleType, a: Array, b: Array, t: Array) -> Array:
        return xp.maximum(gap - t * (a - b), 0)

    def slope(xp: ModuleType, a: Array, b: Array, t: Array) -> Array:
        return t * -(gap - t * (a - b) >= 0).astype(a.dtype)

    def slope_of_target(xp: ModuleType, a: Array, b: Array, t: Array) -> Array:
        return (b - a) * (gap - t * (a - b) >= 0)

    slopes = [slope, lambda xp, a, b, t: -slope(xp, a, b, t), slope_of_target]
    return pointwise(op, taken, found, reduction, value, slopes)


@with_out
def hinge_embedding_loss(
    x: A, target: Operand, margin: float = 1.0, reduction: str = "mean", *, out: Array | None = None
) -> A:
    """Distances x where the target is 1, max(0, margin - x) where it is -1, and their sum where it is neither.

    >>> ops.hinge_embedding_loss([0.25, 0.25], [1.0, -1.0], reduction="none")
    array([0.25, 0.75], dtype=float32)
    """
    op, gap = "hinge_embedding_loss", as_number("hinge_embedding_loss", "margin", margin)
    taken, found = fitting(op, reduction, x=x, target=target)

    def value(xp: ModuleType, a: Array, t: Array) -> Array:
        far = xp.where(t == 1, 0, xp.maximum(gap - a, 0))
        return (far + xp.where(t == -1, 0, a)).astype(a.dtype, copy=False)

    def slope(xp: ModuleType, a: Array, t: Array) -> Array:
        return (t != -1).astype(a.dtype) - ((t != 1) & (gap - a >= 0))

    return pointwise(op, taken, found, reduction, value, [slope, None])


@with_out
def cosine_embedding_loss(
    input1: A, input2: A, target: Operand, margin: float = 0.0, reduction: str = "mean", *, out: Array | None = None
) -> A:
    """1 - cos(input1, input2) where the target is 1, max(0, cos(input1, input2) - margin) where it is -1.

    input1 and input2 are (N, D) and target (N,), or (D,) and (). Each square norm is 1e-12 larger than it is.

    >>> ops.cosine_embedding_loss([[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [3.0, 0.0]], [1.0, -1.0], reduction="none")
    array([1., 1.], dtype=float32)
    """
    op, gap = "cosine_embedding_loss", as_number("cosine_embedding_loss", "margin", margin)
    input1, input2 = widened(input1, input2) if asked() else (input1, input2)
    (a, b), t = arrays(op, input1=input1, input2=input2), data_of(target)
    check_same_device(op, a, t, "input1", "target")
    if t.ndim not in (0, 1) or a.ndim != t.ndim + 1 or b.ndim != t.ndim + 1:
        raise ValueError(
            f"{op}: input1, input2 and target are {a.shape}, {b.shape} and {t.shape}, expected (N, D), (N, D) and "
            "(N,); reshape them"
        )
    check_shape(op, "input2", b, a.shape, "it has input1's shape")
    check_shape(op, "target", t, a.shape[:-1], "it has a number for each row of input1")
    cosine, t = _cosine(input1, input2, a, b), t.astype(wide(a).dtype)

    def value(xp: ModuleType, c: Array, t: Array) -> Array:
        return (t == 1) * (1 - c) + (t == -1) * xp.maximum(c - gap, 0)

    def slope(xp: ModuleType, c: Array, t: Array) -> Array:
        return ((t == -1) & (c >= gap)).astype(c.dtype) - (t == 1)

    y = pointwise(op, [cosine, target], [data_of(cosine), t], reduction, value, [slope, None])
    return cast(y, a.dtype)


def _cosine(input1: Any, input2: Any, a: Array, b: Array) -> Any:
    """The cosine of each row's angle, of 16 bits in float32."""
    u, v = wide(a), wide(b)
    p, q = [(z * z).sum(axis=-1, keepdims=True) + 1e-12 for z in (u, v)]
    length = array_module(a).sqrt(p * q)
    c = (u * v).sum(axis=-1, keepdims=True) / length

    def backward(gy: Array, needs: Needs) -> Gradients:
        g = gy[..., None]
        gradients = g * (v / length - c * u / p), g * (u / length - c * v / q)
        return tuple(gx.astype(a.dtype, copy=False) for gx in gradients)

    return record("cosine", c.reshape(a.shape[:-1]), (input1, input2), backward)
