"""What recurrent layers take, checked: x, first states, weights by layer and direction, lengths."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from gpunn.backend import Array, array_module, device_of, is_array, streams, to_device
from gpunn.checks import arrays, check_choice, check_same_device
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.ops.comparison import where
from gpunn.scalars import as_probability

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}  # PyTorch's modes, and the rows of a weight a hidden unit
Weights: TypeAlias = "Sequence[Sequence[Operand | None]]"  # the first 2, 4 or 5 of NAMES a layer and direction
NAMES = ("w_ih", "w_hh", "b_ih", "b_hh", "w_hr")


def as_fives(op: str, mode: str, weights: Weights, directions: int) -> list[tuple[Any, ...]]:
    """The weights as (w_ih, w_hh, b_ih, b_hh, w_hr) each, None where there are no biases and no projection."""
    expected = "(w_ih, w_hh) or (w_ih, w_hh, b_ih, b_hh) for each layer and direction"
    if not isinstance(weights, list | tuple) or not weights:
        raise TypeError(f"{op}: weights is {type(weights).__name__} {_count(weights)}, expected a list of {expected}")
    for k, entry in enumerate(weights):
        if isinstance(entry, list | tuple) and any(isinstance(w, list | tuple) and _of_arrays(w) for w in entry):
            raise TypeError(
                f"{op}: weights[{k}] is a {type(entry).__name__} of lists, expected {expected}, one after the other: "
                "layer 0, its reverse, layer 1, ...; put all of them into one list"
            )
        if not isinstance(entry, list | tuple) or len(entry) not in (2, 4, 5):
            got = f"{type(entry).__name__} {_count(entry)}"
            raise TypeError(f"{op}: weights[{k}] is a {got}, expected {expected}; put its tensors into a tuple")
        if mode != "LSTM" and len(entry) == 5 and entry[4] is not None:
            raise ValueError(f"{op}: weights[{k}] is of 5, expected {expected}: w_hr, a projection, is an LSTM's alone")
    if len(weights) % directions:
        raise ValueError(
            f"{op}: weights has {len(weights)} entries, expected an even number: bidirectional layers have one forward "
            "and one reverse each"
        )
    return [(*entry, *(None,) * (5 - len(entry))) for entry in weights]


def _of_arrays(w: Sequence[Any]) -> bool:
    """Whether these are weights, and not the rows of one."""
    return any(hasattr(a, "ndim") and a.ndim for a in w)


def _count(value: object) -> str:
    return f"of {len(value)}" if isinstance(value, list | tuple) else "(no list)"


def named(fives: Sequence[Sequence[Any]], directions: int) -> dict[str, Any]:
    """The weights by name, "w_ih of layer 1, reverse"; what may be None and is, is left out."""
    found: dict[str, Any] = {}
    for k, five in enumerate(fives):
        place = f"layer {k // directions}" + (", reverse" if k % directions else "")
        for name, value in zip(NAMES, five, strict=True):
            if value is not None or name in NAMES[:2]:
                found[f"{name} of {place}"] = value
    return found


def check_weights(op: str, mode: str, inputs: int, fives: Sequence[Sequence[Any]], directions: int) -> tuple[int, int]:
    """The features of a state and of a cell. ValueError where a weight has another shape than they and `inputs` ask."""
    gates, there = GATES[mode], named(fives, directions)
    P, H = _features(op, gates, there["w_hh of layer 0"], fives[0][4])
    _check_projections(op, fives)
    gate_rows = f"{gates} gates of H = {H} rows" if gates > 1 else f"H = {H} rows"
    for name, w in there.items():
        kind, layer = name[:4], name.partition(" of ")[2]
        below = ("x", inputs) if layer.startswith("layer 0") else ("the layer below", directions * P)
        source, width = {"w_hh": ("a state", P), "w_hr": ("o * tanh(c)", H)}.get(kind, below)
        count, rows = (P, f"P = {P} rows") if kind == "w_hr" else (gates * H, gate_rows)
        wanted = (count, width) if kind.startswith("w") else (count,)
        if w.shape != wanted:
            columns = f", a column for each of the {width} features of {source}" if kind.startswith("w") else ""
            raise ValueError(f"{op}: {name} is {w.shape}, expected {wanted}: {rows}{columns}")
    return P, H


def _features(op: str, gates: int, w_hh: Array, w_hr: Array | None) -> tuple[int, int]:
    """The features of a state and of a cell by layer 0's weights."""
    if w_hr is None:
        if w_hh.ndim != 2 or not w_hh.shape[1]:
            raise ValueError(f"{op}: w_hh of layer 0 is {w_hh.shape}, expected ({gates} * H, H) with H of 1 at least")
        return w_hh.shape[1], w_hh.shape[1]
    if w_hr.ndim != 2 or not w_hr.size:
        raise ValueError(f"{op}: w_hr of layer 0 is {w_hr.shape}, expected (P, H) with P and H of 1 at least")
    return w_hr.shape


def _check_projections(op: str, fives: Sequence[Sequence[Any]]) -> None:
    """Refuses a w_hr that some layers have and others have not."""
    for k, (*_, w_hr) in enumerate(fives):
        if (w_hr is None) != (fives[0][4] is None):
            got, expected = ("no w_hr", "one") if w_hr is None else ("w_hr", "none")
            raise ValueError(
                f"{op}: weights[{k}] has {got}, expected {expected}, as weights[0]: all layers project or none"
            )


def check_state(op: str, name: str, a: Array, layers: int, N: int | None, features: int, letter: str) -> None:
    """Refuses a first state, or a final one's gradient, of another shape; N None: without a batch."""
    wanted = (layers, features) if N is None else (layers, N, features)
    if a.shape != wanted:
        letters = f"(layers * directions, {letter})" if N is None else f"(layers * directions, N, {letter})"
        raise ValueError(f"{op}: {name} is {a.shape}, expected {wanted}: {letters}")


def check_x(op: str, a: Array, batch_first: bool) -> None:
    """Refuses x of other ranks, or without steps."""
    letters = "(N, L, I)" if batch_first else "(L, N, I)"
    if a.ndim not in (2, 3):
        raise ValueError(
            f"{op}: x has {a.ndim} dimensions {a.shape}, expected 3 {letters}, or 2 (L, I) without a batch"
        )
    if not a.shape[1 if batch_first and a.ndim == 3 else 0]:
        raise ValueError(f"{op}: x {a.shape} has no steps, expected L of 1 at least in {letters}")


def as_lengths(op: str, lengths: Any, a: Array, L: int, N: int) -> Array | None:
    """(N,) int32 on the device of `a`, or None. Integers of the host are checked to lie in 1..L."""
    if lengths is None:
        return None
    if is_array(lengths) and type(lengths) is not np.ndarray:
        check_same_device(op, a, lengths, "x", "lengths")
        if lengths.dtype.kind not in "iu" or lengths.shape != (N,):
            raise ValueError(
                f"{op}: lengths is {lengths.dtype} {lengths.shape}, expected integers ({N},), one a sequence"
            )
        with streams.on_device_of(a):
            return lengths.astype(np.int32)
    try:
        found = [operator.index(n) for n in lengths]
    except TypeError:
        raise TypeError(f"{op}: lengths is {lengths!r}, expected an int for each of the {N} sequences") from None
    if len(found) != N:
        raise ValueError(f"{op}: lengths has {len(found)} entries, expected {N}, one a sequence")
    wrong = next((n for n in found if not 1 <= n <= L), None)
    if wrong is not None:
        raise ValueError(f"{op}: lengths has {wrong}, expected 1 to L = {L}; cut or pad x to the longest sequence")
    return to_device(np.array(found, np.int32), device_of(a))


def without_padding(a: Array, lengths: Array | None) -> Array:
    """x (L, N, I) with 0 behind each sequence's end: NaN there would reach the weights' gradient as 0 * NaN."""
    if lengths is None:
        return a
    xp = array_module(a)
    runs = xp.arange(a.shape[0], dtype=np.int32)[:, None] < lengths
    return where(runs[:, :, None], a, xp.zeros_like(a, shape=(1, 1, 1)))


def as_dropout(op: str, p: float, training: bool) -> float:
    """The probability that holds: 0 in evaluation."""
    p = as_probability(op, p, "an element between layers", "dropout")
    return p if training else 0.0


def as_arrays(op: str, x: Operand, h0: Operand | None, c0: Operand | None, there: dict[str, Any]) -> list[Array | None]:
    """The arrays of x, h0, c0 and the weights, of one dtype and device; a cell of float32 goes with 16 bits, too."""
    beside = {} if h0 is None else {"h0": h0}
    a, *others = arrays(op, x=x, **beside, **there)
    h = None if h0 is None else others.pop(0)
    c = None if c0 is None else data_of(c0)
    if c is not None:
        check_same_device(op, a, c, "x", "c0")
        if c.dtype != a.dtype and not (a.dtype.itemsize == 2 and c.dtype == np.float32):
            arrays(op, x=a, c0=c)  # says which dtype
    return [a, h, c, *others]


def check_nonlinearity(op: str, nonlinearity: str) -> str:
    """PyTorch's mode of an Elman network."""
    check_choice(op, "nonlinearity", nonlinearity, ("tanh", "relu"))
    return f"RNN_{nonlinearity.upper()}"
