"""Answers to the exercises of 01_neuron: right ones, and likely mistakes."""

import numpy as np


def change(w, x, y):
    w += y * x * (y * (w @ x) <= 0)
    return w


def gradient(w, b, x, t, scale=1.0, slope=False, mean=True):
    p = 1 / (1 + np.exp(-(x @ w + b)))
    error = scale * (p - t) * (p * (1 - p) if slope else 1)
    each = error[:, None] * x
    return (each.mean(0), error.mean()) if mean else (each.sum(0), error.sum())


SOLUTIONS = {
    1: lambda w, x, y: w + y * x if y * (w @ x) <= 0 else w,
    2: (-2, -2, 3),
    3: gradient,
}
WRONG = {
    1: [
        lambda w, x, y: w + y * x,
        lambda w, x, y: w + y * x if y * (w @ x) < 0 else w,
        lambda w, x, y: w + x if y * (w @ x) <= 0 else w,
        change,
    ],
    2: [(1, 1, -1.5), (-1, -1, 0.5), (-1, -1, 2), (-1, -1), "nand"],
    3: [
        lambda *args: gradient(*args, mean=False),
        lambda *args: gradient(*args, scale=-1),
        lambda *args: gradient(*args, slope=True),
        lambda *args: gradient(*args)[0],
    ],
}
