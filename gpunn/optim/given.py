"""What an optimiser is given to update: parameters in an order, each once, with gradients that fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gpunn.backend import is_whole
from gpunn.engine.tensor import Tensor
from gpunn.nn.module import Module
from gpunn.nn.parameter import Parameter, Uninitialized
from gpunn.text import brief


def as_groups(name: str, params: Any) -> list[Any]:
    """What was given in place of the parameters, as a list of groups."""
    if isinstance(params, Mapping) and "params" in params:
        raise TypeError(f"{name}: params is one group, a {_kind(params)}, expected a list of them; pass [group]")
    given = as_list(name, "params", params)
    if not given:
        raise ValueError(f"{name}: params is empty; pass model.parameters() of a model that has parameters")
    return given if isinstance(given[0], Mapping) else [{"params": given}]


def as_parameters(name: str, group: Any, number: int) -> tuple[list[Tensor], list[str]]:
    """The parameters of a group, checked but for those of other groups; their names, where they come with names."""
    if not isinstance(group, Mapping) or "params" not in group:
        got = brief(group)
        raise TypeError(f'{name}: a parameter group is a dict with "params", got {got}; write {{"params": ...}}')
    where = f'group {number}\'s "params"'
    given = [group["params"]] if isinstance(group["params"], Tensor) else as_list(name, where, group["params"])
    params: list[Tensor] = [p[1] if _is_named(p) else p for p in given]
    names: list[Any] = [p[0] for p in given if _is_named(p)]
    if not params:
        raise ValueError(f"{name}: group {number} has no parameters; leave it out")
    for position, p in enumerate(params):
        _check_parameter(name, p, position)
    if 0 < len(names) < len(params):
        raise ValueError(
            f"{name}: {len(names)} of the {len(params)} parameters of group {number} have names, expected all or none; "
            "pass model.named_parameters() or model.parameters()"
        )
    return params, names


def _is_named(p: object) -> bool:
    return isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str)


def as_list(name: str, what: str, params: Any) -> list[Any]:
    """An ordered collection as a list; whatever else a user passes in its place is refused with what he meant."""
    remedy = "pass model.parameters()"
    if isinstance(params, (set, frozenset)):
        remedy = "whose order changes from run to run; pass a list"
    elif isinstance(params, Tensor):
        remedy = "pass [parameter]"
    elif callable(params) and not isinstance(params, Module):
        remedy = "call it: model.parameters()"
    elif isinstance(params, Iterable) and not isinstance(params, (Module, Mapping, str, bytes)):
        return list(params)
    got = f"one {_kind(params)}" if isinstance(params, Tensor) else f"a {_kind(params)}"
    raise TypeError(f"{name}: {what} is {got}, expected an iterable of parameters; {remedy}")


def _check_parameter(name: str, p: Any, position: int) -> None:
    if not isinstance(p, Tensor):
        hint = "make it one"
        if isinstance(p, (Module, str)):
            hint = "pass model.parameters()"
        got = f"a {_kind(p)}" if isinstance(p, Module) else brief(p)
        raise TypeError(f"{name}: params[{position}] is {got}, expected a Parameter; {hint}")
    if isinstance(p, Uninitialized):
        raise ValueError(
            f"{name}: params[{position}] is an {_kind(p)}, expected a Parameter with a shape; call the model once with "
            "an input, then make the optimiser"
        )
    if not p.is_leaf:
        raise ValueError(
            f"{name}: params[{position}] of shape {p.shape} is a computed value, which no step can change for what it "
            "was computed from, expected a leaf; pass what it was computed from, or its .detach().requires_grad_()"
        )
    if not p.requires_grad and not isinstance(p, Parameter):  # a frozen Parameter may thaw later
        which = f"params[{position}] of shape {p.shape}"
        raise ValueError(f"{name}: {which} has requires_grad=False; leave it out")


def check_gradient(name: str, p: Tensor) -> None:
    """Refuses a gradient, put there by hand, that would be broadcast or comes from elsewhere."""
    g = p.gradient
    if g is None:
        return
    if not getattr(p.array.flags, "writeable", True):
        raise ValueError(f"{name}: a parameter of shape {p.shape} is read-only memory; make it of array.copy()")
    if isinstance(g, np.ndarray) and not is_whole(g):
        raise ValueError(
            f"{name}: a gradient of shape {g.shape} is {g.dtype.str}{'' if g.flags.aligned else ', unaligned'}, "
            "expected one aligned and in this machine's byte order; assign .grad a copy such as g.astype('float32')"
        )
    if type(g) is not type(p.array) or g.shape != p.array.shape:
        got = f"{_kind(g)} of shape {getattr(g, 'shape', ())}"
        raise ValueError(
            f"{name}: a gradient is a {got}, expected a {_kind(p.array)} of shape {p.array.shape} like its "
            "parameter; assign .grad such an array, or leave it to backward()"
        )


def _kind(value: object) -> str:
    return type(value).__name__
