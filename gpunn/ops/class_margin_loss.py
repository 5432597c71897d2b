"""Losses that ask scores of the right classes for a margin over the others."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, check_choice, check_constant, check_same_device
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.errors import RangeError
from gpunn.ops.cross_entropy import REDUCTIONS
from gpunn.ops.loss import reduced, scale_of
from gpunn.ops.out import with_out
from gpunn.ops.precision import rounded, widened
from gpunn.ops.reduce import wide
from gpunn.scalars import as_number


@with_out
def multi_margin_loss(
    x: A,
    target: Operand,
    p: int = 1,
    margin: float = 1.0,
    weight: Operand | None = None,
    reduction: str = "mean",
    *,
    out: Array | None = None,
) -> A:
    """Sum over the classes c but the target t of weight[t] max(0, margin - x[t] + x[c])^p, divided by C.

    x are scores (N, C) or (C,), target class indices (N,) or (), p is 1 or 2. IndexError: a label outside 0 .. C-1, on
    `cpu`; on a device the loss is NaN.

    >>> ops.multi_margin_loss([[1.0, 0.5, 3.0]], [0]).round(3)
    np.float32(1.167)
    """
    op, gap = "multi_margin_loss", as_number("multi_margin_loss", "margin", margin)
    check_choice(op, "reduction", reduction, REDUCTIONS)
    if p not in (1, 2):
        raise ValueError(f"{op}: p is {p}, expected 1 or 2")
    check_constant(op, "weight", weight)
    x = widened(x) if asked() else x
    a, w = arrays(op, x=x, weight=weight)
    rows, t = _rows(op, a, target, False)
    if w is not None and w.shape != rows.shape[1:]:
        raise ValueError(f"{op}: weight is {w.shape}, expected {rows.shape[1:]}, one a class (x {a.shape})")
    xp, classes = array_module(a), rows.shape[1]
    _check_range(op, t, 0, classes, a)
    own = xp.arange(classes) == t[:, None]
    z = xp.where(own, 0, gap - _at(xp, rows, own) + rows).astype(rows.dtype)
    held = xp.maximum(z, 0)
    factor = 1 / classes if w is None else _at(xp, wide(w)[None], own) / classes
    losses = (held if p == 1 else held * held).sum(axis=1, keepdims=True) * factor
    slopes = ((z > 0).astype(z.dtype) if p == 1 else 2 * held) * factor
    slopes = xp.where(own, -slopes.sum(axis=1, keepdims=True), slopes).astype(z.dtype)
    return _of_rows(op, x, a, losses[:, 0], data_of(target).shape, slopes, reduction)


@with_out
def multilabel_margin_loss(x: A, target: Operand, reduction: str = "mean", *, out: Array | None = None) -> A:
    """Sum over the labels t and the classes c that are none of max(0, 1 - x[t] + x[c]), divided by C.

    x are scores (N, C) or (C,); target, of x's shape, has class indices up to the first negative number. IndexError: a
    label past C-1, on `cpu`; on a device it is no label.

    >>> ops.multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]]).round(3)
    np.float32(0.85)
    """
    op = "multilabel_margin_loss"
    check_choice(op, "reduction", reduction, REDUCTIONS)
    x = widened(x) if asked() else x
    (a,) = arrays(op, x=x)
    rows, t = _rows(op, a, target, True)
    xp, classes = array_module(a), rows.shape[1]
    _check_range(op, t, None, classes, a)
    real = xp.cumprod(t >= 0, axis=1).astype(bool)
    places = real[:, :, None] & (t[:, :, None] == xp.arange(classes))  # (N, labels, C)
    right = places.any(axis=1)
    losses, slopes = xp.zeros(len(rows), rows.dtype), xp.zeros_like(rows)
    for label in range(classes if not isinstance(t, np.ndarray) else int(real.sum(axis=1).max(initial=0))):
        own = places[:, label]
        z = xp.where(right | ~own.any(axis=1, keepdims=True), 0, 1 - _at(xp, rows, own) + rows).astype(rows.dtype)
        losses += xp.maximum(z, 0).sum(axis=1) / classes
        above = (z > 0).astype(z.dtype) / classes
        slopes += above - own * above.sum(axis=1, keepdims=True)
    return _of_rows(op, x, a, losses, a.shape[:-1], slopes, reduction)


def _rows(op: str, a: Array, target: Operand, several: bool) -> tuple[Array, Array]:
    """Scores (N, C), of 16 bits in float32, and labels (N,), or `several` (N, C)."""
    t = data_of(target)
    check_same_device(op, a, t, "x", "target")
    classes = a.shape[-1] if a.ndim else 1
    if a.ndim > 2 or classes == 0:
        raise ValueError(f"{op}: x is {a.shape}, expected (N, C) or (C,) with at least one class; reshape it")
    if t.dtype.kind not in "iu":
        raise TypeError(f"{op}: target is {t.dtype}, expected integers, class indices; convert it")
    expected = a.shape if several else a.shape[:-1]
    if t.shape != expected and not (a.ndim == 1 and not several and t.shape == (1,)):
        raise ValueError(f"{op}: target is {t.shape}, expected {expected} for x {a.shape}; reshape one of them")
    rows = wide(a).reshape(len(a) if a.ndim == 2 else 1, classes)
    return rows, t.reshape(rows.shape if several else rows.shape[:1])


def _check_range(op: str, t: Array, low: int | None, classes: int, a: Array) -> None:
    """Refuses labels that are no classes, where looking at them costs no wait for a device."""
    if not isinstance(t, np.ndarray) or not t.size:
        return
    worst = t.min() if low is not None and t.min() < low else t.max()
    if worst >= classes or (low is not None and worst < low):
        raise RangeError(
            f"{op}: target has the label {worst}, expected 0 to {classes - 1} for the classes of x {a.shape}; "
            "correct the labels, or widen the last layer"
        )


def _at(xp: ModuleType, rows: Array, own: Array) -> Array:
    """The one number of each row where `own` is, as (N, 1); NaN where there is none."""
    found = xp.where(own, rows, 0).sum(axis=1, keepdims=True).astype(rows.dtype)
    return xp.where(own.any(axis=1, keepdims=True), found, xp.nan).astype(rows.dtype)


def _of_rows(op: str, x: Any, a: Array, losses: Array, shape: Shape, slopes: Array, reduction: str) -> Any:
    """The rows' losses, reduced, and recorded with their slopes."""
    y = reduced(losses.reshape(shape) if reduction == "none" else losses, reduction, a)

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        scale = scale_of(gy, reduction, len(losses)).reshape(-1, 1)
        return (rounded((slopes * scale).reshape(a.shape), gy.dtype),)

    return record(op, y, (x,), backward, owned=True)
