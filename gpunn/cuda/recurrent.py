"""Recurrent layers on CUDA and emulated arrays: the twin of gpunn.cpu.recurrent.

One product for all inputs; then one launch for all steps, or where it does not take them a product of the state and a
launch a step. Nothing waits for the host.
"""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import linear
from gpunn.cuda import recurrent_layer as layer
from gpunn.cuda import recurrent_projection as projection
from gpunn.cuda import recurrent_steps as steps
from gpunn.cuda.device import empty
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.elementwise import in_memory


def forward(
    mode: str,
    x: Array,
    h0: Array | None,
    c0: Array | None,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    w_hr: Array | None,
    lengths: Array | None,
    reverse: bool,
    wanted: bool,
) -> tuple[Array, Array, Array | None, Array, Array | None, Array | None]:
    """y, h_n, c_n, and what backward takes: states, activations, and an LSTM's cells or a GRU's inner products."""
    (L, N, _), H, wide = x.shape, projection.units(w_hh, w_hr), accumulate(x.dtype.name)
    gates = linear.forward(_rows(x), w_ih, b_ih, None).reshape(L, N, len(w_ih))
    states = _begun(x, L + 1, (N, w_hh.shape[1]), x.dtype, h0, reverse)
    y = None if lengths is None or w_hr is not None else empty(x, (L, N, H), x.dtype)
    cells = inner = None
    if mode == steps.LSTM:
        cells = _begun(x, L + 1 if wanted else 1, (N, H), wide, c0, reverse)
    elif mode == steps.GRU and wanted:
        inner = empty(x, (L, N, H), wide)
    extra = cells if inner is None else inner
    layer.forward(mode, gates, w_hh, b_hh, w_hr, states, extra, lengths, y, reverse, wanted)
    last = 0 if reverse else -1
    c_n = None if cells is None else cells[last].copy()
    y = projection.output(states[:-1] if reverse else states[1:], lengths) if y is None else y
    extra = extra if wanted else None
    return y, states[last].copy(), c_n, states, None if extra is None else gates, extra


def backward(
    mode: str,
    x: Array,
    gy: Array | None,
    gh_n: Array | None,
    gc_n: Array | None,
    states: Array,
    gates: Array | None,
    extra: Array | None,
    w_ih: Array,
    w_hh: Array,
    w_hr: Array | None,
    lengths: Array | None,
    reverse: bool,
    needs: tuple[bool, ...],
) -> tuple[Array | None, ...]:
    """gx, gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh, gw_hr: what is needed of x, the first state and the weights."""
    L, rows = x.shape[0], _rows(x)
    ggates, gproducts, gstates, gh0, gc0 = _through_time(
        mode, x, gy, gh_n, gc_n, states, gates, extra, w_hh, w_hr, lengths, reverse, needs[1]
    )
    of_x, of_w, of_b = needs[0], needs[2], needs[4]
    gx = gw_ih = gb_ih = gw_hh = gb_hh = gw_hr = None
    if of_x or of_w or of_b:
        gx, gw_ih, gb_ih = linear.backward(
            _rows(ggates), rows if of_w else None, w_ih if of_x else None, None, None, of_b
        )
    if needs[3] or needs[5]:
        before = _rows(states[1:] if reverse else states[:L]) if needs[3] else None
        _, gw_hh, gb_hh = linear.backward(_rows(gproducts), before, None, None, None, needs[5])
    if gstates is not None and gates is not None and extra is not None and needs[6]:
        gw_hr = projection.gradient(gstates, gates, extra[:L] if reverse else extra[1:])
    return None if gx is None else gx.reshape(x.shape), gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh, gw_hr


def _through_time(
    mode: str,
    x: Array,
    gy: Array | None,
    gh_n: Array | None,
    gc_n: Array | None,
    states: Array,
    gates: Array | None,
    extra: Array | None,
    w_hh: Array,
    w_hr: Array | None,
    lengths: Array | None,
    reverse: bool,
    to_start: bool,
) -> tuple[Array, Array, Array | None, Array | None, Array | None]:
    """The gradients of both products' sums and projected states by step; of the first state, if asked for, and cell."""
    (L, N, _), P, H, wide = x.shape, w_hh.shape[1], projection.units(w_hh, w_hr), accumulate(x.dtype.name)
    gh, gy = _filled(x, (N, P), x.dtype, gh_n), None if gy is None else in_memory(gy, (0, 1, 2))
    gc = _filled(x, (N, H), wide, gc_n) if mode == steps.LSTM else None
    gstates = None if w_hr is None else empty(x, (L, N, P), x.dtype)
    ggates = empty(x, (L, N, w_hh.shape[0]), x.dtype)
    gproducts = empty(x, ggates.shape, x.dtype) if mode == steps.GRU else None
    made = (ggates, gproducts, gstates)
    gh = layer.backward(mode, gy, gh, gc, gates, extra, states, w_hh, w_hr, lengths, *made, reverse, to_start)
    return ggates, ggates if gproducts is None else gproducts, gstates, gh, gc


def _rows(x: Array) -> Array:
    """(L, N, K) as (L * N, K)."""
    L, N, K = x.shape
    return x.reshape(L * N, K)


def _begun(x: Array, rows: int, shape: tuple[int, int], dtype: np.dtype, first: Array | None, reverse: bool) -> Array:
    """Memory for so many states, of which the one that the loop begins with is `first`, or 0."""
    states = empty(x, (rows, *shape), dtype)
    states[-1 if reverse else 0] = 0 if first is None else first
    return states


def _filled(x: Array, shape: tuple[int, ...], dtype: np.dtype, value: Array | None) -> Array:
    """New memory with the values, or 0, which the loop may change."""
    made = empty(x, shape, dtype)
    made[...] = 0 if value is None else value
    return made
