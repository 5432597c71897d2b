"""What an optimiser takes over from a saved state, perhaps of a damaged file: checked before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpunn import backend, kinds, limits
from gpunn.engine.tensor import Tensor
from gpunn.kinds import Kind
from gpunn.optim.options import as_plain, checked
from gpunn.text import brief, plain

INDEX = Kind("a parameter's position", lambda v: str(v).isdecimal() and len(str(v)) < 10)
STATE = kinds.table_of(kinds.table_of(kinds.ANY), INDEX.holds)
GROUP = kinds.record({"params": kinds.list_of(INDEX)})
TREE = kinds.record({"state": STATE, "param_groups": kinds.list_of(GROUP)})
STEP = kinds.whole(0, limits.STEPS)


def read_state(
    name: str, groups: Sequence[Mapping[str, Any]], arrays: Sequence[str], saved: Any
) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Each group's options and each parameter's state; ValueError or TypeError where they are not of such groups.

    `arrays` are the names under which a parameter's state holds an array of its shape.
    """
    if words := kinds.fault(TREE, saved):
        raise ValueError(f"{name}: of the saved state {words}; pass what state_dict() returned")
    mine, theirs = [[len(g["params"]) for g in gs] for gs in (groups, saved["param_groups"])]
    if mine != theirs:
        raise ValueError(
            f"{name}: the saved state has groups of {plain(str(theirs))} parameters, this optimiser {mine}; "
            "build it over the same parameters as the one that was saved"
        )
    own, found = [sorted(map(str, gs[0].keys() - {"params", "initial_lr"})) for gs in (groups, saved["param_groups"])]
    if own != found:
        got = plain(str(found))
        raise ValueError(f"{name}: the saved state has options {got}, expected {own}; it is of another optimiser")
    options = [
        checked(f"{name}: the saved state", {k: v for k, v in group.items() if k != "params"})
        for group in saved["param_groups"]
    ]
    params = [p for group in groups for p in group["params"]]
    state = {int(i): values for i, values in saved["state"].items()}
    if too_far := [i for i in state if i >= len(params)]:
        raise ValueError(
            f"{name}: the saved state is of parameter {too_far[0]}, expected 0 to {len(params) - 1}; "
            "build it over the same parameters as the one that was saved"
        )
    return options, {i: _read_values(name, arrays, i, params[i], values) for i, values in state.items()}


def _read_values(name: str, arrays: Sequence[str], number: int, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue  # PyTorch's word for a buffer that was never needed
        found[key] = value = as_plain(value) if key == "step" else value
        is_array = backend.is_array(value) and value.dtype.kind in "fV"
        if (key in arrays and not is_array) or (key == "step" and not STEP.holds(value)):
            expected = STEP.words if key == "step" else f"an array of floats of shape {p.shape}"
            raise ValueError(
                f"{name}: the saved {plain(key)} of parameter {number} is {brief(value)}, expected {expected}; "
                "pass what state_dict() returned"
            )
        if getattr(value, "shape", ()) not in ((p.shape,) if key in arrays else ((), p.shape)):
            raise ValueError(
                f"{name}: the saved {plain(key)} of parameter {number} has shape {value.shape}, "
                f"the parameter {p.shape}; build it over the same parameters as the one that was saved"
            )
    return found
