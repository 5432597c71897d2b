"""All steps of one direction of a recurrent layer on CUDA and emulated arrays: in one launch, or a launch a step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import linear
from gpunn.cuda import recurrent_projection as projection
from gpunn.cuda import recurrent_steps as steps
from gpunn.cuda.checks import check_devices
from gpunn.cuda.device import empty, zeros
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.elementwise import apply, in_memory
from gpunn.cuda.matmul import matmul
from gpunn.cuda.plans import KEPT, Plan, Scalar
from gpunn.cuda.recurrent_persistent import BACKWARD, FORWARD, GATES, LAYER_BACKWARD, LAYER_FORWARD, Layer
from gpunn.cuda.signature import Layout, layouts
from gpunn.cuda.variants import Asked, Operation, forced


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _forward(
    mode: str,
    shape: tuple[int, int, int],
    reverse: bool,
    kept: bool,
    projected: bool,
    arrays: tuple[tuple | None, ...],
    asked: Asked,
) -> Plan:
    """The plan of all steps forward for arrays of these layouts, in the order of FORWARD; shape: L, N, H."""
    return _planned(LAYER_FORWARD, FORWARD, arrays, shape, mode, reverse, kept=kept, projected=projected)


@lru_cache(KEPT)
def _backward(
    mode: str,
    shape: tuple[int, int, int],
    reverse: bool,
    to_start: bool,
    projected: bool,
    arrays: tuple[tuple | None, ...],
    asked: Asked,
) -> Plan:
    """The plan of all steps back, in the order of BACKWARD."""
    carried = mode == steps.GRU or arrays[BACKWARD.index("lengths")] is not None
    flags = {"to_start": to_start, "projected": projected, "carried": carried}
    return _planned(LAYER_BACKWARD, BACKWARD, arrays, shape, mode, reverse, **flags)


def _planned(
    operation: Operation,
    names: tuple[str, ...],
    arrays: tuple[tuple | None, ...],
    shape: tuple[int, int, int],
    mode: str,
    reverse: bool,
    **flags: bool,
) -> Plan:
    found = {name: None if one is None else Layout(*one) for name, one in zip(names, arrays, strict=True)}
    check_devices(operation.name, **found)
    wide = [one for name in ("w_hh", "states") if (one := found[name]) is not None]  # read 16 bytes at a time
    (L, N, H), dtype = shape, wide[0].dtype.name
    job = Layer(dtype, all([one.aligned for one in wide]), N, H, L, GATES[steps.family(mode)], mode, reverse, **flags)
    # A number of the call has `gpunn tune` leave it alone, who would time steps that launch nothing here.
    inputs: dict[str, Layout | Scalar | None] = {**found, "steps": Scalar(np.int32)}
    return operation.plan(job, inputs, {}, empty=not N)


# ---------------------------------------------------------------- all steps
def forward(
    mode: str,
    gates: Array,
    w_hh: Array,
    b_hh: Array | None,
    w_hr: Array | None,
    states: Array,
    extra: Array | None,
    lengths: Array | None,
    y: Array | None,
    reverse: bool,
    kept: bool,
) -> None:
    """Fills states, an LSTM's cells or with `kept` a GRU's inner products, and y where there are lengths.

    gates (L, N, G*H) are the inputs' products; with `kept` an LSTM's and a GRU's activations take their place.
    """
    shape = len(gates), states.shape[1], projection.units(w_hh, w_hr)
    w_hh, b_hh = in_memory(w_hh, (0, 1)), None if b_hh is None else in_memory(b_hh, (0,))
    arrays = (gates, w_hh, b_hh, states, extra, lengths, y)
    plan = _forward(mode, shape, reverse, kept, w_hr is not None, layouts(*arrays), forced())
    plan(*arrays, np.int32(shape[0]))
    if not plan.kernels:
        _steps_forward(mode, gates, w_hh, b_hh, w_hr, states, extra, lengths, y, reverse, kept)


def _steps_forward(
    mode: str,
    gates: Array,
    w_hh: Array,
    b_hh: Array | None,
    w_hr: Array | None,
    states: Array,
    extra: Array | None,
    lengths: Array | None,
    y: Array | None,
    reverse: bool,
    kept: bool,
) -> None:
    plan, N, H = None, states.shape[1], projection.units(w_hh, w_hr)
    hidden = states if w_hr is None else empty(states, (1, N, H), states.dtype)
    if hidden is not states and lengths is not None:
        hidden[...] = 0
    beside = () if steps.family(mode) == "rnn" else (extra,)
    for t, before, after in order(len(gates), reverse):
        product = linear.forward(states[before], w_hh, b_hh, None)
        arrays = (gates, product, hidden, *beside, lengths, y)
        if plan is None:  # every product is new memory of one layout
            plan = steps.forward(mode, (N, H), layouts(*arrays), forced())
        held = () if mode != steps.LSTM else (before, after, 1) if kept else (0, 0, 0)
        rows = (before, after) if w_hr is None else (0, 0)
        plan(*arrays, *map(np.int32, (t, *rows, *held)))
        if w_hr is not None:
            projection.project(hidden[0], w_hr, lengths, t, states[before], states[after])


def backward(
    mode: str,
    gy: Array | None,
    gh: Array,
    gc: Array | None,
    gates: Array | None,
    extra: Array | None,
    states: Array,
    w_hh: Array,
    w_hr: Array | None,
    lengths: Array | None,
    ggates: Array,
    gproducts: Array | None,
    gstates: Array | None,
    reverse: bool,
    to_start: bool,
) -> Array | None:
    """Fills ggates, a GRU's gproducts, and gc with the first cell's; the first state's gradient, if it is wanted.

    gh is the last state's, and may be changed.
    """
    shape = len(ggates), states.shape[1], projection.units(w_hh, w_hr)
    w_hh = in_memory(w_hh, (0, 1))
    arrays = (gy, gh, gc, gates, extra, states, w_hh, lengths, ggates, gproducts)
    plan = _backward(mode, shape, reverse, to_start, w_hr is not None, layouts(*arrays), forced())
    plan(*arrays, np.int32(shape[0]))
    if plan.kernels:
        return gh if to_start else None
    made = (ggates, gproducts, gstates)
    return _steps_backward(mode, gy, gh, gc, gates, extra, states, w_hh, w_hr, lengths, *made, reverse, to_start)


def _steps_backward(
    mode: str,
    gy: Array | None,
    gh: Array,
    gc: Array | None,
    gates: Array | None,
    extra: Array | None,
    states: Array,
    w_hh: Array,
    w_hr: Array | None,
    lengths: Array | None,
    ggates: Array,
    gproducts: Array | None,
    gstates: Array | None,
    reverse: bool,
    to_start: bool,
) -> Array | None:
    carry = past = later = plan = None
    if gproducts is not None or lengths is not None:
        carry = zeros(gh, (len(gh), projection.units(w_hh, w_hr)), accumulate(gh.dtype.name))
    gproducts = ggates if gproducts is None else gproducts
    above, gy = gy, gy if gstates is None else None  # of what it projects a step's kernel gets the gradient
    for t, before, after in reversed(order(len(ggates), reverse)):
        gh = gh if later is None else matmul(gproducts[later], w_hh)
        if gstates is not None and w_hr is not None:
            past = projection.split(gh, past, None if above is None else above[t], lengths, t, gstates[t])
            gh = matmul(gstates[t], w_hr)
        arrays, numbers = {
            "lstm": ((gy, gh, carry, gc, gates, extra, lengths, ggates), (t, before, after)),
            "gru": ((gy, gh, carry, gates, extra, states, lengths, ggates, gproducts), (t, before)),
            "rnn": ((gy, gh, carry, states, lengths, ggates), (t, after)),
        }[steps.family(mode)]
        if plan is None:
            plan = steps.backward(mode, gh.shape, layouts(*arrays), forced())
        plan(*arrays, *map(np.int32, numbers))
        later = t
    if not to_start:
        return None
    gh, carry = matmul(gproducts[later], w_hh), carry if gstates is None else past
    return gh if carry is None else apply("add", gh, carry.astype(gh.dtype))


def order(L: int, reverse: bool) -> list[tuple[int, int, int]]:
    """(t, row of the state before, row of the state after) of each step as it comes."""
    return [(t, t + 1, t) for t in reversed(range(L))] if reverse else [(t, t, t + 1) for t in range(L)]
