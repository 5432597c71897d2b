"""What every optimiser shares: parameter groups, state, saving, and the batches that a rule updates at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture, streams
from gpunn.backend.contract import SKIP
from gpunn.engine.tensor import Tensor
from gpunn.errors import CaptureError
from gpunn.optim.batch import Batch, Group, by_kind
from gpunn.optim.given import as_groups, as_parameters, check_gradient
from gpunn.optim.options import checked
from gpunn.optim.saved import read_state

NOTHING: dict[str, Any] = {}  # the state of a parameter that has none
PLAIN = {float, int, bool, tuple, list}  # types of options that a step takes as they are


class Optimizer:
    """Base class: walks the groups, skips parameters without a gradient, and has all others updated.

    `param_groups` is a list of dicts: `"params"` and the options that hold for them. A subclass gives its options to
    `__init__` as `defaults` and defines `check(group)` and `update(param, grad, state, group)`, with raw arrays, or in
    its place `rule(batch)`, which updates many parameters in one launch. `arrays` names what a parameter's state holds
    of its shape, `switches` the options by which a step has them or not.
    """

    arrays: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        self.name = type(self).__name__
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, dict[str, Any]] = {}  # by id(parameter)
        self._batches: list[Batch] = []
        self._batched: list[int] = []  # the ids of all that the batches hold
        self.skip: Array | None = None  # an array of one: where it is not 0 a step changes no parameter and no state
        for group in as_groups(self.name, params):
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add `{"params": [...], **options}`; options left out take the optimiser's own values."""
        params = as_parameters(self.name, group, len(self.param_groups))
        unknown = sorted(set(group) - set(self.defaults) - {"params"})
        if unknown:
            raise ValueError(f"{self.name}: unknown options {unknown} in a group; it takes {sorted(self.defaults)}")
        seen = {id(p) for p in self.parameters()}
        for position, p in enumerate(params):
            if id(p) in seen:
                raise ValueError(f"{self.name}: params[{position}] of shape {p.shape} is given twice; give each once")
            seen.add(id(p))
        options = checked(self.name, {**self.defaults, **{k: v for k, v in group.items() if k != "params"}})
        full = {"params": params, **options}
        self.check(full)
        self.param_groups.append(full)

    def check(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError where the group's own options contradict each other."""

    def update(self, param: Array, grad: Array, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        """Change the array `param` in place, given its gradient and the parameter's own state."""
        self.rule(Batch([param], [grad], [state], [group]))

    def rule(self, batch: Batch) -> None:
        """Change every array of `batch.params` in place."""
        raise TypeError(f"{self.name} defines no update(param, grad, state, group)")

    def parameters(self) -> Iterator[Tensor]:
        """Every parameter, group by group."""
        for group in self.param_groups:
            yield from group["params"]

    def step(self) -> None:
        """One update of every parameter that has a gradient; ValueError for a gradient of another shape or device."""
        self._check_groups()
        one_by_one = type(self).update is not Optimizer.update
        if one_by_one:
            capture.refuse(f"{self.name}.update gets the host's numbers, which replays would not; define rule(batch)")
        batches = self._ready()
        for batch in batches:
            self._refuse_repeats(batch.params[0])
            batch.kept[SKIP] = self.skip
            if one_by_one:
                for row in zip(batch.params, batch.grads, batch.states, batch.groups, strict=True):
                    self.update(*row)
            elif capture.now.get() is None:
                self.rule(batch)
            else:
                self._capture_rule(batch)

        if capture.now.get() is not None:
            capture.guard(self._stands(batches))

    def _refuse_repeats(self, param: Array) -> None:
        """Refuses a step inside a program's own capture, whose replays would take this step's rate and count."""
        if not isinstance(param, np.ndarray) and streams.in_program_capture(param.device.id):
            raise CaptureError(
                f"{self.name}: the stream captures, and each replay would take the numbers of this step; capture it "
                "with gpunn.train.CapturedStep"
            )

    def _capture_rule(self, batch: Batch) -> None:
        """Launch the rule into a graph; refuse one whose numbers only the host knows, since no replay asks it."""
        before, batch.asked = _numbers(batch.states), False
        self.rule(batch)
        if not batch.asked:
            capture.refuse(f"{self.name}.rule takes options as they are, as replays would; ask batch.settings")
        if _numbers(batch.states) != before:
            capture.refuse(f"{self.name}.rule counts in its state, which replays would not; count in batch.settings")

    def _check_groups(self) -> None:
        for group in self.param_groups:
            if not PLAIN.issuperset(map(type, group.values())):  # set by hand: a word, another library's number
                group.update(checked(self.name, group))

    def _stands(self, batches: list[Batch]) -> Callable[[], bool]:
        """What tells whether a step just captured still is what a step would do: of these arrays, with such options."""

        def now() -> list[Any]:
            self._check_groups()
            rows = [(p, self.state.get(id(p), NOTHING), group) for group in self.param_groups for p in group["params"]]
            arrays = [id(state.get(name)) for _, state, _ in rows for name in self.arrays]
            switches = [bool(group[name]) for group in self.param_groups for name in self.switches]
            return [*[id(part) for row in rows for part in row], *[id(p.array) for p, _, _ in rows], *arrays, *switches]

        # These hold the arrays, states and groups, so that their ids stay theirs.
        at_capture = list(batches), list(self.param_groups), list(self.state.values()), now()
        return lambda: now() == at_capture[-1]

    def _ready(self) -> list[Batch]:
        """The batches of all parameters with gradients, each checked; those of the last step where nothing changed."""
        live = [p for group in self.param_groups for p in group["params"] if p.gradient is not None]
        held = self._held(live)
        if held == self._batched and all([batch.refresh() for batch in self._batches]):
            return self._batches
        for p in live:  # all before the first is changed
            check_gradient(self.name, p)
        if held != self._batched:
            rows = [(p, group) for group in self.param_groups for p in group["params"]]
            groups: list[Group] = [group for p, group in rows if p.gradient is not None]
            self._batches = self._sorted(live, groups)
            self._batched = self._held(live)
        return self._batches

    def _held(self, live: list[Tensor]) -> list[int]:
        """What tells whether batches made before are still those of these parameters: the ids of all they hold."""
        keys = list(map(id, live))
        held = [*keys, *[id(p.array) for p in live], *map(id, map(self.state.get, keys))]
        for group in self.param_groups:
            held += id(group), len(group["params"])
        return held

    def _sorted(self, live: list[Tensor], groups: list[Group]) -> list[Batch]:
        """A batch for each device and dtype."""
        batches = []
        for rows in by_kind((p.array, p, group) for p, group in zip(live, groups, strict=True)).values():
            params, tensors, own = map(list, zip(*rows, strict=True))
            states = [follow(self.state.setdefault(id(p), {}), p.array) for p in tensors]
            batches.append(Batch(params, [p.gradient for p in tensors], states, own, tensors))
        return batches

    def zero_grad(self) -> None:
        """Drop every gradient, so that the next backward pass starts anew."""
        for p in self.parameters():
            p.gradient = None

    def state_dict(self) -> dict[str, Any]:
        """Options and state with parameters as positions, in PyTorch's layout; arrays are copies."""
        positions = {id(p): i for i, p in enumerate(self.parameters())}
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [positions[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {
            positions[key]: {k: v.copy() if backend.is_array(v) else v for k, v in values.items()}
            for key, values in self.state.items()
            if values
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; ValueError or TypeError, nothing changed, where it does not fit."""
        groups, state = self.check_state_dict(saved)
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            mine.update(theirs)
        params = list(self.parameters())
        self.state = {id(params[i]): {k: like(v, params[i].array) for k, v in state[i].items()} for i in state}

    def check_state_dict(self, saved: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
        """What `load_state_dict` would take over; ValueError or TypeError where it would refuse."""
        groups, state = read_state(self.name, self.param_groups, self.arrays, saved)
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            self.check({**mine, **theirs})
        return groups, state

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: a copied parameter has another id, and takes its state along by its position."""
        state = [self.state.get(id(p)) for p in self.parameters()]
        return {**vars(self), "state": state, "_batches": [], "_batched": []}

    def __setstate__(self, saved: Mapping[str, Any]) -> None:
        vars(self).update(saved)
        pairs = zip(self.parameters(), saved["state"], strict=True)
        self.state = {id(p): state for p, state in pairs if state is not None}

    def __repr__(self) -> str:
        def options(group):
            return ", ".join(f"{k}={v}" for k, v in group.items() if k not in ("params", "initial_lr"))

        lines = [f"{len(group['params'])} parameters, {options(group)}" for group in self.param_groups]
        return f"{self.name}({'; '.join(lines)})"


def _numbers(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What states hold beside arrays."""
    return [{name: value for name, value in state.items() if not backend.is_array(value)} for state in states]


def like(value: Any, p: Array) -> Any:
    """A private copy of a saved value on p's device, in p's dtype and memory order; numbers pass unchanged."""
    if not backend.is_array(value):
        return value
    moved = backend.to_device(value, backend.device_of(p)).astype(p.dtype)
    if moved.strides == p.strides or moved.shape != p.shape:
        return moved
    made = backend.array_module(p).empty_like(p)
    made[...] = moved
    return made


def follow(state: dict[str, Any], p: Array) -> dict[str, Any]:
    """A parameter's state on its device and in its dtype: the model may have been moved since the last step."""
    for name, value in state.items():
        if backend.is_array(value) and (value.dtype != p.dtype or not backend.same_device(value, p)):
            state[name] = like(value, p)
    return state
