"""Checks of the exercises on segmentation and auto-encoders."""

from __future__ import annotations

import numpy as np
from lecture import differs


def check_1(mean_iou) -> str:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (2, 2, 8, 8))
    scores = np.array([np.sum((a == c) & (b == c)) / np.sum((a == c) | (b == c)) for c in range(3)])
    if hint := differs(mean_iou(a, a, 3), 1.0, "the mean IoU of a mask with itself"):
        return hint
    if hint := differs(mean_iou(a, b, 3), scores.mean(), "the mean IoU of two masks"):
        return f"{hint}; the mean is over the classes, and a union counts a pixel once"
    if hint := differs(mean_iou(a, b, 5), scores.mean(), "with two classes that are in neither mask it"):
        return f"{hint}; they have no union to divide by"
    return ""


def check_2(dice_gradient) -> str:
    rng = np.random.default_rng(0)
    p, q = rng.uniform(0.1, 0.9, (4, 5)), (rng.uniform(size=(4, 5)) < 0.3) * 1.0
    step, want = 1e-5, np.zeros_like(p)
    for at in np.ndindex(p.shape):
        sides = []
        for sign in (1, -1):
            moved = p.copy()
            moved[at] += sign * step
            sides.append(1 - 2 * (moved * q).sum() / ((moved**2).sum() + (q**2).sum()))
        want[at] = (sides[0] - sides[1]) / (2 * step)
    got = dice_gradient(p, q)
    if not differs(got, -want):
        return "its sign is the other one: this is the gradient of D, not of 1 - D"
    return differs(got, want, "the gradient", 1e-6)


def check_3(bound_gradients) -> str:
    rng = np.random.default_rng(3)
    mean, log_variance, noise, gz = rng.standard_normal((4, 5, 2))
    answer = bound_gradients(mean, log_variance, noise, gz)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "the answer should be a pair, the gradients by the mean and by the log variance"
    quiet, none = bound_gradients(mean, log_variance, 0 * noise, 0 * gz), "where the decoder sends nothing back"
    for got, own, name in zip(quiet, (mean, (np.exp(log_variance) - 1) / 2), ("mean", "log variance"), strict=True):
        if hint := differs(got, own, f"{none} the gradient by the {name}"):
            return hint
    if hint := differs(answer[0], gz + mean, "the gradient by the mean"):
        return hint
    want = gz * np.exp(log_variance / 2) * noise / 2 + (np.exp(log_variance) - 1) / 2
    return differs(answer[1], want, "the gradient by the log variance")
