"""Losses of probabilities and their logarithms, and of several labels at once."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from gpunn.backend import Array, twins
from gpunn.checks import arrays, check_constant
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import wide
from gpunn.ops.loss import binary_cross_entropy_with_logits, check_broadcast
from gpunn.ops.out import with_out
from gpunn.ops.pointwise_loss import alike, fitting, pointwise
from gpunn.ops.reduce import mean as mean_of
from gpunn.ops.reduce import sum as sum_of


@with_out
def binary_cross_entropy(
    x: A, target: Operand, weight: Operand | None = None, reduction: str = "mean", *, out: Array | None = None
) -> A:
    """-weight (t log x + (1 - t) log(1 - x)) of probabilities x, logarithms held at -100; its mean, or its sum.

    From logits binary_cross_entropy_with_logits is more exact. t are targets of x's shape; weight broadcasts to it.
    ValueError: shapes that differ; on `cpu` an x outside 0 to 1, of which a device gives NaN.

    >>> ops.binary_cross_entropy([0.5, 1.0], [1.0, 0.0], reduction="none").round(3)
    array([  0.693, 100.   ], dtype=float32)
    """
    op = "binary_cross_entropy"
    taken, found = alike(op, reduction, x=x, target=target)
    check_constant(op, "weight", weight)
    a, w = arrays(op, x=found[0], weight=weight)
    check_broadcast(op, "weight", w, a)
    if type(a) is np.ndarray and a.size and not (wide(a).min() >= 0 and wide(a).max() <= 1):  # NaN, too
        raise ValueError(f"{op}: x has numbers outside 0 to 1, expected probabilities; take sigmoid of it first")

    def value(xp: ModuleType, a: Array, t: Array, *w: Array) -> Array:
        y = (t - 1) * xp.maximum(xp.log1p(-a), -100) - t * xp.maximum(xp.log(a), -100)
        return y * w[0] if w else y

    def slope(xp: ModuleType, a: Array, t: Array, *w: Array) -> Array:
        gx = (a - t) / xp.maximum((1 - a) * a, 1e-12)
        return gx * w[0] if w else gx

    def slope_of_target(xp: ModuleType, a: Array, t: Array, *w: Array) -> Array:
        gt = xp.maximum(xp.log1p(-a), -100) - xp.maximum(xp.log(a), -100)
        return gt * w[0] if w else gt

    extra = [] if w is None else [w]
    return pointwise(op, [*taken, *extra], [*found, *extra], reduction, value, [slope, slope_of_target])


@with_out
def kl_div(x: A, target: Operand, reduction: str = "mean", log_target: bool = False, *, out: Array | None = None) -> A:
    """t (log t - x) of log-probabilities x and probabilities t: the Kullback-Leibler divergence, element by element.

    reduction "batchmean" is the sum divided by the rows of x, which is the divergence; "mean" divides by all elements.
    log_target: the target holds log t. Shapes broadcast.

    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> ops.kl_div(np.log(q), p, "batchmean").round(3)
    np.float64(0.144)
    """
    op = "kl_div"
    taken, found = fitting(op, reduction, x=x, target=target)

    def value(xp: ModuleType, a: Array, t: Array) -> Array:
        if log_target:
            return xp.exp(t) * (t - a)
        return xp.where(t == 0, 0, t * xp.log(t)).astype(t.dtype, copy=False) - t * a

    def slope(xp: ModuleType, a: Array, t: Array) -> Array:
        return -xp.exp(t) if log_target else -t

    def slope_of_target(xp: ModuleType, a: Array, t: Array) -> Array:
        return xp.exp(t) * (t - a + 1) if log_target else xp.log(t) + 1 - a

    return pointwise(op, taken, found, reduction, value, [slope, slope_of_target])


@with_out
def soft_margin_loss(x: A, target: Operand, reduction: str = "mean", *, out: Array | None = None) -> A:
    """log(1 + exp(-target x)) for targets of 1 and -1, without overflow; its mean, or its sum.

    >>> ops.soft_margin_loss([0.0, 100.0], [1.0, -1.0], "none").round(3)
    array([  0.693, 100.   ], dtype=float32)
    """
    op = "soft_margin_loss"
    taken, found = fitting(op, reduction, x=x, target=target)
    check_constant(op, "target", target)

    def value(xp: ModuleType, a: Array, t: Array) -> Array:
        return twins(a).activation.forward("softplus", -t * a, (1.0, math.inf), False)[0]

    def slope(xp: ModuleType, a: Array, t: Array) -> Array:
        return -t * twins(a).activation.forward("sigmoid", -t * a, (), False)[0]

    return pointwise(op, taken, found, reduction, value, [slope, None])


@with_out
def multilabel_soft_margin_loss(
    x: A, target: Operand, weight: Operand | None = None, reduction: str = "mean", *, out: Array | None = None
) -> A:
    """binary_cross_entropy_with_logits of x (..., C), its mean over the classes; then the mean, or the sum.

    >>> ops.multilabel_soft_margin_loss([[0.0, 100.0]], [[1.0, 1.0]]).round(3)
    np.float32(0.347)
    """
    op = "multilabel_soft_margin_loss"
    _, (a, t) = fitting(op, reduction, x=x, target=target)
    if a.ndim == 0:
        raise ValueError(f"{op}: x has no dimensions, expected (..., C); reshape it")
    target = t if data_of(target).dtype != t.dtype else target
    y = mean_of(binary_cross_entropy_with_logits(x, target, weight, "none"), -1)
    return y if reduction == "none" else mean_of(y) if reduction == "mean" else sum_of(y)
