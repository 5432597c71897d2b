"""One step of a recurrent layer on some samples, forward and back: what follows its products, each pass in place.

Gates are (G, n, H), a plane of memory each: a pass over rows that lie apart costs 45 ns a row more, 6 us for 128.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import add, maximum, multiply, subtract, tanh


def _to_logistic(half: np.ndarray) -> None:
    """tanh(x / 2) becomes 1 / (1 + exp(-x)): one tanh serves all gates, at a third of what exp and a quotient take."""
    multiply(half, 0.5, out=half)
    add(half, 0.5, out=half)


# ---------------------------------------------------------------- forward
# gates come as the inputs' products and become activations, products are the state's, `now` and `after` are written
def _lstm(gates, product, h, now, c, after, bias, spare) -> None:
    add(gates, product, out=gates)
    i, f, g, o = gates
    multiply(gates[:2], 0.5, out=gates[:2])
    multiply(o, 0.5, out=o)
    tanh(gates, out=gates)
    _to_logistic(gates[:2])
    _to_logistic(o)
    multiply(f, c, out=after)
    multiply(i, g, out=spare)
    add(after, spare, out=after)
    tanh(after, out=spare)
    multiply(o, spare, out=now)


def _gru(gates, product, h, now, inner, after, bias, spare) -> None:
    rz, (_, z, n) = gates[:2], gates
    add(rz, product[:2], out=rz)
    multiply(rz, 0.5, out=rz)
    tanh(rz, out=rz)
    _to_logistic(rz)
    add(product[2], bias, out=inner)
    multiply(gates[0], inner, out=spare)
    add(n, spare, out=n)
    tanh(n, out=n)
    subtract(h, n, out=now)
    multiply(now, z, out=now)
    add(now, n, out=now)


def _rnn_tanh(gates, product, h, now, *_) -> None:
    add(gates[0], product[0], out=now)
    tanh(now, out=now)


def _rnn_relu(gates, product, h, now, *_) -> None:
    add(gates[0], product[0], out=now)
    maximum(now, 0, out=now)


# ---------------------------------------------------------------- back
# gh is the gradient of `now`; written are those of the gates and of the products and, beside these, of h into `past`
def _lstm_back(gh, past, ggates, gproduct, gates, h, now, c, after, gc, spare) -> None:
    i, f, g, o = gates
    bent = tanh(after, out=past)
    multiply(bent, bent, out=spare)
    subtract(1, spare, out=spare)
    multiply(spare, o, out=spare)
    multiply(spare, gh, out=spare)
    add(gc, spare, out=gc)
    subtract(1, gates, out=ggates)  # s (1 - s), not s - s^2, whose square is rounded where s is near 1
    multiply(ggates[:2], gates[:2], out=ggates[:2])
    multiply(g, g, out=ggates[2])
    subtract(1, ggates[2], out=ggates[2])
    multiply(ggates[3], o, out=ggates[3])
    multiply(bent, gh, out=bent)
    multiply(ggates[3], bent, out=ggates[3])
    for k, other in enumerate((g, c, i)):
        multiply(other, gc, out=spare)
        multiply(ggates[k], spare, out=ggates[k])
    multiply(gc, f, out=gc)


def _gru_back(gh, past, ggates, gproduct, gates, h, now, inner, after, gc, spare) -> None:
    r, z, n = gates
    subtract(1, gates[:2], out=ggates[:2])
    multiply(ggates[1], gh, out=spare)
    multiply(ggates[:2], gates[:2], out=ggates[:2])
    multiply(n, n, out=ggates[2])
    subtract(1, ggates[2], out=ggates[2])
    multiply(ggates[2], spare, out=ggates[2])
    multiply(ggates[2], inner, out=spare)
    multiply(ggates[0], spare, out=ggates[0])
    subtract(h, n, out=spare)
    multiply(spare, gh, out=spare)
    multiply(ggates[1], spare, out=ggates[1])
    gproduct[:2] = ggates[:2]
    multiply(ggates[2], r, out=gproduct[2])
    multiply(gh, z, out=past)


def _rnn_tanh_back(gh, past, ggates, gproduct, gates, h, now, *_) -> None:
    multiply(now, now, out=ggates[0])
    subtract(1, ggates[0], out=ggates[0])
    multiply(ggates[0], gh, out=ggates[0])


def _rnn_relu_back(gh, past, ggates, gproduct, gates, h, now, *_) -> None:
    ggates[0] = 0
    np.copyto(ggates[0], gh, where=now != 0)


FORWARD: dict[str, Callable[..., Any]] = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _rnn_tanh, "RNN_RELU": _rnn_relu}
BACK: dict[str, Callable[..., Any]] = {
    "LSTM": _lstm_back, "GRU": _gru_back, "RNN_TANH": _rnn_tanh_back, "RNN_RELU": _rnn_relu_back
}  # fmt: skip
