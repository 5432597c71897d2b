"""Losses of class indices on plain arrays: the twin of gpunn.cuda.loss. Inside, x is M rows of C classes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpunn.cpu.narrow import in_float32
from gpunn.errors import LabelError
from gpunn.restored import restored

Backward = Callable[[np.ndarray], np.ndarray]


@in_float32(kept=(2,))
def cross_entropy(
    x: np.ndarray, labels: np.ndarray, weight: np.ndarray | None, ignore_index: int, reduction: str, smoothing: float
) -> tuple[np.ndarray, Backward, np.ndarray]:
    """The reduced loss, the function from its gradient to x's, and the weights' sum.

    Keeps the softmax, in its logarithm's memory.
    """
    shape, classes = x.shape, x.shape[0 if x.ndim == 1 else 1]
    labels, valid = _checked("cross_entropy", labels, shape, ignore_index)
    logp = _log_softmax(_rows(x))
    each = _row_weights(labels, valid, weight, x)
    losses = _product(_counted(logp[np.arange(len(labels)), labels], valid), smoothing - 1)
    losses = losses if each is None else _product(losses, each)
    spread, total = None, 0  # what label smoothing gives each class of a row, and all of them
    if smoothing:
        spread = x.dtype.type(smoothing / classes) if weight is None else weight * (smoothing / classes)
        total = spread * classes if weight is None else spread.sum()
        losses -= _counted(_product(logp, spread).sum(axis=1), valid)
    p = np.exp(logp, out=logp)
    loss, scale_of, count = _reduced(x, losses, each, reduction)
    kind = losses.dtype

    def backward(gy: np.ndarray) -> np.ndarray:
        scale, rows = scale_of(gy), np.arange(len(labels))
        if each is None and spread is None:
            gx = p * scale
            gx[rows, labels] -= scale if reduction != "none" else gy.reshape(-1)
            return _unrows(gx, shape)
        sharp = (1 - smoothing) * (np.ones(len(labels), kind) if each is None else each)
        pull = sharp if spread is None else sharp + total * (1 if valid is None else valid)
        gx = p * pull[:, None]
        gx[rows, labels] -= sharp
        if spread is not None:
            gx -= spread if valid is None else spread * valid[:, None]
        gx *= scale
        return _unrows(_counted(gx, valid), shape)

    return loss, backward, count


@in_float32(kept=(2,))
def nll(
    x: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray | None,
    ignore_index: int,
    reduction: str,
    op: str = "nll_loss",
) -> tuple[np.ndarray, Backward, np.ndarray]:
    """-weight[t] x[t], reduced, the function from its gradient to x's, the weights' sum; errors name `op`."""
    shape, logp = x.shape, _rows(x)
    labels, valid = _checked(op, labels, shape, ignore_index)
    rows_shape = logp.shape
    each = _row_weights(labels, valid, weight, x)
    losses = -_counted(logp[np.arange(len(labels)), labels], valid)
    losses = losses if each is None else _product(losses, each)
    loss, scale_of, count = _reduced(x, losses, each, reduction)

    def backward(gy: np.ndarray) -> np.ndarray:
        gx = np.zeros_like(gy, shape=rows_shape)
        gx[np.arange(len(labels)), labels] = -1 if each is None else -each
        gx *= scale_of(gy)
        return _unrows(gx, shape)

    return loss, backward, count


@in_float32
def hits(
    x: np.ndarray, labels: np.ndarray, k: int | None, ignore_index: int, op: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose label is among the k largest scores, of equal ones the lower class first; and rows that count.

    Without a k: rows whose label is the argmax, which is the first NaN where there is one. 0-d arrays of integers.
    """
    counts = np.ones(labels.shape, bool) if ignore_index < 0 and labels.dtype.kind == "u" else labels != ignore_index
    if k is None:
        right = x.argmax(axis=1) == labels  # never at a label that is no class
    else:
        classes, labels = np.arange(x.shape[1]).reshape(1, -1, *[1] * (x.ndim - 2)), labels.astype(np.int64, copy=False)
        real = (labels >= 0) & (labels < x.shape[1])
        rows = (labels * real)[:, None]
        own = np.take_along_axis(x, rows, axis=1)
        # Written as "not at most", so that a NaN score counts as ahead and never as a hit.
        ahead = ~(x <= own) | ((x == own) & (classes < rows))
        right = (ahead.sum(axis=1) < k) & real
    return np.asarray((right & counts).sum()), np.asarray(counts.sum())


def _checked(op: str, labels, shape: tuple[int, ...], ignore_index: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Class indices as M int64 in range, and which of them count (None: all)."""
    if labels.dtype == np.uint64 and labels.size and labels.max() > np.iinfo("int64").max:
        # As int64 it might be ignore_index.
        raise LabelError.of(op, int(labels.max()), shape, ignore_index, int(labels.argmax()))
    labels = labels.reshape(-1).astype("int64")
    if not labels.size:
        return labels, None
    classes = shape[0 if len(shape) == 1 else 1]
    if labels.min() >= 0 and labels.max() < classes and not 0 <= ignore_index < classes:
        return labels, None
    valid = labels != ignore_index
    wrong = np.flatnonzero(valid & ((labels < 0) | (labels >= classes)))
    if wrong.size:
        raise LabelError.of(op, int(labels[wrong[0]]), shape, ignore_index, int(wrong[0]))
    return labels * valid, valid


@restored
def _log_softmax(rows: np.ndarray) -> np.ndarray:
    """Of an infinite score the limit: it is the largest by any distance."""
    if rows.size == 0:
        return np.zeros_like(rows)
    peak = rows.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = rows - peak
        if np.isposinf(peak).any():
            y[rows == np.inf] = 0
        y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
    return y


@restored
def _product(a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """a times b, where 0 times infinity is 0: what has no weight does not count, whatever it is."""
    with np.errstate(invalid="ignore"):
        y = a * b
    return np.where((a == 0) | (np.asarray(b) == 0), 0, y).astype(y.dtype) if np.isnan(y).any() else y


def _counted(losses: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """New memory, made 0 in the rows that do not count: a factor of 0 would make NaN of their infinities."""
    if valid is not None:
        losses[~valid] = 0
    return losses


def _row_weights(labels: np.ndarray, valid: np.ndarray | None, weight, like: np.ndarray) -> np.ndarray | None:
    """Each row's factor in like's dtype; None where all are 1."""
    if weight is None:
        return None if valid is None else valid.astype(like.dtype)
    return weight[labels] if valid is None else weight[labels] * valid


def _reduced(
    x: np.ndarray, losses: np.ndarray, each: np.ndarray | None, reduction: str
) -> tuple[np.ndarray, Callable, np.ndarray]:
    """The reduced loss, the function from its gradient to the rows' (M, 1) or 0-d factor, the rows' weights' sum."""
    count = np.asarray(len(losses) if each is None else each.sum(), x.dtype)
    if reduction == "none":
        loss = losses.reshape(x.shape[:1] + x.shape[2:] if x.ndim > 1 else ())
        return loss, lambda gy: gy.reshape(-1, 1), count
    with np.errstate(over="ignore", invalid="ignore"):
        total = losses.sum()
        if not np.isfinite(total):  # a mean may fit where float32's sum does not
            total = losses.sum(dtype=np.float64)
        if reduction == "sum":
            return np.asarray(total).astype(x.dtype), lambda gy: gy, count
    # The mean of nothing is NaN, but pulls at no logit.
    loss = np.asarray(total / np.where(count == 0, math.nan, count), x.dtype)
    return loss, lambda gy: gy / np.where(count == 0, math.inf, count).astype(gy.dtype), count


def _rows(x: np.ndarray) -> np.ndarray:
    """(C,), (N, C) or (N, C, d1, ...) as (M, C)."""
    if x.ndim <= 2:
        return x if x.ndim == 2 else x[None]
    moved = np.moveaxis(x, 1, -1)
    return moved.reshape(math.prod(moved.shape[:-1]), x.shape[1])


def _unrows(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of _rows."""
    if len(shape) <= 2:
        return rows if len(shape) == 2 else rows[0]
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
