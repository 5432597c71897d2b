"""Checks of the exercises on segmentation."""

from __future__ import annotations

import numpy as np
from lecture import differs

from gpunn import models, nn


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


def check_3(score_side) -> str:
    with nn.init.skip():
        nets = [models.unet(depth=depth, width=1, padding="valid") for depth in (1, 2, 3, 4)]
    for net, side in zip(nets, (32, 64, 140, 572), strict=True):
        if hint := differs(score_side(side, net.depth), net.output_size(side), "the side of the scores"):
            return f"of {side} pixels and depth {net.depth} {hint}; follow one row of pixels through the network"
    return ""
