"""Reductions over some axes, or all of them. ``dim`` and ``keepdim`` are other names of ``axis`` and ``keepdims``."""

from __future__ import annotations

import math

import numpy as np

from gpunn.backend import array_module
from gpunn.ops.elementwise import floating
from gpunn.ops.sums import total
from gpunn.tensor import data_of, record


def sum(x, axis=None, keepdims=False, **alias):
    """Sum over ``axis`` (an int, several, or None for all)."""
    a = data_of(x)
    axes, keep = _axes("sum", a, axis, keepdims, alias)
    y = total(a, axes, keep)
    return _record("sum", y, x, a, axes, keep, lambda spread, gy: spread(gy))


def mean(x, axis=None, keepdims=False, **alias):
    """Mean over ``axis``; nan where there is nothing to average.

    Raises:
        TypeError: x is not floating point.
    """
    a = floating("mean", x)
    axes, keep = _axes("mean", a, axis, keepdims, alias)
    count = _count(a, axes)
    with np.errstate(all="ignore"):
        y = (total(wide(a), axes, keep) / count).astype(a.dtype)
    return _record("mean", y, x, a, axes, keep, lambda spread, gy: spread(wide(gy) / count))


def var(x, axis=None, correction=1, keepdims=False, **alias):
    """Variance over ``axis``, the sum of squares divided by the count less ``correction`` (1: unbiased).

    Raises:
        ValueError: not more elements than ``correction``.
    """
    a = floating("var", x)
    axes, keep = _axes("var", a, axis, keepdims, alias)
    divisor = _count(a, axes) - correction
    if divisor <= 0:
        raise ValueError(
            f"var: {_count(a, axes)} element(s) with correction {correction}, expected more elements than the "
            "correction; pass correction=0 or reduce over more"
        )
    centred = wide(a) - total(wide(a), axes, keepdims=True) / _count(a, axes)
    y = (total(centred * centred, axes, keep) / divisor).astype(a.dtype)
    return _record("var", y, x, a, axes, keep, lambda spread, gy: spread(wide(gy) * (2 / divisor)) * centred)


def wide(a):
    """16-bit floats as float32, in which sums and counts past 65504 do not overflow; others as they are."""
    return a.astype(np.float32) if a.dtype.itemsize == 2 else a


def max(x, axis=None, keepdims=False, **alias):
    """Largest value over ``axis``; equal ones share the gradient, as in ``torch.amax``."""
    return _extreme("max", x, axis, keepdims, alias)


def min(x, axis=None, keepdims=False, **alias):
    """Smallest value over ``axis``; equal ones share the gradient, as in ``torch.amin``."""
    return _extreme("min", x, axis, keepdims, alias)


def _extreme(name: str, x, axis, keepdims, alias):
    a = data_of(x)
    axes, keep = _axes(name, a, axis, keepdims, alias)
    if _count(a, axes) == 0:
        raise ValueError(f"{name}: got shape {a.shape} and axis {axis}, expected at least one element to choose from")
    kept = getattr(a, name)(axis=axes, keepdims=True)

    def backward(spread, gy):
        chosen = (a == kept) | ((a != a) & (kept != kept))  # x != x: nan
        shares = chosen.sum(axis=axes, keepdims=True, dtype=gy.dtype)
        return spread(gy) * (chosen / shares).astype(gy.dtype)

    y = kept if keep else kept.reshape(_shape_without(a.shape, axes))
    return _record(name, y, x, a, axes, keep, backward)


def logsumexp(x, axis=None, keepdims=False, **alias):
    """log of the sum of e ** x over ``axis``, computed without overflow."""
    a = floating("logsumexp", x)
    axes, keep = _axes("logsumexp", a, axis, keepdims, alias)
    xp = array_module(a)
    if _count(a, axes) == 0:
        raise ValueError(f"logsumexp: got shape {a.shape} and axis {axis}, expected at least one element")
    peak = a.max(axis=axes, keepdims=True)
    peak = xp.where(xp.isinf(peak), 0, peak).astype(a.dtype)
    with np.errstate(all="ignore"):
        kept = xp.log(xp.exp(a - peak).sum(axis=axes, keepdims=True)) + peak
    # -inf everywhere makes the sum empty: no element has a share in it.
    floor = xp.where(xp.isneginf(kept), 0, kept).astype(a.dtype)
    y = kept if keep else kept.reshape(_shape_without(a.shape, axes))
    return _record("logsumexp", y, x, a, axes, keep, lambda spread, gy: spread(gy) * xp.exp(a - floor))


def argmax(x, axis=None):
    """Index of the largest value, over all or one axis; the first of equal ones. Without a gradient."""
    y = data_of(x).argmax(axis=axis)
    return record("argmax", array_module(data_of(x)).asanyarray(y), (x,), lambda gy, needs: (None,))


def _record(name, y, x, a, axes, keep, backward):
    """Record a reduction whose ``backward(spread, gy)`` may call ``spread`` to broadcast over the reduced axes."""
    xp = array_module(a)
    shape, kept_shape = a.shape, tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    y = xp.asanyarray(y)  # NumPy turns a full reduction into a number; the graph holds arrays

    def spread(g):
        return xp.broadcast_to(g.reshape(kept_shape), shape)

    return record(name, y, (x,), lambda gy, needs: (backward(spread, gy),))


def _axes(name: str, a, axis, keepdims, alias) -> tuple[tuple[int, ...], bool]:
    """The reduced axes as a sorted tuple of non-negative ints, and whether to keep them."""
    unknown = set(alias) - {"dim", "keepdim"}
    if unknown:
        raise TypeError(
            f"{name}: got an unexpected argument {sorted(unknown)[0]!r}; expected axis or dim, keepdims or keepdim"
        )
    if axis is not None and "dim" in alias:
        raise TypeError(f"{name}: got both axis {axis} and dim {alias['dim']}, two names of one argument; pass one")
    axis, keepdims = alias.get("dim", axis), alias.get("keepdim", keepdims)
    if axis is None:
        return tuple(range(a.ndim)), bool(keepdims)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    wrong = [i for i in axes if not -a.ndim <= i < a.ndim]
    positive = {i % a.ndim for i in axes} if a.ndim and not wrong else set()
    if wrong or len(positive) != len(axes):
        raise ValueError(
            f"{name}: axis {axis} does not fit shape {a.shape}; expected different axes from {-a.ndim} to {a.ndim - 1}"
        )
    return tuple(sorted(positive)), bool(keepdims)


def _count(a, axes) -> int:
    return math.prod(a.shape[i] for i in axes)


def _shape_without(shape, axes) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i not in axes)
