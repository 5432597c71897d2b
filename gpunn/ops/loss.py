"""Losses between two arrays of one shape: mse_loss, l1_loss, binary_cross_entropy_with_logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.checks import arrays, check_choice, check_constant
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.ops.cross_entropy import REDUCTIONS, weighed
from gpunn.ops.out import with_out
from gpunn.ops.pointwise_loss import Named, pointwise
from gpunn.ops.precision import rounded, widened
from gpunn.ops.reduce import mean, total, wide, zero_d


@with_out
def mse_loss(x: A, target: Operand, reduction: str = "mean", *, out: Array | None = None) -> A:
    """(x - target)^2, its mean, or its sum.

    >>> ops.mse_loss([1.0, 2.0], [2.0, 5.0])
    array(5., dtype=float32)
    """
    if asked():
        x, target = widened(x, target)
    a, t = _pair("mse_loss", x, target, reduction)
    if type(a) is not np.ndarray:
        return _on_device("mse_loss", (x, target), [a, t], reduction, "squared_error")
    difference = wide(a) - wide(t)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = (difference * (2 * scale_of(gy, reduction, difference.size))).astype(gy.dtype, copy=False)
        return gx if needs[0] else None, -gx if needs[1] else None

    y = reduced(difference * difference, reduction, a)
    return record("mse_loss", y, (x, target), backward, owned=True)


@with_out
def l1_loss(x: A, target: Operand, reduction: str = "mean", *, out: Array | None = None) -> A:
    """|x - target|, its mean, or its sum; the gradient at 0 is 0, and at NaN, as PyTorch's.

    >>> ops.l1_loss([1.0, 2.0], [2.0, 5.0])
    array(2., dtype=float32)
    """
    if asked():
        x, target = widened(x, target)
    a, t = _pair("l1_loss", x, target, reduction)
    if type(a) is not np.ndarray:
        return _on_device("l1_loss", (x, target), [a, t], reduction, "absolute_error")
    xp, difference = array_module(a), wide(a) - wide(t)
    y = reduced(xp.abs(difference), reduction, a)
    sign = xp.greater(difference, 0).astype(a.dtype) - xp.less(difference, 0).astype(a.dtype)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = (sign * scale_of(gy, reduction, sign.size)).astype(gy.dtype, copy=False)
        return gx if needs[0] else None, -gx if needs[1] else None

    return record("l1_loss", y, (x, target), backward, owned=True)


def _on_device(op: str, inputs: tuple[Operand, Operand], found: list[Array], reduction: str, name: str) -> Any:
    """By a function of gpunn.pointwise, and its slope, which by the target is the same one turned."""
    slopes = [Named(f"{name}_slope", turned=turned) for turned in (False, True)]
    return pointwise(op, inputs, found, reduction, Named(name), slopes)


@with_out
def binary_cross_entropy_with_logits(
    x: A,
    target: Operand,
    weight: Operand | None = None,
    reduction: str = "mean",
    pos_weight: Operand | None = None,
    *,
    out: Array | None = None,
) -> A:
    """-weight (pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))), its mean, or its sum.

    x are logits, t the targets from 0 to 1 of the same shape; weight and pos_weight broadcast to it.

    >>> ops.binary_cross_entropy_with_logits([0.0, 100.0], [1.0, 1.0], reduction="none").round(3)
    array([0.693, 0.   ], dtype=float32)
    """
    op = "binary_cross_entropy_with_logits"
    if asked():
        x, target = widened(x, target)
    a, t = _pair(op, x, target, reduction)
    check_constant(op, "weight", weight)
    check_constant(op, "pos_weight", pos_weight)
    _, w, pw = arrays(op, x=a, weight=weight, pos_weight=pos_weight)
    for name, factor in (("weight", w), ("pos_weight", pw)):
        check_broadcast(op, name, factor, a)
    if w is None and pw is None and type(a) is not np.ndarray:
        slopes = [Named("logistic_error_slope"), lambda xp, a, t: -a]
        return pointwise(op, (x, target), [a, t], reduction, Named("logistic_error"), slopes)
    given, a, t, w, pw = a, wide(a), wide(t), w if w is None else wide(w), pw if pw is None else wide(pw)
    # -log sigmoid(x) = softplus(-x) = max(-x, 0) + near, -log(1 - sigmoid(x)) = max(x, 0) + near: no infinities cancel.
    positive, negative = (t if pw is None else weighed(t, pw)), 1 - t
    y = weighed(array_module(a).maximum(a, 0), negative) + weighed(array_module(a).maximum(-a, 0), positive)
    y += (negative + positive) * _softplus(-abs(a))
    y = y if w is None else weighed(y, w)

    def backward(gy: Array, needs: Needs) -> Gradients:
        scale = scale_of(gy, reduction, a.size)
        scale = scale if w is None else scale * w
        gx = gt = None
        if needs[0]:
            towards = negative + positive
            gx = (negative - towards * twins(a).activation.forward("sigmoid", -a, (), False)[0]) * scale
        if needs[1]:
            gt = -a if pw is None else weighed(_softplus(-a), pw) - _softplus(a)
            gt = weighed(gt, scale)
        return tuple(g if g is None else g.astype(gy.dtype, copy=False) for g in (gx, gt))

    return record(op, reduced(y, reduction, given), (x, target), backward, owned=True)


def _softplus(a: Array) -> Array:
    """log(1 + exp(a)) on a plain array."""
    return twins(a).activation.forward("softplus", a, (1.0, math.inf), False)[0]


def _pair(op: str, x: Operand, target: Operand, reduction: str) -> tuple[Array, Array]:
    check_choice(op, "reduction", reduction, REDUCTIONS)
    a, t = arrays(op, x=x, target=target)
    if a.shape != t.shape:
        raise ValueError(f"{op}: x is {a.shape} but target is {t.shape}, expected one shape; reshape one of them")
    return a, t


def check_broadcast(op: str, name: str, factor: Array | None, a: Array) -> None:
    """Refuses a factor that does not broadcast to x."""
    if factor is None:
        return
    tail = a.shape[a.ndim - factor.ndim :] if factor.ndim <= a.ndim else None
    if tail is None or any(f not in (1, n) for f, n in zip(factor.shape, tail, strict=True)):
        raise ValueError(f"{op}: {name} is {factor.shape}, expected a shape that broadcasts to x {a.shape}; reshape it")


def reduced(values: Array, reduction: str, like: Array) -> Array:
    """The result in like's dtype; 16-bit floats come as float32, and are added so."""
    if reduction == "none":
        return rounded(values, like.dtype)
    return zero_d(total(values, None) if reduction == "sum" else mean(values), like)


def scale_of(gy: Array, reduction: str, size: int) -> Array:
    """The factor of each element's gradient."""
    return wide(gy) / size if reduction == "mean" and size else wide(gy)
