"""Answers to the exercises on segmentation, right ones and likely wrong ones."""

import numpy as np


def mean_iou(predicted, mask, classes):
    both = [np.sum((predicted == c) & (mask == c)) for c in range(classes)]
    either = [np.sum((predicted == c) | (mask == c)) for c in range(classes)]
    return np.mean([n / m for n, m in zip(both, either, strict=True) if m])


def zero_of_absent(predicted, mask, classes):
    both = [np.sum((predicted == c) & (mask == c)) for c in range(classes)]
    either = [np.sum((predicted == c) | (mask == c)) for c in range(classes)]
    return np.mean([n / max(m, 1) for n, m in zip(both, either, strict=True)])


def accuracy(predicted, mask, classes):
    return np.mean(predicted == mask)


def dice_gradient(p, q):
    below = (p**2).sum() + (q**2).sum()
    return 2 / below * (2 * (p * q).sum() / below * p - q)


def of_dice(p, q):
    return -dice_gradient(p, q)


def constant_below(p, q):
    return -2 * q / ((p**2).sum() + (q**2).sum())


def score_side(side, depth):
    for _ in range(depth):
        side = (side - 4) // 2
    side -= 4
    for _ in range(depth):
        side = 2 * side - 4
    return side


def way_down_alone(side, depth):
    for _ in range(depth):
        side = (side - 4) // 2
    return side - 4


SOLUTIONS = {1: mean_iou, 2: dice_gradient, 3: score_side}
WRONG = {1: [accuracy, zero_of_absent], 2: [of_dice, constant_below], 3: [way_down_alone, lambda side, depth: side]}
