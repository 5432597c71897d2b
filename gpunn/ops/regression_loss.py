"""Losses of numbers: Huber's and its relatives, and likelihoods of Poisson's and the normal distribution."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from gpunn.backend import Array, asarray, device_of
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import wide
from gpunn.ops.loss import l1_loss
from gpunn.ops.out import with_out
from gpunn.ops.pointwise_loss import Named, alike, between, fitting, pointwise
from gpunn.ops.shape import reshape
from gpunn.scalars import as_number


@with_out
def smooth_l1_loss(x: A, target: Operand, reduction: str = "mean", beta: float = 1.0, *, out: Array | None = None) -> A:
    """(x - target)^2 / (2 beta) where |x - target| < beta, else |x - target| - beta / 2; its mean, or its sum.

    ValueError: shapes that differ; beta below 0. With beta 0 it is l1_loss.

    >>> ops.smooth_l1_loss([1.0, 2.0], [1.5, 5.0], "none")
    array([0.125, 2.5  ], dtype=float32)
    """
    op, width = "smooth_l1_loss", as_number("smooth_l1_loss", "beta", beta)
    if not width >= 0:
        raise ValueError(f"{op}: beta is {beta}, expected 0 or more: where the square turns into a line; usually 1")
    taken, found = alike(op, reduction, x=x, target=target)
    if width == 0:
        return l1_loss(x, target, reduction)
    return _huber(op, taken, found, reduction, width, 1 / width)


@with_out
def huber_loss(x: A, target: Operand, reduction: str = "mean", delta: float = 1.0, *, out: Array | None = None) -> A:
    """(x - target)^2 / 2 where |x - target| < delta, else delta (|x - target| - delta / 2) (Huber, 1964).

    Its mean, or its sum. ValueError: shapes that differ; delta not above 0.

    >>> ops.huber_loss([1.0, 2.0], [1.5, 5.0], "none", delta=2.0)
    array([0.125, 4.   ], dtype=float32)
    """
    op, width = "huber_loss", as_number("huber_loss", "delta", delta)
    if not width > 0:
        raise ValueError(f"{op}: delta is {delta}, expected above 0: where the square turns into a line; usually 1")
    taken, found = alike(op, reduction, x=x, target=target)
    return _huber(op, taken, found, reduction, width, 1.0)


def _huber(op: str, taken: list, found: list[Array], reduction: str, width: float, scale: float) -> Any:
    """scale times m (d - m / 2) with the distance d and m = min(d, width)."""

    def value(xp: ModuleType, a: Array, t: Array) -> Array:
        difference = a - t
        near = between(xp, difference, width)
        difference -= near * 0.5
        difference *= near  # both have one sign
        return difference if scale == 1 else difference * scale

    def slope(xp: ModuleType, gy: Array, a: Array, t: Array) -> Array:
        near = between(xp, a - t, width)
        return near * gy if scale == 1 else near * scale * gy

    options = width, scale
    slopes = [Named("huber_slope", options, turned, slope) for turned in (False, True)]
    return pointwise(op, taken, found, reduction, Named("huber", options, formula=value), slopes)


@with_out
def poisson_nll_loss(
    x: A,
    target: Operand,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
    *,
    out: Array | None = None,
) -> A:
    """exp(x) - target x for counts whose logarithm is to be x; without log_input x - target log(x + eps).

    full: with Stirling's formula for log(target!) where target > 1. Shapes broadcast.

    >>> ops.poisson_nll_loss([0.0, 1.0], [2.0, 1.0], reduction="none").round(3)
    array([1.   , 1.718], dtype=float32)
    """
    op, least = "poisson_nll_loss", as_number("poisson_nll_loss", "eps", eps)
    taken, found = fitting(op, reduction, x=x, target=target)

    def value(xp: ModuleType, a: Array, t: Array) -> Array:
        y = xp.exp(a) - t * a if log_input else a - t * xp.log(a + least)
        if full:
            stirling = t * xp.log(t) - t + 0.5 * xp.log(2 * math.pi * t)
            y = y + xp.where(t <= 1, 0, stirling).astype(y.dtype, copy=False)
        return y

    def slope(xp: ModuleType, a: Array, t: Array) -> Array:
        return xp.exp(a) - t if log_input else 1 - t / (a + least)

    def slope_of_target(xp: ModuleType, a: Array, t: Array) -> Array:
        gt = -a if log_input else -xp.log(a + least)
        return gt + xp.where(t <= 1, 0, xp.log(t) + 0.5 / t).astype(gt.dtype, copy=False) if full else gt

    return pointwise(op, taken, found, reduction, value, [slope, slope_of_target])


@with_out
def gaussian_nll_loss(
    x: A,
    target: Operand,
    var: Operand | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
    *,
    out: Array | None = None,
) -> A:
    """(log var + (x - target)^2 / var) / 2 of a normal distribution of mean x (Nix and Weigend, 1994).

    Args:
        var: variances of x's shape, without its last dimension, or 1 along one; or a number. They are held at eps or
            more, through which the gradient passes as if they were not.
        full: with the constant log(2 pi) / 2.

    ValueError: a var that fits no shape; one below 0, on `cpu`; an eps not above 0.

    >>> ops.gaussian_nll_loss([1.0, 2.0], [1.5, 5.0], [1.0, 4.0], reduction="none").round(3)
    array([0.125, 1.818], dtype=float32)
    """
    op, least = "gaussian_nll_loss", as_number("gaussian_nll_loss", "eps", eps)
    if not least > 0:
        raise ValueError(f"{op}: eps is {eps}, expected above 0: the variance is held there; the usual value is 1e-6")
    a = data_of(x)
    if isinstance(var, int | float | np.number):
        var = asarray([float(var)], a.dtype, device_of(a))
    else:
        var = _variances(op, a, var)
    v = data_of(var)
    if type(v) is np.ndarray and (wide(v) < 0).any():
        raise ValueError(f"{op}: var has numbers below 0, expected variances; pass exp of what the network gives")
    taken, found = fitting(op, reduction, x=x, target=target, var=var)

    def value(xp: ModuleType, a: Array, t: Array, v: Array) -> Array:
        held, distance = xp.maximum(v, least), a - t
        y = 0.5 * (xp.log(held) + distance * distance / held)
        return y + 0.5 * math.log(2 * math.pi) if full else y

    def slope(xp: ModuleType, a: Array, t: Array, v: Array) -> Array:
        return (a - t) / xp.maximum(v, least)

    def slope_of_var(xp: ModuleType, a: Array, t: Array, v: Array) -> Array:
        held, distance = xp.maximum(v, least), a - t
        return 0.5 * (1 - distance * distance / held) / held

    slopes = [slope, lambda xp, a, t, v: -slope(xp, a, t, v), slope_of_var]
    return pointwise(op, taken, found, reduction, value, slopes)


def _variances(op: str, a: Array, var: Operand) -> Operand:
    """var in a shape that broadcasts to x's, refused where it has another one than the docstring says."""
    v = data_of(var)
    if v.shape == a.shape[:-1] and a.ndim:
        return reshape(var, (*v.shape, 1))
    apart = [m for n, m in zip(a.shape, v.shape, strict=False) if n != m]
    if v.ndim != a.ndim or apart not in ([], [1]):
        raise ValueError(
            f"{op}: var is {v.shape}, expected x's shape {a.shape}, {a.shape[:-1]}, or 1 along a dimension; reshape it"
        )
    return var
