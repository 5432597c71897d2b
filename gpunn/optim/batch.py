"""What one call of a rule updates: parameters of one dtype on one device, with their gradients, states and options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.backend.contract import Numbers, Settings
from gpunn.backend.contract.optim import Optim
from gpunn.engine.tensor import Tensor

Group = Mapping[str, Any]


def by_kind(rows: Iterable[tuple[Any, ...]]) -> dict[tuple, list[tuple[Any, ...]]]:
    """The rows by device and dtype of their first array: those of one kind go into one launch."""
    found: dict[tuple, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault((backend.device_of(row[0]), row[0].dtype), []).append(row)
    return found


def counted(states: list[dict[str, Any]]) -> list[int]:
    """The number of the step that begins, in each parameter's state one more than before."""
    for state in states:
        state["step"] = state.get("step", 0) + 1
    return [state["step"] for state in states]


@dataclass
class Batch:
    """Lists with an entry a parameter; `kept` is where the twin keeps what it needs at the next step."""

    params: list[Array]
    grads: list[Array]
    states: list[dict[str, Any]]
    groups: list[Group]
    tensors: list[Tensor] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    asked: bool = False  # whether settings were

    @property
    def rules(self) -> Optim:
        """The rules for these arrays: gpunn.cpu.optim or gpunn.cuda.optim."""
        return backend.twins(self.params[0]).optim

    def refresh(self) -> bool:
        """Take the Tensors' gradients of now; whether all can be used for sure."""
        self.grads = grads = [p.gradient for p in self.tensors if p.gradient is not None]
        kind = type(self.params[0])
        if set(map(type, grads)) != {kind} or hasattr(kind, "__array_interface__"):  # NumPy memory may be read-only
            return False
        return [g.shape for g in grads] == [p.shape for p in self.params]

    def state(self, name: str, option: str = "", first: Callable[[Group], float] = lambda group: 0.0) -> list[Any]:
        """Each parameter's state array `name`, full of `first` at first; None where its group lacks the option."""
        wanted = [group[option] for group in self.groups] if option else [True] * len(self.groups)
        if all(wanted):
            try:
                return [state[name] for state in self.states]
            except KeyError:  # not all have met a gradient yet
                pass
        for param, state, has, group in zip(self.params, self.states, wanted, self.groups, strict=True):
            if has and name not in state:
                capture.refuse(
                    f"a parameter of shape {param.shape} has no {name} yet, whose first values each replay would write "
                    "again; take a step before one is captured"
                )
                state[name] = backend.array_module(param).full_like(param, first(group))
        return [state[name] if has else None for state, has in zip(self.states, wanted, strict=True)]

    def settings(
        self, numbers: Callable[[Group, Any], tuple], of: Callable[[list[dict[str, Any]]], Sequence[Any]]
    ) -> Settings:
        """The numbers of the rule for every parameter, of its group and its entry in what `of` makes of the states.

        While a graph is captured: the function that finds them, whom each replay calls.
        """
        self.asked = True
        found = partial(self._settings, numbers, of)
        return found() if capture.now.get() is None else found

    def _settings(
        self, numbers: Callable[[Group, Any], tuple], of: Callable[[list[dict[str, Any]]], Sequence[Any]]
    ) -> Numbers:
        found: list[tuple] = []
        last: Any = (None, None)
        for group, value in zip(self.groups, of(self.states), strict=True):
            if group is not last[0] or value != last[1]:
                last = group, value
                made = tuple(map(float, numbers(group, value)))
            found.append(made)  # the same tuple for neighbours of one group
        return found
