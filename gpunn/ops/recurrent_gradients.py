"""Recurrent layers on plain arrays, forward and backward in two calls: what cuDNN's rnn functions were for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, streams
from gpunn.checks import check_choice, check_constant, check_needs, check_same_device
from gpunn.engine.tensor import data_of
from gpunn.errors import kind_of
from gpunn.ops.recurrent import Call, as_pair, checked
from gpunn.ops.recurrent_checks import GATES, Weights, as_dropout, as_fives
from gpunn.ops.recurrent_layers import Reserve, back, run
from gpunn.restored import restored

PARTS = ("x", "hx", "weights")


class RecurrentReserve(NamedTuple):
    """What recurrent_forward keeps for recurrent_backward; nothing for a user to read, nor to print."""

    call: Call
    kept: Reserve
    y: Array  # whose shape and dtype a gradient has
    h: Array
    c: Array | None

    def __repr__(self) -> str:
        return f"RecurrentReserve({self.call.job.mode}, y {self.y.shape})"


class RecurrentGradients(NamedTuple):
    """Gradients by x, h0, c0 and the weights, a tuple (gw_ih, gw_hh, gb_ih, gb_hh) for each of theirs; None: not asked.

    c0 is None but for an LSTM's. Where there are projections gw_hr is the fifth of each tuple.
    """

    x: Array | None
    h0: Array | None
    c0: Array | None
    weights: list[tuple[Array | None, ...]] | None


def recurrent_forward(
    mode: str,
    x: Array,
    hx: Array | tuple[Array, Array] | None,
    weights: Weights,
    bidirectional: bool = False,
    dropout: float = 0.0,
    training: bool = True,
    batch_first: bool = False,
    lengths: Sequence[int] | Array | None = None,
) -> tuple[Array, Array | tuple[Array, Array], RecurrentReserve]:
    """(y, states, reserve) on plain arrays: states is h_n, of an LSTM (h_n, c_n); reserve is for recurrent_backward.

    mode: PyTorch's and cuDNN's: "RNN_TANH", "RNN_RELU", "LSTM", "GRU". Arguments and errors are those of lstm; hx is
    h0, of an LSTM (h0, c0). Without a backward to come rnn, lstm and gru keep less.
    Under gpunn.precision arrays keep their type: 16-bit products are of 16-bit arrays. There is no `out`: the reserve
    keeps y and states.

    >>> w = np.ones((1, 1))
    >>> y, h_n, reserve = ops.recurrent_forward("RNN_RELU", np.ones((3, 1, 1)), None, [(w, w)])
    >>> y.ravel(), h_n.item()
    (array([1., 2., 3.]), 3.0)
    """
    op = "recurrent_forward"
    check_choice(op, "mode", mode, tuple(GATES))
    directions, p = 2 if bidirectional else 1, as_dropout(op, dropout, training)
    h0: Any = hx
    h0, c0 = as_pair(op, hx) if mode == "LSTM" and hx is not None else (h0, None)
    fives = as_fives(op, mode, weights, directions)
    for name, value in (("x", x), ("hx", h0), ("hx", c0), *(("weights", w) for five in fives for w in five)):
        check_constant(op, name, value)
    call = checked(op, mode, x, h0, c0, fives, directions, p, batch_first, lengths)
    with streams.on_device_of(call.x):
        y, last, kept = run(call.job, call.x, call.first, call.fives, True)
    y, states = call.outer(y), call.states(last)
    h, c = states[0], states[1] if len(states) > 1 else None
    return y, h if c is None else (h, c), RecurrentReserve(call, kept, y, h, c)


@restored
def recurrent_backward(
    reserve: RecurrentReserve,
    gy: Array | None = None,
    gh_n: Array | None = None,
    gc_n: Array | None = None,
    needs: Collection[str] = PARTS,
) -> RecurrentGradients:
    """The gradients that `needs` names, from those of recurrent_forward's y, h_n and c_n, of their shapes; None: 0.

    They are x, h0, c0 (of an LSTM) and weights, which has (gw_ih, gw_hh, gb_ih, gb_hh) for each entry of the call's,
    with gw_hr behind them where there are projections; None where not asked for, or where there is no bias. Unpack them
    in this order, or read them by name.

    needs: of "x", "hx" (h0 and c0), "weights"; each call goes through time once. The reserve stays as it is, so that
    data and weights may be asked for in two calls.

    ValueError: shapes, a part that there is not. TypeError: dtypes, no reserve, needs that is no tuple.

    >>> w = np.ones((1, 1))
    >>> y, h_n, reserve = ops.recurrent_forward("RNN_RELU", np.ones((3, 1, 1)), None, [(w, w)])
    >>> gradients = ops.recurrent_backward(reserve, np.ones((3, 1, 1)))
    >>> gradients.x.ravel(), gradients.weights[0][0].item()
    (array([3., 2., 1.]), 6.0)
    """
    op = "recurrent_backward"
    np.seterr(all="ignore")  # infinities and NaN travel on in silence
    if not isinstance(reserve, RecurrentReserve):
        raise TypeError(f"{op}: reserve is {kind_of(reserve)}, expected the last that recurrent_forward gave; pass it")
    check_needs(op, needs, PARTS)
    gys = []
    for name, g, y in (("gy", gy, reserve.y), ("gh_n", gh_n, reserve.h), ("gc_n", gc_n, reserve.c)):
        gys.append(None if g is None else _like(op, name, data_of(g), y))
    call = reserve.call
    of_weights = [tuple(["weights" in needs and w is not None for w in five]) for five in call.fives]
    above_y, above = call.gradients(*gys)
    with streams.on_device_of(call.x):
        gx, below, gweights = back(reserve.kept, above_y, above, "x" in needs, "hx" in needs, of_weights)
        gx, (gh0, gc0) = call.results(gx, below)
        if gc0 is not None and call.first.c is not None:
            gc0 = gc0.astype(call.first.c.dtype, copy=False)
    gweights = gweights if call.projects else [five[:4] for five in gweights]
    return RecurrentGradients(gx, gh0, gc0, gweights if "weights" in needs else None)


def _like(op: str, name: str, g: Array, y: Array | None) -> Array:
    """A gradient, refused where its result is another: in shape, dtype or device."""
    if y is None:
        raise ValueError(f"{op}: {name} is given, but only an LSTM has cells; leave it out")
    check_same_device(op, y, g, name.removeprefix("g"), name)
    if g.shape != y.shape:
        raise ValueError(f"{op}: {name} is {g.shape}, expected {y.shape}, the shape of {name.removeprefix('g')}")
    if g.dtype != y.dtype:
        raise TypeError(
            f'{op}: {name} is {g.dtype}, expected {y.dtype}; convert it, for example with .astype("{y.dtype}")'
        )
    return g
