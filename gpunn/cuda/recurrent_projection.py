"""The projection of an LSTM's states on CUDA and emulated arrays: w_hr (P, H) between its steps' launches.

A step's kernel makes o tanh(c'), (N, H), where without a projection it makes the state. One product follows; and where
sequences have lengths, what ends of them: their states stay as they are, and their gradients go past the step.
"""

from __future__ import annotations

from typing import Any

from gpunn.backend import Array, array_module
from gpunn.cuda import linear
from gpunn.cuda.elementwise import apply
from gpunn.cuda.matmul import matmul


def units(w_hh: Array, w_hr: Array | None) -> int:
    """Hidden units H."""
    return w_hh.shape[1] if w_hr is None else w_hr.shape[1]


def project(hidden: Array, w_hr: Array, lengths: Array | None, t: int, before: Array, after: Array) -> None:
    """The state after step t (N, P): the product of w_hr, or the one before where a sequence is over."""
    now = linear.forward(hidden, w_hr, None, None)
    after[...] = now if lengths is None else _where(lengths > t, now, before)


def output(states: Array, lengths: Array | None) -> Array:
    """y (L, N, P) of the steps' states: 0 where a sequence is over."""
    if lengths is None:
        return states
    steps = array_module(states).arange(len(states), dtype=lengths.dtype)
    return _where(lengths > steps[:, None], states, 0)


def split(
    gh: Array, carry: Array | None, gy: Array | None, lengths: Array | None, t: int, gstate: Array
) -> Array | None:
    """The gradient of the state after step t into `gstate`; the new carry: what goes past the step where one is over.

    The sum of gh, of the carry that came, and of y's own where the sequence runs.
    """
    if carry is not None:
        gh = apply("add", gh, carry)
    if lengths is None:
        gstate[...] = gh if gy is None else apply("add", gh, gy)
        return None
    runs = lengths > t
    gstate[...] = _where(runs, gh if gy is None else apply("add", gh, gy), 0)
    return _where(runs, 0, gh)


def gradient(gstates: Array, gates: Array, cells: Array) -> Array:
    """The gradient of w_hr, from the states' (L, N, P), the activations (L, N, 4 * H) and the cells after each step."""
    (L, N, H), P = cells.shape, gstates.shape[2]
    hidden = apply("multiply", gates[:, :, 3 * H :], apply("tanh", cells).astype(gates.dtype, copy=False))
    return matmul(gstates.reshape(L * N, P).T, hidden.reshape(L * N, H))


def _where(runs: Array, a: Any, b: Any) -> Array:
    """`a` of the samples that run, `b` of others."""
    dtype = (a if hasattr(a, "dtype") else b).dtype
    return array_module(runs).where(runs[..., None], a, b).astype(dtype, copy=False)  # CuPy's of bfloat16 is float32
