"""Recurrent layers on NumPy's arrays: the twin of gpunn.cuda.recurrent.

One product for all inputs; then each step is one product, of the state, and what follows it in place, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpunn.cpu import linear
from gpunn.cpu.logistic import logistic
from gpunn.cpu.matmul import matmul
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for
from gpunn.restored import restored

_PIECE = 1 << 14  # numbers of a task, which stay in the first cache from pass to pass
Maybe = np.ndarray | None


@in_float32(kept=(2, 5))
@restored
def forward(
    mode: str,
    x: np.ndarray,
    h0: Maybe,
    c0: Maybe,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    b_ih: Maybe,
    b_hh: Maybe,
    w_hr: Maybe,
    lengths: Maybe,
    reverse: bool,
    wanted: bool,
) -> tuple[np.ndarray, np.ndarray, Maybe, np.ndarray, Maybe, Maybe]:
    """y, h_n, c_n, and what backward takes: states, activations, and an LSTM's cells or a GRU's inner products."""
    np.seterr(all="ignore")  # infinities and NaN travel on in silence
    (L, N, _), H = x.shape, _units(w_hh, w_hr)
    gates = linear.forward(_rows(x), w_ih, b_ih, None).reshape(L, N, len(w_ih) // H, H)
    states = _begun(L + 1, (N, w_hh.shape[1]), x.dtype, h0, reverse)
    hidden = None if w_hr is None else np.zeros((N, H), x.dtype)
    cells, inner = None, np.empty((L, N, H), x.dtype) if mode == "GRU" and wanted else None
    if mode == "LSTM":
        cells = _begun(L + 1 if wanted else 1, (N, H), x.dtype, c0, reverse)
    step = _FORWARD[mode]
    for t, before, after in _order(L, reverse):
        product = linear.forward(states[before], w_hh, b_hh, None)
        beside: list[Maybe] = []
        if cells is not None:
            beside = [cells[before], cells[after]] if wanted else [cells[0], cells[0]]
        elif mode == "GRU":
            beside = [None if inner is None else inner[t]]
        runs = None if lengths is None else (lengths > t)[:, None]
        ends = (states[before], states[after]) if hidden is None else (hidden, hidden)
        _by_rows(step, gates[t], product.reshape(gates.shape[1:]), *ends, *beside, runs)
        if hidden is not None and w_hr is not None:
            now = linear.forward(hidden, w_hr, None, None)
            states[after] = now if runs is None else np.where(runs, now, states[before])
    last = 0 if reverse else -1
    y = states[:-1] if reverse else states[1:]
    if lengths is not None:
        y = np.where((lengths > np.arange(L)[:, None])[:, :, None], y, y.dtype.type(0))
    c_n = None if cells is None else cells[last].copy()
    extra = (cells if inner is None else inner) if wanted else None
    return y, states[last].copy(), c_n, states, None if extra is None else gates, extra


@in_float32(kept=(2,))
@restored
def backward(
    mode: str,
    x: np.ndarray,
    gy: Maybe,
    gh_n: Maybe,
    gc_n: Maybe,
    states: np.ndarray,
    gates: Maybe,
    extra: Maybe,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    w_hr: Maybe,
    lengths: Maybe,
    reverse: bool,
    needs: tuple[bool, ...],
) -> tuple[Maybe, ...]:
    """gx, gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh, gw_hr: what is needed of x, the first state and the weights."""
    np.seterr(all="ignore")
    L = x.shape[0]
    ggates, gproducts, gstates, gh0, gc0 = _through_time(
        mode, x, gy, gh_n, gc_n, states, gates, extra, w_hh, w_hr, lengths, reverse, needs[1]
    )
    of_x, of_w, of_b = needs[0], needs[2], needs[4]
    gx = gw_ih = gb_ih = gw_hh = gb_hh = gw_hr = None
    if of_x or of_w or of_b:
        rows = _rows(x) if of_w else None
        gx, gw_ih, gb_ih = linear.backward(_rows(ggates), rows, w_ih if of_x else None, None, None, of_b)
    if needs[3] or needs[5]:
        before = _rows(states[1:] if reverse else states[:L]) if needs[3] else None
        _, gw_hh, gb_hh = linear.backward(_rows(gproducts), before, None, None, None, needs[5])
    if gstates is not None and needs[6] and gates is not None and extra is not None:
        hidden = np.tanh(extra[:L] if reverse else extra[1:])
        hidden *= gates[:, :, 3]
        gw_hr = matmul(_rows(gstates).T, _rows(hidden))
    return None if gx is None else gx.reshape(x.shape), gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh, gw_hr


def _through_time(
    mode: str,
    x: np.ndarray,
    gy: Maybe,
    gh_n: Maybe,
    gc_n: Maybe,
    states: np.ndarray,
    gates: Maybe,
    extra: Maybe,
    w_hh: np.ndarray,
    w_hr: Maybe,
    lengths: Maybe,
    reverse: bool,
    to_start: bool,
) -> tuple[np.ndarray, np.ndarray, Maybe, Maybe, Maybe]:
    """The gradients of both products' sums and projected states by step; of the first state, if asked for, and cell."""
    (L, N, _), P, H = x.shape, w_hh.shape[1], _units(w_hh, w_hr)
    gh = np.zeros((N, P), x.dtype) if gh_n is None else gh_n.astype(x.dtype)
    gc = np.zeros((N, H), x.dtype) if gc_n is None else gc_n.astype(x.dtype)
    gstates = None if w_hr is None else np.empty((L, N, P), x.dtype)
    ggates = np.empty((L, N, w_hh.shape[0] // H, H), x.dtype)
    gproducts = np.empty_like(ggates) if mode == "GRU" else ggates
    step = _BACKWARD[mode]
    for i, (t, before, after) in enumerate(reversed(_order(L, reverse))):
        runs = None if lengths is None else (lengths > t)[:, None]
        if gy is not None:
            gh = gh + (gy[t] if runs is None else np.where(runs, gy[t], 0))
        past = np.zeros_like(gh)  # of the state's gradient, what reaches the one before without a product
        ends = gh, past
        if gstates is not None and w_hr is not None:
            gstates[t] = gh
            _finish(gh, past, runs, gstates[t])
            ends = matmul(gstates[t], w_hr), np.empty((N, H), x.dtype)
        if gates is None or extra is None:
            beside: tuple = (states[after],)
        elif mode == "LSTM":
            beside = (gc, gates[t], extra[before], extra[after])
        else:
            beside = (gates[t], extra[t], states[before], gproducts[t])
        _by_rows(step, *ends, ggates[t], *beside, runs)
        if to_start or i < L - 1:
            gh = matmul(_flat(gproducts[t]), w_hh)
            gh += past
    return ggates, gproducts, gstates, gh if to_start else None, gc if mode == "LSTM" else None


# ---------------------------------------------------------------- a step of some samples
def _lstm(gates, product, h, h_after, c, c_after, runs):
    gates += product
    i, f, g, o = (gates[:, k] for k in range(4))
    gates[:, :2], o[...] = logistic(gates[:, :2]), logistic(o)
    np.tanh(g, out=g)
    now = f * c
    now += i * g
    c_after[...] = now if runs is None else np.where(runs, now, c)
    np.tanh(now, out=now)
    now *= o
    h_after[...] = now if runs is None else np.where(runs, now, h)


def _gru(gates, product, h, h_after, inner, runs):
    gates[:, :2] += product[:, :2]
    gates[:, :2] = logistic(gates[:, :2])
    r, z, n = (gates[:, k] for k in range(3))
    n += r * product[:, 2]
    np.tanh(n, out=n)
    if inner is not None:
        inner[...] = product[:, 2]
    now = h - n
    now *= z
    now += n
    h_after[...] = now if runs is None else np.where(runs, now, h)


def _rnn_tanh(gates, product, h, h_after, runs):
    now = np.tanh(gates[:, 0] + product[:, 0])
    h_after[...] = now if runs is None else np.where(runs, now, h)


def _rnn_relu(gates, product, h, h_after, runs):
    now = np.maximum(gates[:, 0] + product[:, 0], 0)
    h_after[...] = now if runs is None else np.where(runs, now, h)


def _lstm_backward(gh, past, ggates, gc, gates, c, c_after, runs):
    i, f, g, o = (gates[:, k] for k in range(4))
    bent = np.tanh(c_after)
    total = gc + gh * o * (1 - bent * bent)
    ggates[:, 0] = total * g * i * (1 - i)
    ggates[:, 1] = total * c * f * (1 - f)
    ggates[:, 2] = total * i * (1 - g * g)
    ggates[:, 3] = gh * bent * o * (1 - o)
    total *= f
    gc[...] = total if runs is None else np.where(runs, total, gc)
    _finish(gh, past, runs, ggates)


def _gru_backward(gh, past, ggates, gates, inner, h, gproducts, runs):
    r, z, n = (gates[:, k] for k in range(3))
    of_n = gh * (1 - z) * (1 - n * n)
    ggates[:, 0] = of_n * inner * r * (1 - r)
    ggates[:, 1] = gh * (h - n) * z * (1 - z)
    ggates[:, 2] = of_n
    gproducts[:, :2] = ggates[:, :2]
    gproducts[:, 2] = of_n * r
    past[...] = gh * z
    _finish(gh, past, runs, ggates, gproducts)


def _rnn_tanh_backward(gh, past, ggates, h_after, runs):
    ggates[:, 0] = gh * (1 - h_after * h_after)
    _finish(gh, past, runs, ggates)


def _rnn_relu_backward(gh, past, ggates, h_after, runs):
    ggates[:, 0] = np.where(h_after != 0, gh, 0)
    _finish(gh, past, runs, ggates)


def _finish(gh, past, runs, *gradients):
    """Where a sequence was over, its state's gradient goes past the step as it is."""
    if runs is None:
        return
    over = ~runs[:, 0]
    past[over] = gh[over]
    for one in gradients:
        one[over] = 0


_FORWARD = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _rnn_tanh, "RNN_RELU": _rnn_relu}
_BACKWARD = {
    "LSTM": _lstm_backward,
    "GRU": _gru_backward,
    "RNN_TANH": _rnn_tanh_backward,
    "RNN_RELU": _rnn_relu_backward,
}


# ---------------------------------------------------------------- what they share
def _by_rows(step: Callable[..., None], first: np.ndarray, *others: Maybe) -> None:
    """The step on some samples at a time, shared out among threads; all arrays begin with N."""
    N, given = first.shape[0], (first, *others)
    each = max(1, _PIECE // max(first[:1].size, 1))

    def task(k: int) -> None:
        part = slice(k * each, (k + 1) * each)
        step(*[None if a is None else a[part] for a in given])

    parallel_for(task, -(-N // each), first.size)


def _order(L: int, reverse: bool) -> list[tuple[int, int, int]]:
    """(t, row of the state before, row of the state after) of each step as it comes."""
    return [(t, t + 1, t) for t in reversed(range(L))] if reverse else [(t, t, t + 1) for t in range(L)]


def _rows(x: np.ndarray) -> np.ndarray:
    """(L, N, *) as the rows of one product."""
    return _flat(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]))


def _units(w_hh: np.ndarray, w_hr: Maybe) -> int:
    """Hidden units H, of which a projection w_hr (P, H) makes a state."""
    return w_hh.shape[1] if w_hr is None else w_hr.shape[1]


def _flat(x: np.ndarray) -> np.ndarray:
    """(N, *) as rows."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def _begun(rows: int, shape: tuple[int, int], dtype: np.dtype, first: Maybe, reverse: bool) -> np.ndarray:
    """Memory for so many states, of which the one that the loop begins with is `first`, or 0."""
    states = np.empty((rows, *shape), dtype)
    states[-1 if reverse else 0] = 0 if first is None else first
    return states
