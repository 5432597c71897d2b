"""Checks of the exercises on training."""

from __future__ import annotations

import numpy as np
from lecture import differs

import gpunn
from gpunn import nn, ops, optim


def check_1(first_weights) -> str:
    rng = np.random.default_rng(0)
    h = np.abs(rng.standard_normal((200, 300)))
    sizes = [np.sqrt(np.mean(h**2))]
    for fan_in, fan_out in ((300, 500), (500, 200), (200, 400), (400, 300)):
        w = np.asarray(first_weights(fan_out, fan_in, rng))
        if w.shape != (fan_out, fan_in):
            return f"the weights have the shape {w.shape}; they should have {(fan_out, fan_in)}"
        h = np.maximum(h @ w.T, 0)
        sizes.append(np.sqrt(np.mean(h**2)))
    change = sizes[-1] / sizes[0]
    if 0.75 < change < 1.35:
        return ""
    return (
        f"after four layers the numbers are {change:.2g} times as large as at first: they should stay about as they are"
    )


def check_2(layer_norm_backward) -> str:
    rng = np.random.default_rng(1)
    x, gy = rng.normal(2, 3, (6, 8)), rng.normal(size=(6, 8))
    leaf = gpunn.tensor(x, requires_grad=True)
    ops.layer_norm(leaf, (8,), eps=0.0).backward(gpunn.tensor(gy))
    return differs(layer_norm_backward(x.copy(), gy.copy()), leaf.grad, "the gradient", tolerance=1e-8)


def check_3(adam) -> str:
    rng = np.random.default_rng(2)
    start, gradients = rng.normal(size=4), rng.normal(size=(3, 4))
    weights = nn.Parameter(start.copy())
    optimizer = optim.Adam([weights], lr=0.01, eps=1e-3)
    w, m, v = start.copy(), np.zeros(4), np.zeros(4)
    for t, g in enumerate(gradients, 1):
        weights.grad = gpunn.tensor(g)
        optimizer.step()
        kept = [array.copy() for array in (w, g, m, v)]
        found = adam(w, g, m, v, t, lr=0.01, eps=1e-3)
        if not isinstance(found, (tuple, list)) or len(found) != 3:
            return "it should give three arrays: w, m and v after the step"
        if not all(map(np.array_equal, kept, (w, g, m, v))):
            return "it changes an array that it was given: make new ones"
        w, m, v = found
        if hint := differs(w, weights.detach(), f"w after step {t}", tolerance=1e-9):
            return hint
    return ""
