"""Answers to the exercises on segmentation and auto-encoders, right ones and likely wrong ones."""

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


def bound_gradients(mean, log_variance, noise, gz):
    spread = np.exp(log_variance / 2)
    return gz + mean, gz * spread * noise / 2 + (spread**2 - 1) / 2


def without_the_divergence(mean, log_variance, noise, gz):
    return gz, gz * np.exp(log_variance / 2) * noise / 2


def without_the_half(mean, log_variance, noise, gz):
    return gz + mean, gz * np.exp(log_variance / 2) * noise + (np.exp(log_variance) - 1) / 2


def of_the_bound_itself(mean, log_variance, noise, gz):
    return tuple(-g for g in bound_gradients(mean, log_variance, noise, gz))


SOLUTIONS = {1: mean_iou, 2: dice_gradient, 3: bound_gradients}
WRONG = {
    1: [accuracy, zero_of_absent],
    2: [of_dice, constant_below],
    3: [without_the_divergence, without_the_half, of_the_bound_itself],
}
