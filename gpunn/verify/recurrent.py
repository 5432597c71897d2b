"""The tasks of `gpunn verify` for the steps of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, device_of, to_device
from gpunn.cuda import recurrent_steps as steps
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.plans import layout
from gpunn.reference.recurrent import GATES, STEPS, StepCase, backward, forward
from gpunn.verify.task import Give, Task, as_f64, placed

SUMS = ("cells", "inner", "carry", "gc")  # which are kept in the type of sums
TERMS = 4  # a handful of roundings


def recurrent_tasks(give: Give) -> Iterator[Task]:
    """Every case in every mode, and off 16 bytes; of backward the gates are activations."""
    for mode in GATES:
        for case in STEPS:
            for how in ("aligned", "unaligned"):
                made = {name: give(a) for name, a in case.arrays(mode).items()}
                wide = accumulate(made["gates"].dtype.name)
                made = {name: placed(a.astype(wide) if name in SUMS else a, how) for name, a in made.items()}
                name = f"{case}, {mode}{', unaligned' if how == 'unaligned' else ''}"
                yield _forward(mode, case, name, made)
                if not case.far:
                    yield _backward(mode, case, name, made)


def _lengths(case: StepCase, like: Array) -> Array | None:
    return to_device(np.array(case.lengths, np.int32), device_of(like)) if case.lengths else None


def _run(plan: Any, mode: str, case: StepCase, names: tuple[str, ...], numbers: list[int], made: dict) -> dict:
    """One step on copies of the arrays, since it changes them; what it is to write begins as NaN."""
    own: dict[str, Any] = {name: placed(a, _how(a)) for name, a in made.items() if name in names}
    own["lengths"] = _lengths(case, made["states"])
    for name, like in (("y", "gy"), ("ggates", "gates"), ("gproducts", "gates")):
        if name in names:
            own[name] = placed(made[like], _how(made[like]))
            own[name][...] = np.nan
    given = [own[name] for name in names]
    keys = tuple([None if a is None else layout(a) for a in given])
    plan(mode, (case.N, case.H), keys, asked())(*given, *map(np.int32, numbers))
    return own


def _how(a: Array) -> str:
    return "unaligned" if layout(a)[3] else "aligned"


def _forward(mode: str, case: StepCase, name: str, made: dict) -> Task:
    kind, (before, after) = steps.family(mode), case.rows

    def run() -> tuple:
        numbers = [case.t, before, after, *([before, after, 1] if mode == "LSTM" else [])]
        own = _run(steps.forward, mode, case, steps.FORWARD[kind][0], numbers, made)
        found = own["states"][after], own["y"][case.t]
        if mode == "LSTM":
            return *found, own["gates"][case.t], own["cells"][after]
        return (*found, own["gates"][case.t], own["inner"][case.t]) if mode == "GRU" else found

    def want() -> tuple:
        wanted = forward(mode, case, {key: as_f64(a) for key, a in made.items()})
        return tuple([(values, TERMS, None) for values in wanted])

    return Task(f"recurrent.{kind}_forward", name, run, want)


def _backward(mode: str, case: StepCase, name: str, made: dict) -> Task:
    kind, (before, after) = steps.family(mode), case.rows
    found: Array = made["gates"]
    gates = 1 / (1 + np.exp(-as_f64(found)))  # between 0 and 1, as activations are
    acts = placed(made["gates"], _how(made["gates"]))
    acts[...] = to_device(gates.astype(acts.dtype), device_of(acts))
    made = {**made, "gates": acts}

    def run() -> tuple:
        numbers = {"lstm": [case.t, before, after], "gru": [case.t, before], "rnn": [case.t, after]}[kind]
        own = _run(steps.backward, mode, case, steps.BACKWARD[kind][0], numbers, made)
        found = own["ggates"][case.t], own["carry"]
        if mode == "LSTM":
            return *found, own["gc"]
        return (*found, own["gproducts"][case.t]) if mode == "GRU" else found

    def want() -> tuple:
        ggates, gproducts, carry, gc = backward(mode, case, {key: as_f64(a) for key, a in made.items()})
        wanted = (ggates, carry, *{"LSTM": (gc,), "GRU": (gproducts,)}.get(mode, ()))
        return tuple([(values, TERMS, None) for values in wanted])

    return Task(f"recurrent.{kind}_backward", name, run, want)
