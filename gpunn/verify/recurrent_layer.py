"""The tasks of `gpunn verify` for all steps of a recurrent layer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from gpunn.backend import Array, device_of, to_device
from gpunn.cuda import recurrent_layer as layer
from gpunn.cuda.dtypes import accumulate
from gpunn.reference.recurrent import GATES
from gpunn.reference.recurrent_layer import LAYERS, LayerCase, layer_backward, layer_forward
from gpunn.verify.recurrent import SUMS, activations
from gpunn.verify.task import Give, Task, as_f64, placed


def layer_tasks(give: Give) -> Iterator[Task]:
    """Every case in every mode, also off 16 bytes, and with less: y alone, or back from the last state to weights."""
    for mode in GATES:
        for case in LAYERS:
            made = {name: give(a) for name, a in case.arrays(mode).items()}
            wide = accumulate(made["gates"].dtype.name)
            made = {name: a.astype(wide) if name in SUMS else a for name, a in made.items()}
            for how, kept in (("aligned", True), ("unaligned", True), ("aligned", False)):
                name = f"{case}, {mode}{', unaligned' if how == 'unaligned' else ''}{'' if kept else ', less'}"
                run, want = partial(_forward, mode, case, made, how, kept), partial(_wanted, mode, case, made, kept)
                yield Task("recurrent.layer_forward", name, run, want)
                if not case.far:
                    given = {key: a for key, a in made.items() if kept or key != "gy"}
                    given["gates"] = activations(made["gates"])
                    run, want = (
                        partial(_backward, mode, case, given, how, kept),
                        partial(_back, mode, case, given, kept),
                    )
                    yield Task("recurrent.layer_backward", name, run, want)


def _terms(case: LayerCase, dtype: np.dtype) -> float:
    """Of the sums of all steps; in 16 bits a step begins with a state, or even a product, that was rounded."""
    terms = case.L * (case.H + 4)
    return terms * 4.0 ** (16 if dtype.name == "bfloat16" else 13) if dtype.itemsize == 2 else terms


def _lengths(case: LayerCase, like: Array) -> Array | None:
    return to_device(np.array(case.lengths, np.int32), device_of(like)) if case.lengths else None


def _forward(mode: str, case: LayerCase, made: dict[str, Array], how: str, kept: bool) -> tuple:
    """The results on copies of the arrays; what is to be written begins as NaN."""
    own: dict[str, Any] = {name: placed(a, how) for name, a in made.items()}
    first = case.L if case.reverse else 0
    for name in ("states", "cells"):
        begun = own[name][first].copy()
        own[name][...] = np.nan
        own[name][first] = begun
    own["inner"][...] = own["gy"][...] = np.nan
    extra = {"LSTM": own["cells"] if kept else own["cells"][first : first + 1], "GRU": own["inner"] if kept else None}
    gates, extra = own["gates"].reshape(case.L, case.N, -1), extra.get(mode)
    y = own["gy"] if case.lengths else None
    lengths = _lengths(case, gates)
    layer.forward(mode, gates, own["w_hh"], own.get("b_hh"), None, own["states"], extra, lengths, y, case.reverse, kept)
    found = (own["states"],) if y is None else (own["states"], y)
    if mode.startswith("RNN"):
        return found
    return (*found, own["gates"], extra) if kept else (*found, extra) if mode == "LSTM" else found


def _wanted(mode: str, case: LayerCase, made: dict[str, Array], kept: bool) -> tuple:
    """The oracle's answers, in the order of `_forward`'s."""
    states, y, *rest = layer_forward(mode, case, {name: as_f64(a) for name, a in made.items()})
    found = [states, y] if case.lengths else [states]
    if kept:
        found += rest
    elif mode == "LSTM":
        last = 0 if case.reverse else case.L
        found.append(rest[1][last : last + 1])
    terms = _terms(case, made["states"].dtype)
    return tuple([(values, terms, None) for values in found])


def _backward(mode: str, case: LayerCase, made: dict[str, Array], how: str, to_start: bool) -> tuple:
    """The same of the gradients."""
    own: dict[str, Any] = {name: placed(a, how) for name, a in made.items()}
    gates = own["gates"].reshape(case.L, case.N, -1)
    ggates, gproducts = (placed(gates, how) for _ in range(2))
    ggates[...] = gproducts[...] = np.nan
    gc = own["gc"] if mode == "LSTM" else None
    saved = {"LSTM": (gates, own["cells"]), "GRU": (gates, own["inner"])}.get(mode, (None, None))
    gh = layer.backward(
        mode, own.get("gy"), own["gh"], gc, *saved, own["states"], own["w_hh"], None, _lengths(case, gates), ggates,
        gproducts if mode == "GRU" else None, None, case.reverse, to_start,
    )  # fmt: skip
    return tuple([a for a in (ggates, gproducts if mode == "GRU" else None, gh, gc) if a is not None])


def _back(mode: str, case: LayerCase, made: dict[str, Array], to_start: bool) -> tuple:
    """The oracle's answers, in the order of `_backward`'s."""
    arrays = {"gy": np.zeros((case.L, case.N, case.H)), **{name: as_f64(a) for name, a in made.items()}}
    ggates, gproducts, gh, gc = layer_backward(mode, case, arrays)
    rows = (case.L, case.N, -1)
    found = [ggates.reshape(rows), *([gproducts.reshape(rows)] if mode == "GRU" else []), *([gh] if to_start else [])]
    terms = _terms(case, made["states"].dtype) * len(made["w_hh"]) / case.H
    return tuple([(values, terms, None) for values in (*found, *([gc] if mode == "LSTM" else []))])
