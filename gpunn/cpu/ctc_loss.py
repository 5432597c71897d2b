"""Connectionist temporal classification on plain arrays: the twin of gpunn.cuda.ctc_loss, all samples at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpunn.cpu.narrow import in_float32
from gpunn.restored import restored

Backward = Callable[[np.ndarray], np.ndarray]


@in_float32
def forward(
    x: np.ndarray,
    targets: np.ndarray,
    steps: np.ndarray,
    lengths: np.ndarray,
    blank: int,
    reduction: str,
    zero_infinity: bool,
) -> tuple[np.ndarray, Backward]:
    """The reduced loss, and the function from its gradient to x's."""
    found = _Alignment(x, _padded(targets, lengths), steps, lengths, blank)
    alpha, divisors, count = found.alpha(), np.maximum(lengths, 1).astype(x.dtype), len(lengths)
    each = found.each(alpha)
    lost = each == math.inf
    kept = np.where(lost, 0, each).astype(each.dtype) if zero_infinity else each
    if reduction == "mean":
        loss = np.asarray((kept / divisors).mean() if count else math.nan, x.dtype)
    else:
        loss = np.asarray(kept.sum(), x.dtype) if reduction == "sum" else kept

    def backward(gy: np.ndarray) -> np.ndarray:
        scale = gy / (divisors * count) if reduction == "mean" else gy
        gx = found.gradient(alpha, each) * scale.reshape(-1, 1)
        gx[:, lost] = 0 if zero_infinity else math.nan
        gx[np.arange(len(gx))[:, None] >= steps] = 0
        return gx.astype(x.dtype, copy=False)

    return loss, backward


def _padded(targets: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Targets as (N, longest), int64, with zeros behind each one's end."""
    longest = int(lengths.max(initial=0))
    if targets.ndim == 1:
        at = (np.cumsum(lengths) - lengths)[:, None] + np.arange(longest)
        targets = np.append(targets, 0)[np.minimum(at, targets.size)]
    return targets[:, :longest].astype(np.int64) * (np.arange(longest) < lengths[:, None])


class _Alignment:
    """Ways through labels and blanks: position 2s + 1 is label s, the even ones are blanks; L = 2S + 1."""

    def __init__(self, a: np.ndarray, t: np.ndarray, steps: np.ndarray, labels: np.ndarray, blank: int):
        self.a, self.t, self.blank, self.steps, self.ends = a, t, blank, steps, 2 * labels
        count, longest = t.shape
        self.width = 2 * longest + 1
        classes = np.full((count, self.width), blank, "int64")
        classes[:, 1::2] = t
        at = np.arange(len(a))[:, None, None], np.arange(count)[:, None], classes
        self.seen = a[at]  # (T, N, L): log-probability of each position's class
        self.barred = np.full((count, self.width), -math.inf, a.dtype)  # 0 where the blank before it may be left out
        self.barred[:, 3::2] = np.where(t[:, 1:] != t[:, :-1], 0, -math.inf)
        self.edge = np.full((count, 2), -math.inf, a.dtype)
        self.least = np.full((count, self.width), float(np.finfo(a.dtype).min), a.dtype)  # less it is -inf

    @restored
    def alpha(self) -> np.ndarray:
        """(T, N, L): log-probability of all ways to a position by a step, that step's own among them."""
        alpha = np.full(self.seen.shape, -math.inf, self.a.dtype)
        if not len(alpha):
            return alpha
        alpha[0, :, :2] = self.seen[0, :, :2]
        with np.errstate(all="ignore"):
            for step in range(1, len(alpha)):
                row = np.concatenate([self.edge, alpha[step - 1]], axis=1)
                alpha[step] = self._joined(row[:, 2:], row[:, 1:-1], row[:, :-2] + self.barred) + self.seen[step]
        return alpha

    def _joined(self, one: np.ndarray, two: np.ndarray, three: np.ndarray) -> np.ndarray:
        """log of the sum of three exponentials, -inf of none."""
        base = np.maximum(np.maximum(one, two), np.maximum(three, self.least))
        return np.log(np.exp(one - base) + np.exp(two - base) + np.exp(three - base)) + base

    @restored
    def each(self, alpha: np.ndarray) -> np.ndarray:
        """(N,): the loss of each sequence."""
        rows = np.arange(len(self.ends))
        if not len(alpha):
            return np.where(self.ends == 0, 0, math.inf).astype(self.a.dtype)
        last = alpha[np.maximum(self.steps - 1, 0), rows]
        blank, label = last[rows, self.ends], last[rows, np.maximum(self.ends - 1, 0)]
        label = np.where(self.ends > 0, label, -math.inf).astype(blank.dtype)
        with np.errstate(all="ignore"):
            found = -np.logaddexp(blank, label)
        none = np.where(self.ends == 0, 0, math.inf)  # of no steps
        return np.where(self.steps > 0, found, none).astype(self.a.dtype)

    @restored
    def gradient(self, alpha: np.ndarray, each: np.ndarray) -> np.ndarray:
        """(T, N, C): exp(a) less the share of the ways that are at a class at a step."""
        places = np.arange(self.width)
        ending = np.where((places == self.ends[:, None]) | (places == self.ends[:, None] - 1), 0, -math.inf)
        barred = np.concatenate([self.barred[:, 2:], self.edge[:, : self.width]], axis=1)[:, : self.width]
        last = self.steps - 1 == np.arange(len(alpha))[:, None]  # (T, N)
        beta, shares = np.full_like(self.barred, -math.inf), np.empty_like(alpha)
        with np.errstate(all="ignore"):
            for step in reversed(range(len(alpha))):
                row = np.concatenate([beta, self.edge], axis=1)
                beta = self._joined(row[:, :-2], row[:, 1:-1], row[:, 2:] + barred)
                beta = np.where(last[step][:, None], ending, beta).astype(alpha.dtype, copy=False)
                shares[step] = alpha[step] + beta
                beta = beta + self.seen[step]
            shares = np.exp(shares + each[:, None])
            gx = np.exp(self.a)
        gx[:, :, self.blank] -= shares[:, :, ::2].sum(axis=2)
        rows = np.arange(len(beta))
        for label in range(self.t.shape[1]):
            gx[:, rows, self.t[:, label]] -= shares[:, :, 2 * label + 1]
        return gx
