"""Connectionist temporal classification (Graves, Fernandez, Gomez, Schmidhuber, 2006), in logarithms."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, asarray, capture, device_of, to_numpy
from gpunn.checks import arrays, check_choice, check_same_device
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import data_of, record
from gpunn.ops.cross_entropy import REDUCTIONS
from gpunn.ops.out import with_out
from gpunn.ops.precision import rounded, widened
from gpunn.ops.reduce import mean, total, wide, zero_d
from gpunn.restored import restored
from gpunn.scalars import as_int


@with_out
def ctc_loss(
    log_probs: A,
    targets: Operand,
    input_lengths: Operand,
    target_lengths: Operand,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """-log of the probability of all ways to spell the targets, in order, with repeats and blanks between them.

    As PyTorch's, the gradient is that of the scores before log_softmax, which log_softmax hands on as it is.

    Args:
        log_probs: (T, N, C), or (T, C) of one sequence: what log_softmax gives over the C classes.
        targets: class indices (N, S), or all of them one after another, (sum of target_lengths,).
        input_lengths: steps of each sequence, (N,), at most T; lists, tuples or arrays, on the host for speed.
        target_lengths: labels of each, (N,).
        blank: the class that is no label.
        reduction: "mean" divides each loss by its target's length (at least 1), and averages over the batch.
        zero_infinity: targets too long for their input lose 0, not infinity, and pull at nothing.

    ValueError: shapes and lengths that do not fit; IndexError: a label that is no class, on `cpu`.

    >>> even = np.log(np.full((3, 1, 2), 0.5))
    >>> ops.ctc_loss(even, np.array([[1]]), [3], [1], reduction="sum").round(3)  # 6 of 8 ways: not 000, not 101
    np.float64(0.288)
    """
    op = "ctc_loss"
    capture.refuse(f"{op}: the lengths are the host's, and a graph would repeat them; step with capture=False")
    check_choice(op, "reduction", reduction, REDUCTIONS)
    log_probs = widened(log_probs) if asked() else log_probs
    (a,) = arrays(op, log_probs=log_probs)
    if a.ndim not in (2, 3) or a.shape[-1] == 0:
        raise ValueError(f"{op}: log_probs is {a.shape}, expected (T, N, C), or (T, C) of one sequence; reshape it")
    batched = a if a.ndim == 3 else a[:, None]
    blank = as_int(op, "blank", blank)
    if not 0 <= blank < a.shape[-1]:
        raise ValueError(f"{op}: blank is {blank}, expected a class, 0 to {a.shape[-1] - 1} (log_probs {a.shape})")
    steps = _lengths(op, "input_lengths", input_lengths, batched.shape[1], batched.shape[0])
    t = data_of(targets)
    check_same_device(op, a, t, "log_probs", "targets")
    labels = _lengths(op, "target_lengths", target_lengths, batched.shape[1], None)
    t = _padded(op, t, labels, batched)
    found = _Alignment(wide(batched), t, steps, labels, blank)
    return found.loss(op, log_probs, a, reduction, bool(zero_infinity))


def _lengths(op: str, name: str, given: Any, count: int, most: int | None) -> np.ndarray:
    """Lengths on the host, int64 (N,)."""
    found = np.asarray(given) if isinstance(given, int | list | tuple) else to_numpy(data_of(given))
    if found.dtype.kind not in "iu" and found.size:
        raise TypeError(f"{op}: {name} is {found.dtype}, expected integers, one a sequence; convert it")
    if found.size != count or found.ndim > 1:
        raise ValueError(f"{op}: {name} is {found.shape}, expected ({count},), one a sequence of the batch")
    found = found.reshape(count).astype(np.int64)
    if count and (found.min() < 0 or (most is not None and found.max() > most)):
        limit = "0 or more" if most is None else f"0 to {most}, the steps of log_probs"
        raise ValueError(f"{op}: {name} has {found.min() if found.min() < 0 else found.max()}, expected {limit}")
    return found


def _padded(op: str, t: Array, labels: np.ndarray, a: Array) -> Array:
    """Targets as (N, longest), whatever lies behind each one's end."""
    xp, count, longest = array_module(t), len(labels), int(labels.max(initial=0))
    if t.dtype.kind not in "iu":
        raise TypeError(f"{op}: targets is {t.dtype}, expected integers, class indices; convert it")
    if t.ndim == 1 and (count != 1 or t.size == labels.sum()):
        if t.size != labels.sum():
            raise ValueError(f"{op}: targets has {t.size} labels, expected {labels.sum()}, the sum of target_lengths")
        at = (np.cumsum(labels) - labels)[:, None] + np.arange(longest)
        where = np.minimum(at, max(t.size - 1, 0))
        t = t[asarray(where, device=device_of(t))] if t.size else xp.zeros((count, 0), "int64")
    else:
        t = t[None] if t.ndim == 1 else t
        if t.ndim != 2 or t.shape[0] != count or t.shape[1] < longest:
            raise ValueError(
                f"{op}: targets is {t.shape}, expected ({count}, S) with S from {longest} on, the longest of "
                "target_lengths, or all labels one after another"
            )
        t = t[:, :longest]
    inside = np.arange(longest) < labels[:, None]
    if isinstance(t, np.ndarray) and inside.any():
        real = t[inside]
        if real.min() < 0 or real.max() >= a.shape[2]:
            worst = real.min() if real.min() < 0 else real.max()
            raise IndexError(f"{op}: targets has the label {worst}, expected 0 to {a.shape[2] - 1} (C = {a.shape[2]})")
    return t.astype("int64") * asarray(inside, device=device_of(t))


class _Alignment:
    """Ways through labels and blanks: position 2s + 1 is label s, the even ones are blanks; L = 2S + 1."""

    def __init__(self, a: Array, t: Array, steps: np.ndarray, labels: np.ndarray, blank: int):
        self.xp: ModuleType = array_module(a)
        self.a, self.t, self.blank = a, t, blank
        xp, (count, longest) = self.xp, t.shape
        self.width = 2 * longest + 1
        classes = xp.full((count, self.width), blank, "int64")
        classes[:, 1::2] = t
        at = xp.arange(len(a))[:, None, None], xp.arange(count)[:, None], classes
        self.seen = a[at]  # (T, N, L): log-probability of each position's class
        self.barred = xp.full((count, self.width), -math.inf, a.dtype)  # 0 where the blank before it may be left out
        self.barred[:, 3::2] = xp.where(t[:, 1:] != t[:, :-1], 0, -math.inf)
        self.edge = xp.full((count, 2), -math.inf, a.dtype)
        self.least = xp.full((count, self.width), float(np.finfo(a.dtype).min), a.dtype)  # less it is -inf
        device = device_of(a)
        self.steps, self.ends = asarray(steps, device=device), asarray(2 * labels, device=device)
        self.lengths = asarray(np.maximum(labels, 1), device=device).astype(a.dtype)

    def loss(self, op: str, x: Any, a: Array, reduction: str, zero_infinity: bool) -> Any:
        """The reduced loss, recorded."""
        xp, alpha = self.xp, self._forward()
        each = self._each(alpha)
        lost = each == math.inf
        kept = xp.where(lost, 0, each).astype(each.dtype) if zero_infinity else each
        count = len(kept)
        if reduction == "none":
            y = rounded(kept if a.ndim == 3 else kept.reshape(()), a.dtype)
        elif reduction == "mean":
            y = zero_d(mean(kept / self.lengths), a)
        else:
            y = zero_d(total(kept, None), a)

        def backward(gy: Array, needs: Needs) -> Gradients:
            scale = wide(gy) / (self.lengths * count) if reduction == "mean" else wide(gy)
            gx = self._gradient(alpha, each) * scale.reshape(-1, 1)
            unused = xp.arange(len(gx))[:, None, None] >= self.steps[:, None]
            unused = unused | lost[:, None] if zero_infinity else unused
            return (rounded(xp.where(unused, 0, gx).astype(gx.dtype).reshape(a.shape), gy.dtype),)

        return record(op, y, (x,), backward, owned=True)

    @restored
    def _forward(self) -> Array:
        """(T, N, L): log-probability of all ways to a position by a step, that step's own among them."""
        xp = self.xp
        alpha = xp.full(self.seen.shape, -math.inf, self.a.dtype)
        if not len(alpha):
            return alpha
        alpha[0, :, :2] = self.seen[0, :, :2]
        with np.errstate(all="ignore"):
            for step in range(1, len(alpha)):
                row = xp.concatenate([self.edge, alpha[step - 1]], axis=1)
                alpha[step] = self._joined(row[:, 2:], row[:, 1:-1], row[:, :-2] + self.barred) + self.seen[step]
        return alpha

    def _joined(self, one: Array, two: Array, three: Array) -> Array:
        """log of the sum of three exponentials, -inf of none."""
        xp = self.xp
        base = xp.maximum(xp.maximum(one, two), xp.maximum(three, self.least))
        return xp.log(xp.exp(one - base) + xp.exp(two - base) + xp.exp(three - base)) + base

    @restored
    def _each(self, alpha: Array) -> Array:
        """(N,): the loss of each sequence."""
        xp, rows = self.xp, self.xp.arange(len(self.ends))
        if not len(alpha):
            return xp.where(self.ends == 0, 0, math.inf).astype(self.a.dtype)
        last = alpha[xp.maximum(self.steps - 1, 0), rows]
        blank, label = last[rows, self.ends], last[rows, xp.maximum(self.ends - 1, 0)]
        label = xp.where(self.ends > 0, label, -math.inf).astype(blank.dtype)
        with np.errstate(all="ignore"):
            found = -xp.logaddexp(blank, label)
        none = xp.where(self.ends == 0, 0, math.inf)  # of no steps
        return xp.where(self.steps > 0, found, none).astype(self.a.dtype)

    @restored
    def _gradient(self, alpha: Array, each: Array) -> Array:
        """(T, N, C): exp(a) less the share of the ways that are at a class at a step."""
        xp, places = self.xp, self.xp.arange(self.width)
        ending = xp.where((places == self.ends[:, None]) | (places == self.ends[:, None] - 1), 0, -math.inf)
        barred = xp.concatenate([self.barred[:, 2:], self.edge[:, : self.width]], axis=1)[:, : self.width]
        last = self.steps - 1 == xp.arange(len(alpha))[:, None]  # (T, N)
        beta, shares = xp.full_like(self.barred, -math.inf), xp.empty_like(alpha)
        with np.errstate(all="ignore"):
            for step in reversed(range(len(alpha))):
                row = xp.concatenate([beta, self.edge], axis=1)
                beta = self._joined(row[:, :-2], row[:, 1:-1], row[:, 2:] + barred)
                beta = xp.where(last[step][:, None], ending, beta).astype(alpha.dtype, copy=False)
                shares[step] = alpha[step] + beta
                beta = beta + self.seen[step]
            shares = xp.exp(shares + each[:, None])
            gx = xp.exp(self.a)
        gx[:, :, self.blank] -= shares[:, :, ::2].sum(axis=2)
        rows = xp.arange(len(beta))
        for label in range(self.t.shape[1]):
            gx[:, rows, self.t[:, label]] -= shares[:, :, 2 * label + 1]
        return gx
