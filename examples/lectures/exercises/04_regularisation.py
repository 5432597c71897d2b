"""Checks of the exercises on regularisation."""

from __future__ import annotations

import numpy as np
from lecture import differs

import gpunn
from gpunn import ops


def check_1(step) -> str:
    rng = np.random.default_rng(0)
    w, m = rng.normal(size=5), np.zeros(5)
    mine, velocity = w.copy(), m.copy()
    for number in range(1, 4):
        g = rng.normal(size=5)
        found = step(w.copy(), g.copy(), m.copy(), lr=0.1, momentum=0.9, decay=0.5)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            return "it should give two arrays: w and m after the step"
        w, m = found
        velocity = 0.9 * velocity + g
        mine = mine * (1 - 0.05) - 0.1 * velocity
        for name, got, want in (("w", w, mine), ("m", m, velocity)):
            if hint := differs(got, want, f"{name} after step {number}", tolerance=1e-9):
                return hint
    return ""


def check_2(dropout_backward) -> str:
    rng = np.random.default_rng(1)
    for p in (0.3, 0.8):
        h = gpunn.tensor(rng.uniform(0.5, 2, (30, 20)), requires_grad=True)
        gpunn.manual_seed(2)
        y = ops.dropout(h, p)
        gy = rng.normal(size=h.shape)
        y.backward(gpunn.tensor(gy))
        given = gy, h.detach().numpy(), y.detach().numpy()
        if hint := differs(dropout_backward(*(a.copy() for a in given), p), h.grad, f"the gradient, p = {p},", 1e-9):
            return hint
    return ""


CASES = (
    ([3.0, 2.0, 1.0, 1.5, 1.2, 0.5], 2, (3, 5)),
    ([3.0, 2.0, 1.0, 1.5, 0.9, 1.0, 1.1, 1.2], 3, (5, 8)),
    ([1.0, 1.0, 1.0, 0.5], 2, (1, 3)),  # no better is not better
    ([3.0, 2.0, 1.0], 5, (3, 3)),
    ([2.0], 1, (1, 1)),
)


def check_3(stopped) -> str:
    for losses, patience, want in CASES:
        found = stopped(list(losses), patience)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            return "it should give two numbers: the best epoch and the last one"
        for name, got, right in zip(("best", "last"), found, want, strict=True):
            if got != right:
                return f"of the losses {losses} with patience {patience}, {name} is not epoch {got}"
    return ""
