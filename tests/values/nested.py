"""Ops whose arguments or results lie in tuples, called with stored arrays by name, which are flat. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunn import ops


def leaves(value: Any) -> list[Any]:
    """What lies in nested tuples and lists, without None."""
    if isinstance(value, tuple | list):
        return [leaf for one in value for leaf in leaves(one)]
    return [] if value is None else [value]


def _joined(op: str) -> Callable[..., Any]:
    return lambda axis, **xs: getattr(ops, op)(list(xs.values()), axis)


def _recurrent(op: str) -> Callable[..., Any]:
    """x, h0, an LSTM's c0, then four weights for each layer and direction, five with a projection."""

    def call(x: Any, h0: Any, c0: Any = None, **others: Any) -> list[Any]:
        weights = {name: others.pop(name) for name in list(others) if name[:2] in ("w_", "b_")}
        each = 5 if "w_hr_0" in weights else 4
        passes = [tuple(weights.values())[k : k + each] for k in range(0, len(weights), each)]
        return leaves(getattr(ops, op)(x, h0 if c0 is None else (h0, c0), passes, **others))

    return call


def _both_ways(op: str) -> Callable[..., Any]:
    """recurrent_forward's arrays, or the gradients that recurrent_backward makes of gy and them."""

    def call(x: Any, h0: Any, mode: str, gy: Any = None, **weights: Any) -> list[Any]:
        y, states, reserve = ops.recurrent_forward(mode, x, h0, [tuple(weights.values())])
        return leaves((y, states) if gy is None else ops.recurrent_backward(reserve, gy))

    return call


CALLS: dict[str, Callable[..., Any]] = {
    **{op: _joined(op) for op in ("concatenate", "stack")},
    **{op: _recurrent(op) for op in ("rnn", "lstm", "gru")},
    **{op: _both_ways(op) for op in ("recurrent_forward", "recurrent_backward")},
    "lstm_cell": lambda x, h0, c0, **weights: ops.lstm_cell(x, (h0, c0), **weights),
}
