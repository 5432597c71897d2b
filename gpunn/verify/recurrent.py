"""The tasks of `gpunn verify` for the steps of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, device_of, to_device
from gpunn.cuda import recurrent_steps as steps
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.signature import layouts
from gpunn.reference.recurrent import GATES, STEPS, StepCase, backward, forward
from gpunn.verify.space import F16, Beyond, Space
from gpunn.verify.task import Give, Task, as_f64, placed

SUMS = ("cells", "inner", "carry", "gc")  # which are kept in the type of sums
BY_STEP = ("gates", "y", "gy", "inner", "ggates", "gproducts")  # which grow with the sequence
WRITTEN = {"y": "gy", "ggates": "gates", "gproducts": "gates"}  # results alone, and of whose shape they are
TERMS = 4  # a handful of roundings
WAYS = ("forward", "backward")


def recurrent_tasks(give: Give) -> Iterator[Task]:
    """Every case in every mode, and off 16 bytes; of backward the gates are activations."""
    for mode in GATES:
        for case in STEPS:
            for how in ("aligned", "unaligned"):
                made = {name: give(a) for name, a in case.arrays(mode).items()}
                wide = accumulate(made["gates"].dtype.name)
                made = {name: a.astype(wide) if name in SUMS else a for name, a in made.items()}
                for way in WAYS[: 1 if case.far else 2]:
                    name = f"{case}, {mode}{', unaligned' if how == 'unaligned' else ''}"
                    given = made if way == "forward" else {**made, "gates": activations(made["gates"])}
                    run = partial(_one_step, mode, way, case, given, how)
                    want = partial(_wanted, mode, way, case, given)
                    yield Task(f"recurrent.{steps.family(mode)}_{way}", name, run, want)


def activations(gates: Array) -> Array:
    """Numbers between 0 and 1."""
    return to_device((1 / (1 + np.exp(-as_f64(gates)))).astype(gates.dtype), device_of(gates))


def _names(mode: str, way: str) -> tuple[str, ...]:
    return (steps.FORWARD if way == "forward" else steps.BACKWARD)[steps.family(mode)][0]


def _one_step(mode: str, way: str, case: StepCase, made: dict[str, Array], how: str) -> tuple:
    """The results on copies of the arrays, since a step changes them; what it is to write begins as NaN."""
    own: dict[str, Any] = {"lengths": None}
    for name in _names(mode, way):
        if name != "lengths":
            own[name] = placed(made[WRITTEN.get(name, name)], how)
            if name in WRITTEN:
                own[name][...] = np.nan
    if case.lengths:
        own["lengths"] = to_device(np.array(case.lengths, np.int32), device_of(made["states"]))
    return _launched(mode, way, case, own, case.t)


def _launched(mode: str, way: str, case: StepCase, own: dict[str, Any], t: int) -> tuple:
    """Step t on these arrays, in place, and what it made."""
    kind, (before, after) = steps.family(mode), case.rows
    given = [own[name] for name in _names(mode, way)]
    keys = layouts(*given)
    cells = (before, after, 1) if mode == "LSTM" else ()
    rows = (
        (t, before, after, *cells)
        if way == "forward"
        else (t, *{"gru": (before,), "rnn": (after,)}.get(kind, case.rows))
    )
    plan = (steps.forward if way == "forward" else steps.backward)(mode, (case.N, case.H), keys, asked())
    plan(*given, *map(np.int32, rows))
    if way == "forward":
        rest = {
            "lstm": lambda: (own["gates"][t], own["cells"][after]),
            "gru": lambda: (own["gates"][t], own["inner"][t]),
        }
        return own["states"][after], own["y"][t], *rest.get(kind, tuple)()
    rest = {"lstm": lambda: (own["gc"],), "gru": lambda: (own["gproducts"][t],)}
    return own["ggates"][t], own["carry"], *rest.get(kind, tuple)()


def _wanted(mode: str, way: str, case: StepCase, made: dict[str, Array]) -> tuple:
    """The oracle's answers, in the order of `_launched`'s."""
    arrays = {name: as_f64(a) for name, a in made.items()}
    if way == "forward":
        found = forward(mode, case, arrays)
    else:
        ggates, gproducts, carry, gc = backward(mode, case, arrays)
        found = (ggates, carry, *{"LSTM": (gc,), "GRU": (gproducts,)}.get(mode, ()))
    return tuple([(values, TERMS, None) for values in found])


# ---------------------------------------------------------------- past 2^31 elements
LAST = StepCase("the last step", 2, 8, L=1, t=0)
GIGABYTES = {"LSTM": (6, 10), "GRU": (9, 18), "RNN_TANH": (9, 9)}


def sequences(space: Space) -> Iterator[Beyond]:
    """The last step of sequences whose gates have more than 2^31 elements."""
    for mode, sizes in GIGABYTES.items():
        small = {name: a.astype(np.float32 if name in SUMS else F16) for name, a in LAST.arrays(mode).items()}
        for way, gigabytes in zip(WAYS, sizes, strict=True):
            run, want = partial(_last_step, space, mode, way, small), partial(_wanted, mode, way, LAST, small)
            yield Beyond(f"recurrent.{steps.family(mode)}_{way}", f"a long sequence, {mode}", gigabytes, 1, run, want)


def _last_step(space: Space, mode: str, way: str, small: dict[str, np.ndarray]) -> tuple:
    length = 2**31 // small["gates"].size + 2
    own: dict[str, Any] = {"lengths": None}
    for name in _names(mode, way):
        if name == "lengths":
            continue
        one = small[WRITTEN.get(name, name)]
        if name in BY_STEP:
            own[name] = space.zeros(length, *one.shape[1:], dtype=one.dtype)
            own[name][-1] = space.give(one[0])
        else:
            own[name] = space.give(one.copy())
    return _launched(mode, way, LAST, own, length - 1)
