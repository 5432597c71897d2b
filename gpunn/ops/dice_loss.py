"""dice_loss: how little two sets of pixels overlap, of probabilities in place of sets."""

from __future__ import annotations

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.checks import check_same_device
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.counts import Count, here
from gpunn.ops.cross_entropy import check_labels, check_scores, refuse_swapped
from gpunn.ops.loss import reduced, scale_of
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.ops.reduce import total, wide


@with_out
def dice_loss(
    x: A,
    target: Operand,
    ignore_index: int = -100,
    reduction: str = "mean",
    smooth: float = 1.0,
    *,
    out: Array | None = None,
) -> A:
    """1 - (2 sum p q + smooth) / (sum p^2 + sum q^2 + smooth) of each class (C,): their mean, or their sum.

    p = softmax(x) over the classes, q = 1 where the label is the class and else 0; the sums in it are over all pixels
    of the batch (Milletari, Navab, Ahmadi 2016, "V-Net", section 3). Each class counts as much as any other, however
    few its pixels are, which is what cross-entropy lacks.

    Args:
        x: logits (N, C) or (N, C, d1, ...).
        target: class indices, any integer dtype, x's shape without C.
        ignore_index: a label whose pixels count nothing.
        smooth: keeps a class of no pixel from being 0 / 0; at least 0.

    IndexError: a label outside 0 .. C-1, with its place in a mask; on a device as in `cross_entropy`.

    >>> mask, sure = np.array([[0, 1, 1]]), np.array([[[9.0, -9.0, -9.0], [-9.0, 9.0, 9.0]]])
    >>> ops.dice_loss(sure, mask).round(3), ops.dice_loss(-sure, mask, reduction="none").round(3)
    (np.float64(0.0), array([0.75, 0.75]))
    """
    op = "dice_loss"
    x = widened(x) if asked() else x
    refuse_swapped(op, x, target)
    a, _ = check_scores(op, x, None, reduction)
    if a.ndim < 2:
        raise ValueError(f"{op}: x is {a.shape}, expected (N, C) or (N, C, d1, ...); add a batch of one with x[None]")
    if not isinstance(smooth, (int, float, np.number)) or not 0 <= smooth < np.inf:
        raise ValueError(f"{op}: smooth is {smooth!r}, expected a number of at least 0; the usual value is 1")
    t = data_of(target)
    check_same_device(op, a, t, "x", "target")
    check_labels(op, a, t, ignore_index, "class indices")
    xp, axes = array_module(a), (0, *range(2, a.ndim))
    p = twins(a).softmax.forward(wide(a), 1, False)
    # Which labels are classes the kernel says: its sum is NaN where one is not.
    known, _, sums = twins(a).loss.nll(p, t, None, ignore_index, "sum", op)
    if here.taken is not None and reduction == "mean":
        here.taken.append(Count(sums, t, ignore_index))
    q, counted = _one_hot(t, a, ignore_index)
    p_counted = xp.where(counted, p, 0)
    above = 2 * total(p_counted * q, axes, keepdims=True) + smooth
    below = total(p_counted * p_counted, axes, keepdims=True) + total(q, axes, keepdims=True) + smooth
    right = xp.isfinite(known)
    losses = xp.where(right, (1 - above / below).reshape(-1), xp.nan).astype(p.dtype, copy=False)

    def backward(gy: Array, needs: Needs) -> Gradients:
        scale = scale_of(gy, reduction, losses.size).reshape(-1 if reduction == "none" else 1)
        slope = 2 * (above / below * p_counted - q) / below
        slope *= scale.reshape(-1, *(1,) * (a.ndim - 2))
        gx = twins(a).softmax.backward(slope, p, 1, False)
        return (xp.where(counted & right, gx, 0).astype(gy.dtype, copy=False),)

    return record(op, reduced(losses, reduction, a), (x,), backward, owned=True)


def _one_hot(t: Array, a: Array, ignore_index: int) -> tuple[Array, Array]:
    """1 where a label that counts is the class, else 0, of a's shape; and which labels count, with an axis of one."""
    xp, labels = array_module(a), t[:, None].astype(np.int64, copy=False)
    classes = xp.arange(a.shape[1]).reshape(-1, *(1,) * (a.ndim - 2))
    counted = labels != ignore_index
    return ((labels == classes) & counted).astype(wide(a).dtype), counted
