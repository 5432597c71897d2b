"""What an optimiser takes over from a saved state, perhaps of a damaged file: checked before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from gpunn import backend, kinds, limits
from gpunn.backend import Array
from gpunn.backend.foreign import is_foreign
from gpunn.engine.tensor import Tensor, data_of
from gpunn.kinds import Kind
from gpunn.optim.options import HOW, OF_SCHEDULES, Option, as_plain, checked
from gpunn.text import brief, plain

INDEX = Kind("a parameter's position", lambda v: str(v).isdecimal() and len(str(v)) < 10)
STATE = kinds.table_of(kinds.table_of(kinds.ANY), INDEX.holds)
GROUP = kinds.record({"params": kinds.list_of(INDEX)})
TREE = kinds.record({"state": STATE, "param_groups": kinds.list_of(GROUP)})
STEP = kinds.whole(0, limits.STEPS)
PASSED = {"params", "param_names", *OF_SCHEDULES, *HOW}  # what a group has beside the optimiser's own options
NEW = {"l1", "maximize", "amsgrad", "decoupled_weight_decay"}  # which PyTorch or older states may lack


class Owner(Protocol):
    """What is asked of the optimiser that a state is for."""

    options: ClassVar[Mapping[str, Option]]
    scalars: ClassVar[Mapping[str, Kind]]
    arrays: tuple[str, ...]
    name: str
    param_groups: list[dict[str, Any]]

    def read_values(self, number: int, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]: ...


def read_state(own: Owner, saved: Any) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Each group's options and each parameter's state; ValueError or TypeError where they are not of such groups."""
    name, groups = own.name, own.param_groups
    if words := kinds.fault(TREE, saved):
        raise ValueError(f"{name}: of the saved state {words}; pass what state_dict() returned")
    mine, theirs = [[len(g["params"]) for g in gs] for gs in (groups, saved["param_groups"])]
    if mine != theirs:
        raise ValueError(
            f"{name}: the saved state has groups of {plain(str(theirs))} parameters, this optimiser {mine}; "
            "build it over the same parameters as the one that was saved"
        )
    expected, found = [{*map(str, gs[0].keys() - PASSED)} for gs in (groups, saved["param_groups"])]
    if found - expected or expected - found - NEW:
        raise ValueError(
            f"{name}: the saved state has options {plain(str(sorted(found)))}, expected {sorted(expected)}; "
            "it is of another optimiser"
        )
    options = [
        checked(f"{name}: the saved state", {k: v for k, v in group.items() if k in known}, own.options)
        for group in saved["param_groups"]
        for known in [group.keys() - {"params", "param_names", *HOW}]
    ]
    params = [p for group in groups for p in group["params"]]
    state = {int(i): values for i, values in saved["state"].items()}
    if too_far := [i for i in state if i >= len(params)]:
        raise ValueError(
            f"{name}: the saved state is of parameter {too_far[0]}, expected 0 to {len(params) - 1}; "
            "build it over the same parameters as the one that was saved"
        )
    return options, {i: own.read_values(i, params[i], values) for i, values in state.items()}


def read_values(own: Owner, number: int, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
    """One parameter's state: arrays of its shape, and numbers."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue  # PyTorch's word for a buffer that was never needed
        found[key] = value = as_number(value) if key in own.scalars else as_array(value)
        scalar = own.scalars.get(key)
        is_array = backend.is_array(value) and value.dtype.kind in "fV"
        if (key in own.arrays and not is_array) or (scalar is not None and not scalar.holds(value)):
            expected = f"an array of floats of shape {p.shape}" if scalar is None else scalar.words
            raise ValueError(
                f"{own.name}: the saved {plain(key)} of parameter {number} is {brief(value)}, expected {expected}; "
                "pass what state_dict() returned"
            )
        if getattr(value, "shape", ()) not in ((p.shape,) if key in own.arrays else ((), p.shape)):
            raise ValueError(
                f"{own.name}: the saved {plain(key)} of parameter {number} has shape {value.shape}, "
                f"the parameter {p.shape}; build it over the same parameters as the one that was saved"
            )
    return found


def as_array(value: object) -> Any:
    """A Tensor's array, and that of another library's tensor; all else as it is."""
    if isinstance(value, Tensor):
        return data_of(value)
    return backend.asarray(value) if is_foreign(value) and not backend.is_array(value) else value


def as_number(value: object) -> Any:
    """A number, also where it is an array or a tensor of one; counts, which PyTorch keeps as floats, whole."""
    value = as_plain(as_array(value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def like(value: object, p: Array) -> Any:
    """A private copy of a saved value on p's device, in p's dtype and memory order; numbers pass unchanged."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [like(one, p) for one in value]
    if not backend.is_array(value):
        return value
    moved = backend.to_device(value, backend.device_of(p)).astype(p.dtype)
    if moved.strides == p.strides or moved.shape != p.shape:
        return moved
    made = backend.array_module(p).empty_like(p)
    made[...] = moved
    return made


def copied(value: object) -> object:
    """A value of a state, arrays in it copied."""
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value.copy() if backend.is_array(value) else value


def follow(state: dict[str, Any], p: Array) -> dict[str, Any]:
    """A parameter's state on its device and in its dtype: the model may have been moved since the last step."""
    for name, value in state.items():
        if backend.is_array(value) and (value.dtype != p.dtype or not backend.same_device(value, p)):
            state[name] = like(value, p)
    return state
