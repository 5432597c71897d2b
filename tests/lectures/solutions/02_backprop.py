"""Answers to the exercises of 02_backprop: right ones, and likely mistakes."""

import numpy as np


def layer_backward(x, w, b, gy):
    delta = gy * (1 - np.tanh(x @ w.T + b) ** 2)
    return delta @ w, delta.T @ x, delta.sum(0)


def without_slope(x, w, b, gy):
    return gy @ w, gy.T @ x, gy.sum(0)


def mean_of_rows(x, w, b, gy):
    gx, gw, gb = layer_backward(x, w, b, gy)
    return gx, gw / len(x), gb / len(x)


def turned(x, w, b, gy):
    gx, gw, gb = layer_backward(x, w, b, gy)
    return gx, gw.T, gb


def differences(f, x, eps=1e-5):
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += eps
        down[i] -= eps
        found[i] = (f(up) - f(down)) / (2 * eps)
    return found


def forward_differences(f, x, eps=1e-5):
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up = x.copy()
        up[i] += eps
        found[i] = (f(up) - f(x)) / eps
    return found


def moved(f, x, eps=1e-5):
    found = differences(f, x, eps)
    x += eps
    return found


SOLUTIONS = {
    1: layer_backward,
    2: differences,
    3: ((100, 100), (-40, -60), (1, -1)),
}
WRONG = {
    1: [without_slope, mean_of_rows, turned, lambda *args: layer_backward(*args)[1]],
    2: [forward_differences, moved, lambda f, x: 2 * differences(f, x), lambda f, x: differences(f, x).sum()],
    3: [
        ((10, 10), (-4, -6), (1, -1)),
        ((100, 100), (-40, -60), (1, 1)),
        ((100, 100), (-60, -40), (1, -1)),
        (100, -40, 1),
    ],
}
