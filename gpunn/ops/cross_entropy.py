"""cross_entropy and nll_loss. Inside, x is M rows of C classes: M = N for x (N, C), N d1 ... for x (N, C, d1, ...)."""

from __future__ import annotations

import math

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Backward, Shape
from gpunn.checks import arrays, check_choice, check_constant, check_same_device, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.counts import Count, here
from gpunn.ops.out import with_out
from gpunn.ops.precision import rounded, widened
from gpunn.ops.reduce import mean, total, wide, zero_d
from gpunn.restored import restored

REDUCTIONS = ("none", "mean", "sum")


@with_out
def cross_entropy(
    x: A,
    target: Operand,
    weight: Operand | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    out: Array | None = None,
) -> A:
    """-sum over c of q[c] log softmax(x)[c], for logits x (C,), (N, C) or (N, C, d1, ...).

    Args:
        target: class indices, any integer dtype, x's shape without C; or probabilities q, x's dtype and shape.
        weight: (C,) factor a class; the mean over class indices divides by the weights' sum.
        ignore_index: a class index that counts nothing, nor into the mean.
        label_smoothing: 0 to 1; q becomes (1 - label_smoothing) q + label_smoothing / C.

    IndexError: a label outside 0 .. C-1. On `cpu` at once; on a device the loss is NaN, its gradient 0, and
    gpunn.to_numpy, or what reads a Tensor, raises next: CuPy's own reads know nothing of it.

    The mean of nothing is NaN.

    >>> logits = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    >>> ops.cross_entropy(logits, np.array([0, 2]), reduction="none").round(3)
    array([0.24 , 0.095])
    >>> ops.cross_entropy(logits, np.array([0, -100])).round(3)
    np.float64(0.24)
    """
    op = "cross_entropy"
    if asked():
        x, target = widened(x, target)
    refuse_swapped(op, x, target)
    a, w = check_scores(op, x, weight, reduction)
    if not isinstance(label_smoothing, (int, float, np.floating)) or not 0 <= label_smoothing <= 1:
        raise ValueError(f"{op}: label_smoothing is {label_smoothing!r}, expected 0 to 1; the usual value is 0.1")
    t = data_of(target)
    check_same_device(op, a, t, "x", "target")
    if t.shape == a.shape and t.dtype.kind not in "iub":
        return _soft(op, x, target, a, t, w, ignore_index, reduction, float(label_smoothing))
    check_labels(op, a, t, ignore_index, "class indices; or probabilities of x's shape")
    loss, backward, sums = twins(a).loss.cross_entropy(a, t, w, ignore_index, reduction, float(label_smoothing))
    if here.taken is not None and reduction == "mean":
        here.taken.append(Count(sums, t, ignore_index))
    return record(op, loss, (x,), lambda gy, needs: (backward(gy),), owned=True)


def _soft(
    op: str,
    x: A,
    target: Operand,
    a: Array,
    t: Array,
    w: Array | None,
    ignore_index: int,
    reduction: str,
    smooth: float,
) -> A:
    """cross_entropy with probabilities."""
    xp, classes = array_module(a), a.shape[0 if a.ndim == 1 else 1]
    arrays(op, x=a, target=t)
    if ignore_index >= 0:
        raise ValueError(f"{op}: ignore_index is {ignore_index}, but the target holds probabilities; leave it out")
    q = wide(_rows_of(t))
    if smooth:
        q = q * (1 - smooth) + smooth / classes
    if w is not None:
        q = weighed(q, wide(w))
    logp = twins(a).softmax.forward(wide(_rows_of(a)), 1, True)
    losses = -total(weighed(logp, q), 1)
    kept_logp = logp if wants_grad(target) else None
    p = xp.exp(logp) if kept_logp is not None else xp.exp(logp, out=logp)
    result, scale_of = _reduced(a, losses, reduction)
    a_shape = a.shape

    def backward(gy: Array, needs: Needs) -> Gradients:
        scale, gx, gt = scale_of(gy), None, None
        if needs[0]:
            gx = p * total(q, 1, keepdims=True)
            gx -= q
            gx *= scale
            gx = _unrows(gx.astype(gy.dtype, copy=False), a_shape)
        if kept_logp is not None:
            factor = (smooth - 1) * wide(scale) if w is None else (smooth - 1) * wide(scale) * wide(w)
            gt = _unrows(weighed(kept_logp, factor).astype(gy.dtype, copy=False), a_shape)
        return gx, gt

    return record(op, result, (x, target), backward, owned=True)


@with_out
def nll_loss(
    x: A,
    target: Operand,
    weight: Operand | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    *,
    out: Array | None = None,
) -> A:
    """-weight[t] x[t] for log-probabilities x (C,), (N, C) or (N, C, d1, ...), class indices t; see cross_entropy.

    >>> ops.nll_loss(np.log([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])).round(3)
    np.float64(0.399)
    """
    op = "nll_loss"
    x = widened(x) if asked() else x
    refuse_swapped(op, x, target)
    a, w = check_scores(op, x, weight, reduction)
    t = data_of(target)
    check_same_device(op, a, t, "x", "target")
    check_labels(op, a, t, ignore_index, "class indices")
    loss, backward, sums = twins(a).loss.nll(a, t, w, ignore_index, reduction)
    if here.taken is not None and reduction == "mean":
        here.taken.append(Count(sums, t, ignore_index))
    return record(op, loss, (x,), lambda gy, needs: (backward(gy),), owned=True)


def refuse_swapped(op: str, x: Operand, target: Operand) -> None:
    """Refuses labels where scores belong, beside scores where labels do."""
    kinds = [getattr(getattr(one, "dtype", None), "kind", "") for one in (x, target)]
    if kinds[0] in tuple("iu") and kinds[1] in tuple("fV"):
        raise TypeError(
            f"{op}: x holds labels, {x.dtype} of shape {tuple(x.shape)}, and target scores, {tuple(target.shape)}, "
            f"expected scores first; call {op}(scores, labels)"
        )


def check_scores(op: str, x: Operand, weight: Operand | None, reduction: str) -> tuple[Array, Array | None]:
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


def check_labels(op: str, a: Array, t: Array, ignore_index: int, expected: str) -> None:
    """Refuses class indices of a wrong type or shape; the kernels look at the numbers themselves."""
    if type(ignore_index) is not int and not isinstance(ignore_index, np.integer):
        raise TypeError(f"{op}: ignore_index is {ignore_index!r}, expected an int; the usual value is -100")
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{op}: target is {t.dtype} of shape {t.shape}, expected integers, {expected} (x {a.shape}); "
            "convert it, for example with target.astype('int64')"
        )
    shape = a.shape[:1] + a.shape[2:] if a.ndim > 1 else ()
    if t.shape != shape:
        remedy = "reshape one of them"
        if t.shape == a.shape:
            remedy = f"pass target.argmax({a.ndim > 1:d}) of one-hot labels"
        elif t.shape == (*shape, 1):
            remedy = "pass target.squeeze(-1)"
        raise ValueError(f"{op}: target is {t.shape}, expected {shape} for x {a.shape}, {expected}; {remedy}")


def _reduced(a: Array, losses: Array, reduction: str) -> tuple[Array, Backward]:
    """The reduced loss, and the function from its gradient to the (M, 1) or 0-d factor of the rows' gradients."""
    if reduction == "none":
        shape = a.shape[:1] + a.shape[2:] if a.ndim > 1 else ()
        return rounded(losses.reshape(shape), a.dtype), lambda gy: gy.reshape(-1, 1)
    if reduction == "sum":
        return zero_d(total(losses, None), a), lambda gy: gy
    count = len(losses) or math.nan
    return zero_d(mean(losses), a), lambda gy: wide(gy) / count


@restored
def weighed(value: Array, weight: Array) -> Array:
    """The value times the weight, 0 where the weight is: what has none does not count, be it infinite."""
    with np.errstate(invalid="ignore"):
        y = value * weight
    if isinstance(y, np.ndarray) and np.isfinite(y).all():  # a GPU is not asked
        return y
    return array_module(y).where(weight == 0, 0, y).astype(y.dtype, copy=False)


def _rows_of(a: Array) -> Array:
    """(C,), (N, C) or (N, C, d1, ...) as (M, C)."""
    if a.ndim == 2:
        return a
    if a.ndim == 1:
        return a[None]
    moved = array_module(a).moveaxis(a, 1, -1)
    return moved.reshape(math.prod(moved.shape[:-1]), a.shape[1])


def _unrows(rows: Array, shape: Shape) -> Array:
    """The inverse of _rows_of."""
    if len(shape) == 2:
        return rows
    if len(shape) == 1:
        return rows[0]
    return array_module(rows).moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
