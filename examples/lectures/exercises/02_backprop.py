"""Checks of the exercises on layers and backpropagation."""

from __future__ import annotations

import numpy as np
from lecture import differs

import gpunn
from gpunn import ops


def check_1(layer_backward) -> str:
    rng = np.random.default_rng(1)
    x, w, b, gy = (rng.normal(size=shape) for shape in ((5, 3), (4, 3), 4, (5, 4)))
    leaves = [gpunn.tensor(array, requires_grad=True) for array in (x, w, b)]
    inputs, weight, bias = leaves
    ops.tanh(ops.linear(inputs, weight, bias)).backward(gpunn.tensor(gy))
    found = layer_backward(x, w, b, gy)
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        return "it should give three arrays: gx, gw, gb"
    for name, got, leaf in zip(("gx", "gw", "gb"), found, leaves, strict=True):
        hint = differs(got, leaf.grad, name)
        if hint:
            return hint
    return ""


def check_2(differences) -> str:
    x = np.array([[0.5, -1.0, 2.0], [1.5, 0.1, -0.7]])
    for f, want in (
        (lambda a: float((a**3).sum()), 3 * x**2),
        (lambda a: float(np.sin(a).prod()), np.sin(x).prod() / np.tan(x)),
    ):
        given = x.copy()
        hint = differs(differences(f, given), want, "the gradient", tolerance=1e-7)
        if hint:
            return hint
        if not np.array_equal(given, x):
            return "it leaves x changed: put each element back, exactly as it was"
    return ""


def check_3(weights) -> str:
    if np.shape(weights) != (3, 2):
        return "the answer should be three pairs of numbers: (w1, w2), (b1, b2), (v1, v2)"
    w, b, v = np.array(weights, float)
    x = np.linspace(-1, 2, 3001)
    with np.errstate(over="ignore"):
        y = (v / (1 + np.exp(-(x[:, None] * w + b)))).sum(1)
    for where, height, words in (
        (abs(x - 0.5) <= 0.05, 1, "from 0.45 to 0.55"),
        (abs(x - 0.5) >= 0.15, 0, "below 0.35 and above 0.65"),
    ):
        off = np.abs(y - height)[where]
        if not off.max() <= 0.01:
            worst = x[where][off.argmax()]
            return f"{words} it should be within 0.01 of {height}; at {worst:.2f} it is {y[where][off.argmax()]:.3f}"
    return ""
