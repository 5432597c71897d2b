"""Checks of the exercises on sequences."""

from __future__ import annotations

import numpy as np
from lecture import differs

import gpunn
from gpunn import nn, ops


def check_1(step_back) -> str:
    rng = np.random.default_rng(1)
    g, x, before, W, U = (rng.normal(size=shape) for shape in ((5, 4), (5, 3), (5, 4), (4, 3), (4, 4)))
    leaves = [gpunn.tensor(array, requires_grad=True) for array in (before, W, U)]
    h = ops.tanh(ops.linear(gpunn.tensor(x), leaves[1]) + ops.linear(leaves[0], leaves[2]))
    h.backward(g)
    found = step_back(g, h.detach().numpy(), x, before, W, U)
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        return "it should give three arrays: the gradients by before, W and U"
    for name, got, leaf in zip(("before", "W", "U"), found, leaves, strict=True):
        if hint := differs(got, leaf.grad, f"the gradient by {name}"):
            return hint
    return ""


def check_2(forget_bias) -> str:
    for length, share in ((1, 0.5), (20, 0.5), (100, 0.01), (40, 0.9)):
        b = forget_bias(length, share)
        if not isinstance(b, float | int | np.number):
            return f"it should give one number, not {type(b).__name__}"
        through = float((1 / (1 + np.exp(-b))) ** length)
        if not abs(through - share) < 1e-6:
            return f"with its bias for {length} steps {through:.3g} of the gradient comes through, asked were {share}"
    return ""


def check_3(gru_step) -> str:
    gpunn.manual_seed(1)
    rng = np.random.default_rng(1)
    cell = nn.GRUCell(3, 4).double()
    x, h = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    weights = [p.detach().numpy() for p in cell.parameters()]
    return differs(gru_step(x, h, *weights), cell(x, h), "the new state")
