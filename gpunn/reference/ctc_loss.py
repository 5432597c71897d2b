"""Connectionist temporal classification in probabilities, a share by leaving a class out: the oracle, and its cases."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CtcCase:
    """Scores of `classes`; the steps of each sample, and its labels."""

    name: str
    classes: int
    steps: tuple
    labels: tuple
    blank: int = 0
    spare: int = 0  # steps, and labels of a row, behind those of the longest

    def arrays(self):
        """x (T, N, C) and gy (N,); targets (N, S) with wrong numbers behind their ends, steps and lengths (N,)."""
        rng, count = np.random.default_rng(len(self.name)), len(self.steps)
        scores = rng.standard_normal((max(self.steps) + self.spare, count, self.classes))
        x = scores - np.log(np.exp(scores).sum(2, keepdims=True))
        targets = np.full((count, max(map(len, self.labels)) + self.spare), -7)
        for row, labels in zip(targets, self.labels, strict=True):
            row[: len(labels)] = labels
        return x, rng.standard_normal(count), targets, np.array(self.steps), np.array([*map(len, self.labels)])


CTCS = (
    CtcCase("one sample", 3, (4,), ((1, 2),)),
    CtcCase("repeats, and no label", 3, (5, 4, 3), ((1, 1, 2), (2,), ()), spare=1),
    CtcCase("the last class is blank, and among the labels", 4, (5, 4), ((0, 3, 0), (1, 2)), blank=3),
    CtcCase("too many labels, no steps", 3, (2, 0, 0, 4), ((1, 1), (), (2,), (2, 1)), spare=2),
    CtcCase("a label that comes again and again", 5, (12, 11), ((1, 2, 1, 4, 1), (3, 3, 3, 3, 3))),
    CtcCase("one class", 1, (3,), ((),)),
    CtcCase("more positions than threads", 3, (150, 149), ((1, 2) * 33 + (0,) + (2, 1) * 33, (1,) * 60)),
    CtcCase("more classes than threads", 300, (3, 2), ((299, 4), (256,))),
)


def probability(p, labels, blank):
    """Of spelling the labels, from p (..., steps, classes): the labels so far end in one, or in a blank."""
    gap, label = np.zeros((2, *p.shape[:-2], len(labels) + 1))
    gap[..., 0] = 1
    again = np.array([True, *(a == b for a, b in zip(labels[1:], labels[:-1], strict=True))][: len(labels)], bool)
    for step in np.moveaxis(p, -2, 0):
        new = gap[..., :-1] + label[..., 1:] + np.where(again, 0, label[..., :-1])
        gap = (gap + label) * step[..., blank, None]
        label = np.zeros_like(gap)
        label[..., 1:] = new * step[..., list(labels)] if len(labels) else 0
    return gap[..., -1] + label[..., -1]


def ctc_loss(case, x, reduction, zero_infinity):
    """The loss of float64 scores (T, N, C)."""
    with np.errstate(divide="ignore"):
        each = np.array([-np.log(probability(np.exp(x[:steps, n]), case.labels[n], case.blank))
                         for n, steps in enumerate(case.steps)])  # fmt: skip
    kept = np.where(np.isinf(each), 0, each) if zero_infinity else each
    if reduction == "none":
        return kept
    return np.asarray((kept / [max(len(one), 1) for one in case.labels]).mean() if reduction == "mean" else kept.sum())


def ctc_loss_backward(case, gy, x, reduction, zero_infinity):
    """Its gradient: exp(x) less the share of the ways that are at a class, by those that are left without it."""
    gx = np.zeros(x.shape)
    for n, steps in enumerate(case.steps):
        p, labels = np.exp(x[:steps, n]), case.labels[n]
        whole, scale = probability(p, labels, case.blank), gy[n] if reduction == "none" else gy
        scale = scale / (max(len(labels), 1) * len(case.steps)) if reduction == "mean" else scale
        if not whole:
            gx[:steps, n] = 0 if zero_infinity else np.nan
            continue
        gx[:steps, n] = p * scale
        for c in {case.blank, *labels}:
            without, each = np.repeat(p[None], steps, 0), np.arange(steps)
            without[each, each, c] = 0
            gx[each, n, c] -= (1 - probability(without, labels, case.blank) / whole) * scale
    return gx
