"""Recurrent layers: draws of their own, which move no other's."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import torch

from tests.values import op_rows
from tests.values.op_rows import of, row

some = partial(op_rows.some, asked=Counter())
L, N, I, H = 3, 2, 3, 2  # noqa: E741


def inputs(gates: int, layers: int = 1, directions: int = 1, cell: bool = False) -> dict[str, Any]:
    """x, the first states, and the weights of each layer and direction."""
    state = (layers * directions, N, H)
    found = of(some(L, N, I), h0=some(*state), **({"c0": some(*state)} if cell else {}))
    for k in range(layers * directions):
        width = I if k < directions else directions * H
        shapes = {"w_ih": (gates * H, width), "w_hh": (gates * H, H), "b_ih": (gates * H,), "b_hh": (gates * H,)}
        found |= {f"{name}_{k}": some(*shape) / 4 for name, shape in shapes.items()}
    return found


def run(x: Any, *arrays: Any, function: Any, states: int = 1, bidirectional: bool = False, **_: Any) -> tuple:
    """PyTorch's own function: y and the final states."""
    hx, weights = arrays[0] if states == 1 else arrays[:states], arrays[states:]
    layers = len(weights) // (8 if bidirectional else 4)
    return function(x, hx, list(weights), True, layers, 0.0, False, bidirectional, False)


def of_torch(function: Any, states: int = 1) -> Any:
    return lambda *arrays, **options: run(*arrays, function=function, states=states, **options)


row("recurrent", "rnn", of_torch(torch.rnn_tanh), inputs(1, layers=2))
row("recurrent", "rnn", of_torch(torch.rnn_relu), inputs(1), nonlinearity="relu")
row("recurrent", "lstm", of_torch(torch.lstm, 2), inputs(4, cell=True))
row("recurrent", "lstm", of_torch(torch.lstm, 2), inputs(4, 2, 2, cell=True), bidirectional=True)
row("recurrent", "gru", of_torch(torch.gru), inputs(3, directions=2), bidirectional=True)


def projected() -> dict[str, Any]:
    """The same of an LSTM whose states are one feature of its two units."""
    found = inputs(4, cell=True)
    return found | {"h0": some(1, N, 1), "w_hh_0": some(4 * H, 1), "w_hr_0": some(1, H)}


def of_cell(gates: int, cell: bool = False) -> dict[str, Any]:
    """The same of one step, under the cells' own names."""
    found = inputs(gates, cell=cell)
    return {name.removesuffix("_0"): value if name[0] in "wb" else value[0] for name, value in found.items()}


row("recurrent", "rnn_cell", torch.rnn_tanh_cell, of_cell(1))
row("recurrent", "lstm_cell", lambda x, h, c, *w: torch.lstm_cell(x, (h, c), *w), of_cell(4, cell=True))
row("recurrent", "gru_cell", torch.gru_cell, of_cell(3))


def back(x: Any, h0: Any, *arrays: Any, mode: str) -> tuple:
    """The gradients that gy, the last of the arrays, gives those before it."""
    *weights, gy = arrays
    leaves = [a.requires_grad_() for a in (x, h0, *weights)]
    y, _ = torch.gru(x, h0, weights, True, 1, 0.0, False, False, False)
    found = torch.autograd.grad(y, leaves, gy)
    for leaf in leaves:
        leaf.requires_grad_(False)
    return found


forward = of_torch(torch.gru)
row("recurrent", "recurrent_forward", forward, {}, inputs(3), mode="GRU")
row("recurrent", "recurrent_backward", back, {}, {**inputs(3), "gy": some(L, N, H)}, mode="GRU")
row("recurrent", "lstm", of_torch(torch.lstm, 2), projected())
