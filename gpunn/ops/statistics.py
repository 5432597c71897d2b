"""Variance and standard deviation over axes, and sums and means that leave nan out."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module
from gpunn.backend.contract import Backward
from gpunn.engine.operators import A, Axis, Named
from gpunn.engine.tensor import data_of
from gpunn.ops.arithmetic import div
from gpunn.ops.comparison import where
from gpunn.ops.elementwise import floating, wide
from gpunn.ops.logic import isnan, logical_not
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.ops.reduce import Alias, axes_of, count_of, mean, record_reduction, sum
from gpunn.restored import restored
from gpunn.scalars import as_number


@with_out
def var(
    x: A, axis: Axis = None, correction: float = 1, keepdims: bool = False, *, out: Array | None = None, **alias: Named
) -> A:
    """Variance over ``axis``, the sum of squares divided by the count less ``correction`` (1: unbiased).

    PyTorch's older ``unbiased``, True or False, is a correction of 1 or 0.

    Raises:
        ValueError: not more elements than ``correction``.

    >>> ops.var([1.0, 2.0, 3.0])
    array(1., dtype=float32)
    >>> ops.var([1.0, 2.0, 3.0], correction=0).round(3)
    np.float32(0.667)
    """
    return _spread("var", x, axis, correction, keepdims, alias)


@with_out
def std(
    x: A, axis: Axis = None, correction: float = 1, keepdims: bool = False, *, out: Array | None = None, **alias: Named
) -> A:
    """Standard deviation over ``axis``, the square root of var; its slope where it is 0 is 0.

    Errors are var's.

    >>> ops.std([1.0, 2.0, 3.0])
    array(1., dtype=float32)
    """
    return _spread("std", x, axis, correction, keepdims, alias)


@with_out
def var_mean(
    x: A,
    axis: Axis = None,
    correction: float = 1,
    keepdims: bool = False,
    *,
    out: tuple[Array, Array] | None = None,
    **alias: Named,
) -> tuple[A, A]:
    """(var, mean) over ``axis``. Errors are var's.

    >>> ops.var_mean([1.0, 2.0, 3.0])
    (array(1., dtype=float32), array(2., dtype=float32))
    """
    return _with_mean("var", x, axis, correction, keepdims, alias)


@with_out
def std_mean(
    x: A,
    axis: Axis = None,
    correction: float = 1,
    keepdims: bool = False,
    *,
    out: tuple[Array, Array] | None = None,
    **alias: Named,
) -> tuple[A, A]:
    """(std, mean) over ``axis``. Errors are var's.

    >>> ops.std_mean([1.0, 2.0, 3.0])
    (array(1., dtype=float32), array(2., dtype=float32))
    """
    return _with_mean("std", x, axis, correction, keepdims, alias)


def _with_mean(name: str, x: A, axis: Axis, correction: float, keepdims: bool, alias: Alias) -> tuple[A, A]:
    spread = _spread(name, x, axis, correction, keepdims, alias)
    axis, _, alias = _options(axis, correction, alias)
    return spread, mean(x, axis, keepdims, **alias)


def _options(axis: Axis, correction: Any, alias: Alias) -> tuple[Axis, float, Alias]:
    """axis, correction and the other names, PyTorch's older ones resolved: var(False), unbiased=False."""
    if isinstance(axis, bool):
        axis, correction = None, int(axis)
    if "unbiased" in alias:
        alias = dict(alias)
        correction = int(bool(alias.pop("unbiased")))
    return axis, 1 if correction is None else correction, alias


@restored
def _spread(name: str, x: A, axis: Axis, correction: float, keepdims: bool, alias: Alias) -> A:
    x = widened(x) if asked() else x
    a = floating(name, x)
    axis, correction, alias = _options(axis, correction, alias)
    axes, keep = axes_of(name, a, axis, keepdims, alias)
    divisor = count_of(a, axes) - as_number(name, "correction", correction)
    if divisor <= 0:
        raise ValueError(
            f"{name}: {count_of(a, axes)} element(s) with correction {correction}, expected more elements than the "
            "correction; pass correction=0 or reduce over more"
        )
    with np.errstate(all="ignore"):
        exact = a.astype(np.float64, copy=False)  # float32 would round the mean, and square past its largest number
        centred = exact - exact.mean(axis=axes, keepdims=True)
        if exact is a:
            centred -= centred.mean(axis=axes, keepdims=True)  # what float64 itself rounded of the mean
        square = (centred * centred).sum(axis=axes, keepdims=keep) / divisor
        root = np.sqrt(square) if name == "std" else None
        centred = centred.astype(np.float32 if a.dtype.itemsize == 2 else a.dtype, copy=False)
    xp = array_module(a)

    def backward(spread: Backward, gy: Array) -> Array:
        if root is None:
            return spread(wide(gy) * (2 / divisor)) * centred
        slope = xp.where(root == 0, 0, 1 / (divisor * root)).astype(centred.dtype, copy=False)
        return spread(wide(gy) * slope) * centred

    y = (square if root is None else root).astype(a.dtype)
    return record_reduction(name, y, x, a, axes, backward)


@with_out
def nansum(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Named) -> A:
    """Sum over ``axis`` of what is not nan.

    >>> ops.nansum([[1.0, np.nan], [7.0, 2.0]], axis=0)
    array([8., 2.], dtype=float32)
    """
    return sum(_known(x), axis, keepdims, **alias)


@with_out
def nanmean(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Named) -> A:
    """Mean over ``axis`` of what is not nan; nan where there is nothing else.

    Raises:
        TypeError: x is not floating point.

    >>> ops.nanmean([[1.0, np.nan], [7.0, 2.0]], axis=0)
    array([4., 2.], dtype=float32)
    """
    floating("nanmean", x)
    counted = sum(data_of(logical_not(isnan(x))), axis, keepdims, **alias)
    return div(sum(_known(x), axis, keepdims, **alias), counted)


def _known(x: A) -> A:
    """x with 0 in place of nan."""
    return where(isnan(x), 0, x) if data_of(x).dtype.kind in "fV" else x
