"""Checks of the exercises on the neuron."""

from __future__ import annotations

import numpy as np
from lecture import differs

import gpunn
from gpunn import ops


def check_1(step) -> str:
    w, x = np.array([1.0, -2.0, 0.5]), np.array([3.0, 1.0, 1.0])  # w.x is 1.5
    cases = (
        (w, x, 1, w, "a point on its side should leave the weights as they are: they"),
        (w, x, -1, [-2.0, -3.0, -0.5], "after a mistake on a point with the label -1 w"),
        (-w, x, 1, [2.0, 3.0, 0.5], "after a mistake on a point with the label 1 w"),
        (np.zeros(3), x, 1, x, "a sum of 0 decides nothing and counts as a mistake: w"),
    )
    for before, point, label, want, what in cases:
        given = before.copy()
        hint = differs(step(given, point.copy(), label), want, what)
        if hint:
            return hint
        if not np.array_equal(given, before):
            return "it changes the array w that it is given; give a new one"
    return ""


def check_2(nand) -> str:
    if np.shape(nand) != (3,):
        return f"the answer should be three numbers (w1, w2, bias), not {nand!r}"
    w1, w2, bias = map(float, nand)
    for a in (0, 1):
        for b in (0, 1):
            total = w1 * a + w2 * b + bias
            if total == 0:
                return f"for the inputs {a} and {b} the sum is 0, which is neither side"
            if (total > 0) != (not (a and b)):
                return f"for the inputs {a} and {b} the sum is {total:g}, on the wrong side of 0"
    return ""


def check_3(gradient) -> str:
    rng = np.random.default_rng(3)
    x, t, w, b = rng.normal(size=(7, 3)), rng.integers(0, 2, 7), rng.normal(size=3), 0.4
    weights = gpunn.tensor(np.append(w, b), requires_grad=True)
    sums = gpunn.tensor(np.column_stack([x, np.ones(7)])) @ weights
    ops.binary_cross_entropy_with_logits(sums, t.astype(float)).backward()
    want = gpunn.to_numpy(weights.grad)
    pair = gradient(w.copy(), b, x.copy(), t.copy())
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        return "it should give two things, the gradients of w and of b"
    return differs(pair[0], want[:3], "the gradient of w") or differs(pair[1], want[3], "the gradient of b")
