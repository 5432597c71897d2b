"""cross_entropy and nll_loss. Inside, x is M rows of C classes: M = N for x (N, C), N d1 ... for x (N, C, d1, ...)."""

from __future__ import annotations

import math
from typing import Any

from gpunn.backend import array_module
from gpunn.checks import arrays, check_choice, check_constant, check_same_device, wants_grad, zero_d
from gpunn.engine.tensor import data_of, record
from gpunn.ops.softmax import log_softmax_of

REDUCTIONS = ("none", "mean", "sum")


def cross_entropy(
    x, target, weight=None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
) -> Any:
    """-sum over c of q[c] log softmax(x)[c], for logits x (C,), (N, C) or (N, C, d1, ...).

    Args:
        target: class indices, any integer dtype, x's shape without C; or probabilities q, x's dtype and shape.
        weight: (C,) factor a class; the mean over class indices divides by the weights' sum.
        ignore_index: a class index that counts nothing, nor into the mean.
        label_smoothing: 0 to 1; q becomes (1 - label_smoothing) q + label_smoothing / C.

    IndexError: a label outside 0 .. C-1. The mean of nothing is NaN.
    """
    op = "cross_entropy"
    a, w = _scores(op, x, weight, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{op}: label_smoothing is {label_smoothing}, expected 0 to 1")
    t = data_of(target)
    check_same_device(op, a, t, "x", "target")
    if t.shape == a.shape and t.dtype.kind not in "iub":
        return _soft(op, x, target, a, t, w, ignore_index, reduction, float(label_smoothing))
    labels, valid = _labels(op, a, t, ignore_index, "class indices; or probabilities of x's shape")
    return _hard(op, x, a, labels, valid, w, reduction, float(label_smoothing))


def _hard(op: str, x, a, labels, valid, w, reduction: str, smooth: float) -> Any:
    """cross_entropy with class indices: keeps the softmax only, in the memory of its logarithm."""
    xp, classes = array_module(a), a.shape[0 if a.ndim == 1 else 1]
    logp = log_softmax_of(rows_of(a), 1)
    rows = xp.arange(len(labels))
    each = _row_weights(labels, valid, w, a)
    losses = _counted(logp[rows, labels], valid) * (smooth - 1)
    losses = losses if each is None else losses * each
    spread = None  # what label smoothing gives each class, a row
    if smooth:
        spread = zero_d(smooth / classes, a) if w is None else w * (smooth / classes)
        flat = (logp * spread).sum(axis=1)
        losses -= _counted(flat, valid)
    p = xp.exp(logp, out=logp)
    result, scale_of = _reduced(a, losses, each, reduction)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        scale = scale_of(gy)
        if each is None and spread is None:
            gx = p * scale
            gx[rows, labels] -= scale if reduction != "none" else gy.reshape(-1)
            return (unrows(gx, a_shape),)
        sharp = (1 - smooth) * (xp.ones_like(losses) if each is None else each)
        total = sharp if spread is None else sharp + smooth_total * (1 if valid is None else valid)
        gx = p * total[:, None]
        gx[rows, labels] -= sharp
        if spread is not None:
            gx -= spread if valid is None else spread * valid[:, None]
        gx *= scale
        return (unrows(gx, a_shape),)

    a_shape = a.shape
    smooth_total = 0 if spread is None else spread * classes if w is None else spread.sum()
    return record(op, result, (x,), backward)


def _soft(op: str, x, target, a, t, w, ignore_index: int, reduction: str, smooth: float) -> Any:
    """cross_entropy with probabilities."""
    xp, classes = array_module(a), a.shape[0 if a.ndim == 1 else 1]
    arrays(op, x=a, target=t)
    if ignore_index >= 0:
        raise ValueError(f"{op}: ignore_index is {ignore_index}, but the target holds probabilities; leave it out")
    q = rows_of(t)
    if smooth:
        q = q * (1 - smooth) + smooth / classes
    if w is not None:
        q = q * w
    logp = log_softmax_of(rows_of(a), 1)
    losses = -(q * logp).sum(axis=1)
    kept_logp = logp if wants_grad(target) else None
    p = xp.exp(logp) if kept_logp is not None else xp.exp(logp, out=logp)
    result, scale_of = _reduced(a, losses, None, reduction)
    a_shape = a.shape

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any, Any]:
        scale, gx, gt = scale_of(gy), None, None
        if needs[0]:
            gx = p * q.sum(axis=1, keepdims=True)
            gx -= q
            gx *= scale
            gx = unrows(gx, a_shape)
        if needs[1]:
            gt = kept_logp * ((smooth - 1) * scale)
            gt = unrows(gt if w is None else gt * w, a_shape)
        return gx, gt

    return record(op, result, (x, target), backward)


def nll_loss(x, target, weight=None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-weight[t] x[t] for log-probabilities x (C,), (N, C) or (N, C, d1, ...), class indices t; see cross_entropy."""
    op = "nll_loss"
    a, w = _scores(op, x, weight, reduction)
    t = data_of(target)
    check_same_device(op, a, t, "x", "target")
    labels, valid = _labels(op, a, t, ignore_index, "class indices")
    xp, logp = array_module(a), rows_of(a)
    rows = xp.arange(len(labels))
    each = _row_weights(labels, valid, w, a)
    losses = -_counted(logp[rows, labels], valid)
    losses = losses if each is None else losses * each
    result, scale_of = _reduced(a, losses, each, reduction)
    a_shape, rows_shape = a.shape, logp.shape

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
        gx = xp.zeros_like(gy, shape=rows_shape)
        gx[rows, labels] = -1 if each is None else -each
        gx *= scale_of(gy)
        return (unrows(gx, a_shape),)

    return record(op, result, (x,), backward)


def _scores(op: str, x, weight, reduction: str) -> tuple[Any, Any]:
    """x and weight, checked."""
    check_choice(op, "reduction", reduction, REDUCTIONS)
    check_constant(op, "weight", weight)
    a, w = arrays(op, x=x, weight=weight)
    classes = a.shape[0 if a.ndim == 1 else 1] if a.ndim else 0
    if classes == 0:
        raise ValueError(f"{op}: x is {a.shape}, expected (C,), (N, C) or (N, C, d1, ...) with at least one class")
    if w is not None and w.shape != (classes,):
        raise ValueError(f"{op}: weight is {w.shape}, expected ({classes},), one a class (x {a.shape})")
    return a, w


def _labels(op: str, a: Any, t: Any, ignore_index: int, expected: str) -> tuple[Any, Any]:
    """Class indices as M int64 in range, and which of them count (None: all)."""
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{op}: target is {t.dtype} of shape {t.shape}, expected integers, {expected} (x {a.shape}); "
            "convert it, for example with target.astype('int64')"
        )
    shape = a.shape[:1] + a.shape[2:] if a.ndim > 1 else ()
    if t.shape != shape:
        raise ValueError(
            f"{op}: target is {t.shape}, expected {shape} for x {a.shape}, {expected}; reshape one of them"
        )
    labels = t.reshape(-1).astype("int64")
    if not labels.size:
        return labels, None
    classes, low, high = a.shape[0 if a.ndim == 1 else 1], int(labels.min()), int(labels.max())
    if low >= 0 and high < classes and not 0 <= ignore_index < classes:
        return labels, None
    valid = labels != ignore_index
    wrong = labels[valid & ((labels < 0) | (labels >= classes))]
    if wrong.size:
        raise IndexError(
            f"{op}: target has the label {int(wrong[0])}, expected 0 to {classes - 1} for the {classes} classes of "
            f"x {a.shape}, or ignore_index={ignore_index}; correct the labels, or widen the last layer"
        )
    return labels * valid, valid


def _counted(losses: Any, valid: Any) -> Any:
    """`losses`, new memory, with 0 in the rows that do not count: a factor of 0 would make NaN of their infinities."""
    if valid is not None:
        losses[~valid] = 0
    return losses


def _row_weights(labels: Any, valid: Any, w: Any, like: Any) -> Any:
    """Each row's factor in like's dtype; None where all are 1."""
    if w is None:
        return None if valid is None else valid.astype(like.dtype)
    return w[labels] if valid is None else w[labels] * valid


def _reduced(a: Any, losses: Any, each: Any, reduction: str) -> tuple[Any, Any]:
    """The reduced loss, and the function from its gradient to the (M, 1) or 0-d factor of the rows' gradients."""
    if reduction == "none":
        return losses.reshape(a.shape[:1] + a.shape[2:] if a.ndim > 1 else ()), lambda gy: gy.reshape(-1, 1)
    total = losses.sum()
    if reduction == "sum":
        return zero_d(total, a), lambda gy: gy
    if each is None:
        count = len(losses) or math.nan
        return zero_d(total / count, a), lambda gy: gy / count
    count, where = each.sum(), array_module(a).where
    # The mean of nothing is NaN, but pulls at no logit.
    return zero_d(total / where(count == 0, math.nan, count), a), lambda gy: gy / where(count == 0, math.inf, count)


def rows_of(a: Any) -> Any:
    """(C,), (N, C) or (N, C, d1, ...) as (M, C)."""
    if a.ndim == 2:
        return a
    if a.ndim == 1:
        return a[None]
    moved = array_module(a).moveaxis(a, 1, -1)
    return moved.reshape(math.prod(moved.shape[:-1]), a.shape[1])


def unrows(rows: Any, shape: tuple[int, ...]) -> Any:
    """The inverse of rows_of."""
    if len(shape) == 2:
        return rows
    if len(shape) == 1:
        return rows[0]
    return array_module(rows).moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
