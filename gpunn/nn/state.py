"""A Module's state: copied into its arrays, moved between devices and dtypes; and its modes, put back."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import DEVICE_TYPES, Array, Device, device_of, to_device, to_numpy
from gpunn.engine import written
from gpunn.engine.tensor import data_of
from gpunn.errors import CheckpointError, kind_of


class Keys(NamedTuple):
    """What load_state_dict(strict=False) passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def copied(model: Any) -> dict[str, Array]:
    """Copies of all that a model's `state_dict` has, as arrays, row-major: as writers of files take them."""
    if extras := list(model._extras()):
        raise CheckpointError(
            f"{type(model).__name__} has extra state ({', '.join(extras)}), which files of arrays do not hold; save "
            "model.state_dict() with gpunn.save, or leave get_extra_state out"
        )
    return {name: array.copy() for name, array in model.named_arrays().items()}


@contextmanager
def modes_kept(model: Any) -> Iterator[None]:
    """Each Module's own mode again at the end, also that of a frozen layer in a training model."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode inside; after, each Module's own mode again."""
    with modes_kept(model):
        model.eval()
        yield


def load(
    kind: str,
    own: Mapping[str, Array],
    state: Mapping[str, Any],
    strict: bool,
    others: Collection[str] = (),
    put: Callable[[str, Array], None] | None = None,
) -> Keys:
    """Copy `state` into the arrays `own` of a Module of class `kind`; see Module.load_state_dict.

    `others` are keys that belong to the Module, too, and are not arrays; `put` takes the arrays in place of a copy.
    """
    if not isinstance(state, Mapping):
        remedy = "; pass gpunn.load(path)" if isinstance(state, (str, os.PathLike)) else ""
        raise TypeError(f"load_state_dict: state is {kind_of(state)}, expected a mapping from names to arrays{remedy}")
    state = completed(own, state)
    missing = [name for name in (*own, *others) if name not in state]
    unexpected = [name for name in state if name not in own and name not in others]
    values = {name: _array(name, state[name]) for name in own if name in state}
    wrong = [
        f"{name} is {own[name].shape} but got {v.shape}" for name, v in values.items() if v.shape != own[name].shape
    ]
    wrong += [] if wrong else contradictions(own, values)
    if wrong or (strict and (missing or unexpected)):
        problems = [f"missing {', '.join(missing)}"] * bool(missing and strict)
        problems += [f"unexpected {', '.join(unexpected)}"] * bool(unexpected and strict)
        raise CheckpointError(
            f"load_state_dict: the state does not fit {kind}: {'; '.join(problems + wrong)}. Nothing was changed; "
            "build the model with the options it was saved with"
            + ("" if wrong else ", or pass strict=False to pass over missing and unexpected keys")
        )
    # All are converted before the first is copied, so that a failure leaves the Module as it was.
    if put is None:
        values = {name: to_device(v.astype(own[name].dtype), device_of(own[name])) for name, v in values.items()}
    for name, value in values.items():
        put(name, value) if put is not None else own[name].__setitem__(..., value)
    if put is None:
        written.note(written.blocks([own[name] for name in values]))
    return Keys(missing, unexpected)


def completed(own: Mapping[str, Array], state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` with what others leave out: an array that has two names under its second, and the count of batches.

    PyTorch counts them since 0.4.1; files of before lack num_batches_tracked, which keeps its value then.
    """
    found, names = dict(state), {id(own[name]): name for name in own if name in state}
    for name, array in own.items():
        if name not in state and id(array) in names:
            found[name] = state[names[id(array)]]
        elif name not in state and name.rpartition(".")[2] == "num_batches_tracked":
            found[name] = array
    return found


def contradictions(own: Mapping[str, Array], state: Mapping[str, Array]) -> list[str]:
    """In words, what `state` gives two values: a Module holds an array under two names, and they differ there."""
    first: dict[int, str] = {}
    pairs = [(first.setdefault(id(array), name), name) for name, array in own.items() if name in state]
    differing = [pair for pair in pairs if pair[0] != pair[1] and not _equal(state[pair[0]], state[pair[1]])]
    return [f"{a} and {b} are one array of the model but have two values; leave one out" for a, b in differing]


def _equal(a: Array, b: Array) -> bool:
    if a is b:
        return True
    a, b = to_numpy(a), to_numpy(b)
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fV" and b.dtype.kind in "fV")


def _array(name: str, value: Any) -> Array:
    """An array of any library's tensor; PyTorch exports only those cut off from their graph."""
    try:
        array = data_of(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        got = f"{type(value).__name__} of {getattr(value, 'dtype', 'no dtype')}"
        raise TypeError(
            f"load_state_dict: {name} is a {got}, expected an array of numbers; convert it first"
        ) from error
    if array.dtype.kind not in "fiubV":
        raise TypeError(f"load_state_dict: {name} is {array.dtype}, expected numbers; convert it first")
    return array


def mover(target: str | Device | DTypeLike) -> Callable[[Array], Array]:
    """The function that puts an array on the device `target`, or a floating array into the dtype `target`."""
    if isinstance(target, Device) or (isinstance(target, str) and target.partition(":")[0] in DEVICE_TYPES):
        return lambda array: to_device(array, target)
    try:
        dtype = np.dtype(target)
    except TypeError:
        raise TypeError(
            f"to: got {target!r}, expected a device ('cpu', 'cuda', 'emulator') or a floating dtype"
        ) from None
    if not _is_float(dtype):
        raise TypeError(f"to: parameters cannot be {dtype}; expected a floating dtype, for example 'float32'")
    return lambda array: array.astype(dtype) if _is_float(array.dtype) and array.dtype != dtype else array


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"
