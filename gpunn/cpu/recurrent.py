"""Recurrent layers on NumPy's arrays: the twin of gpunn.cuda.recurrent.

One product for all inputs; then each step is one product, of the state, and what follows it in place. Samples know
nothing of each other: threads share them out, and each goes through time on its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from gpunn.asked import asked, of_floats
from gpunn.cpu import recurrent_loops as loops
from gpunn.cpu.matmul import matmul
from gpunn.cpu.narrow import in_float32, operands, tf32
from gpunn.cpu.sums import added
from gpunn.cpu.threads import parallel_for
from gpunn.restored import restored

_NUMBERS = 1 << 16  # of a piece of a product, which stays in the second cache from pass to pass
_FEW = 4  # steps; in more it pays to copy the weight transposed, which saves a seventh to a quarter of each product
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
    (L, N, _), P, H, rounded = x.shape, w_hh.shape[1], _units(w_hh, w_hr), _rounding(x.dtype)
    bias, within = _biases(mode, b_ih, b_hh, H)
    gates = _of_inputs(rounded(_rows(x)), _by_gate(rounded(w_ih), H), bias).reshape(len(w_ih) // H, L, N, H)
    states, beside = _begun(L + 1, (N, P), x.dtype, h0, reverse), None
    if mode == "LSTM":
        beside = _begun(L + 1 if wanted else 2, (N, H), x.dtype, c0, reverse if wanted else reverse and L % 2 == 1)
    elif mode == "GRU":
        beside = np.empty((L if wanted else 1, N, H), x.dtype)
    weight, projection = _by_gate(rounded(w_hh), H).swapaxes(1, 2), None if w_hr is None else rounded(w_hr).T
    if L > _FEW:
        weight = np.ascontiguousarray(weight)
    one = loops.Sequence(mode, states, gates, beside, weight, projection, lengths, reverse, rounded)
    loops.over_samples(partial(loops.forward, one, within), N, H, H * P)
    last = 0 if reverse else L
    y = states[:-1] if reverse else states[1:]
    if lengths is not None:
        y = np.where((lengths > np.arange(L)[:, None])[:, :, None], y, y.dtype.type(0))
    c_n = beside[last % len(beside)].copy() if mode == "LSTM" and beside is not None else None
    kept = beside if wanted else None
    return y, states[last].copy(), c_n, states, None if kept is None else gates, kept


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
    (L, N, _), P, H, rounded = x.shape, w_hh.shape[1], _units(w_hh, w_hr), _rounding(x.dtype)
    ggates = np.empty((len(w_hh) // H, L, N, H), x.dtype)
    g = loops.Gradients(
        gy,
        ggates,
        np.empty_like(ggates) if mode == "GRU" else ggates,
        None if w_hr is None else np.empty((L, N, P), x.dtype),
        np.zeros((N, P), x.dtype) if gh_n is None else np.array(gh_n, x.dtype, order="C"),
        None if mode != "LSTM" else np.zeros((N, H), x.dtype) if gc_n is None else np.array(gc_n, x.dtype, order="C"),
    )
    projection = None if w_hr is None else rounded(w_hr)
    weight = _by_gate(rounded(w_hh), H)
    one = loops.Sequence(mode, states, gates, extra, weight, projection, lengths, reverse, rounded)
    loops.over_samples(partial(loops.back, one, g, needs[1]), N, H, H * P)
    ggates, gproducts = (a.reshape(len(a), L * N, H) for a in (g.gates, g.products))
    gx = _of_gates(rounded(ggates), _by_gate(rounded(w_ih), H)).reshape(x.shape) if needs[0] else None
    gw_ih = _weights(ggates, _rows(x)) if needs[2] else None
    gw_hh = _weights(gproducts, _rows(states[1:] if reverse else states[:L])) if needs[3] else None
    gb_ih = _sums(g.gates) if needs[4] or needs[5] else None
    gb_hh = None if not needs[5] or gb_ih is None else _sums(g.products) if mode == "GRU" else gb_ih.copy()
    gw_hr = None
    if g.states is not None and gates is not None and extra is not None and needs[6]:
        hidden = np.tanh(extra[:L] if reverse else extra[1:])
        hidden *= gates[3]
        gw_hr = matmul(_rows(g.states).T, _rows(hidden))
    return gx, g.h if needs[1] else None, g.c, gw_ih, gw_hh, gb_ih if needs[4] else None, gb_hh, gw_hr


# ---------------------------------------------------------------- products of all steps
def _of_inputs(rows: np.ndarray, weight: np.ndarray, bias: Maybe) -> np.ndarray:
    """(G, L * N, H): the products of rows (L * N, I) by each gate's weight (H, I), and its bias."""
    G, H, _ = weight.shape
    y = np.empty((G, len(rows), H), rows.dtype)
    each = max(64, _NUMBERS // H)

    def task(j: int) -> None:
        k, part = j % G, slice(j // G * each, (j // G + 1) * each)
        np.matmul(rows[part], weight[k].T, out=y[k, part])
        if bias is not None:
            y[k, part] += bias[k]

    parallel_for(task, G * -(-len(rows) // each), y.size)
    return y


def _of_gates(ggates: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(L * N, I): the sum over gates of ggates (G, L * N, H) by the weight (G, H, I)."""
    G, H, I = weight.shape  # noqa: E741
    y = np.empty((ggates.shape[1], I), ggates.dtype)
    each = max(64, _NUMBERS // (G * max(I, H)))

    def task(j: int) -> None:
        part = slice(j * each, (j + 1) * each)
        np.add.reduce(np.matmul(ggates[:, part], weight), axis=0, out=y[part])

    parallel_for(task, -(-len(y) // each), ggates.size)
    return y


def _weights(ggates: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(G * H, K): the weight's gradient from those of its products (G, L * N, H), and what it multiplied (L * N, K)."""
    if len(ggates) == 1:
        return matmul(ggates[0].T, rows)
    G, _, H = ggates.shape
    y, cuts = np.empty((G, H, rows.shape[1]), rows.dtype), -(-H // 128)
    a, b = operands(ggates, rows)

    def task(j: int) -> None:
        k, part = j // cuts, slice(j % cuts * 128, (j % cuts + 1) * 128)
        np.matmul(a[k, :, part].T, b, out=y[k, part])

    parallel_for(task, G * cuts)
    return y.reshape(G * H, rows.shape[1])


def _sums(ggates: np.ndarray) -> np.ndarray:
    """(G * H,): the bias's gradient from those of the products (G, L, N, H), by step and then over all: short sums."""
    by_step = added(ggates, (2,), False).astype(ggates.dtype, copy=False)
    return added(by_step, (1,), False).ravel().astype(ggates.dtype, copy=False)


# ---------------------------------------------------------------- what they share
def _biases(mode: str, b_ih: Maybe, b_hh: Maybe, H: int) -> tuple[Maybe, np.ndarray | int]:
    """What is added to the inputs' products (G, H), or None, and what stays within a GRU's reset gate (H,), or 0."""
    within: np.ndarray | int = 0
    if b_hh is not None and mode == "GRU":
        within, b_hh = b_hh[2 * H :], np.where(np.arange(3 * H) < 2 * H, b_hh, b_hh.dtype.type(0))
    both = b_hh if b_ih is None else b_ih if b_hh is None else b_ih + b_hh
    return None if both is None else both.reshape(-1, H), within


def _rounding(dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """What is done to operands of products, found once: a thread that helps does not see what the caller asks for."""
    if (found := asked()) and of_floats(found, dtype.name) == "tf32":
        return tf32
    return lambda a: a


def _units(w_hh: np.ndarray, w_hr: Maybe) -> int:
    """Hidden units H, of which a projection w_hr (P, H) makes a state."""
    return w_hh.shape[1] if w_hr is None else w_hr.shape[1]


def _by_gate(w: np.ndarray, H: int) -> np.ndarray:
    """(G * H, K) as (G, H, K)."""
    return w.reshape(len(w) // H, H, w.shape[1])


def _rows(x: np.ndarray) -> np.ndarray:
    """(L, N, *) as the rows of one product."""
    return x.reshape(x.shape[0] * x.shape[1], math.prod(x.shape[2:]))


def _begun(rows: int, shape: tuple[int, int], dtype: np.dtype, first: Maybe, at_end: bool) -> np.ndarray:
    """Memory for so many states, of which the one that the loop begins with is `first`, or 0."""
    states = np.empty((rows, *shape), dtype)
    states[-1 if at_end else 0] = 0 if first is None else first
    return states
