"""What an optimiser holds: parameter groups and states; saved, loaded, copied and printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from gpunn.engine.tensor import Tensor
from gpunn.kinds import Kind
from gpunn.optim.batch import Batch
from gpunn.optim.given import as_parameters
from gpunn.optim.options import HOW, OF_OPTIMISERS, OF_SCHEDULES, Option, checked
from gpunn.optim.saved import STEP, copied, like, read_state, read_values


class Stateful:
    """Parameter groups with their options, and a state for each parameter; see Optimizer."""

    options: ClassVar[Mapping[str, Option]] = OF_OPTIMISERS  # what an option of each name must be
    arrays: tuple[str, ...] = ()
    scalars: ClassVar[Mapping[str, Kind]] = {"step": STEP}  # what a parameter's state holds as the host's numbers
    name: str
    defaults: dict[str, Any]
    param_groups: list[dict[str, Any]]
    state: dict[Tensor, dict[str, Any]]
    _batches: list[Batch]
    _batched: list[int]
    _blocks: list[int]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add `{"params": [...], **options}`; options left out take the optimiser's own values.

        Parameters may be `(name, parameter)` pairs, in all groups or in none: the group then has "param_names".
        """
        params, names = as_parameters(self.name, group, len(self.param_groups))
        if any(("param_names" in other) != bool(names) for other in self.param_groups):
            has, had = ("has", "have not") if names else ("has no", "have")
            raise ValueError(
                f"{self.name}: group {len(self.param_groups)} {has} names of its parameters, the groups before {had}; "
                "name the parameters of all groups or of none"
            )
        unknown = sorted(set(group) - set(self.defaults) - {"params", *HOW, *OF_SCHEDULES})
        if unknown:
            raise ValueError(f"{self.name}: unknown options {unknown} in a group; it takes {sorted(self.defaults)}")
        seen = {id(p) for p in self.parameters()}
        for position, p in enumerate(params):
            if id(p) in seen:
                raise ValueError(f"{self.name}: params[{position}] of shape {p.shape} is given twice; give each once")
            seen.add(id(p))
        checked(self.name, {k: v for k, v in group.items() if k in HOW}, HOW)
        given = {k: v for k, v in group.items() if k != "params" and k not in HOW}
        named = {"param_names": names} if names else {}
        full = {"params": params, **named, **checked(self.name, {**self.defaults, **given}, self.options)}
        self.check(full)
        self.param_groups.append(full)

    def check(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError where the group's own options contradict each other."""

    def parameters(self) -> Iterator[Tensor]:
        """Every parameter, group by group."""
        for group in self.param_groups:
            yield from group["params"]

    def state_dict(self) -> dict[str, Any]:
        """Options and state with parameters as positions, in PyTorch's layout; arrays are copies.

        PyTorch's optimiser of this name takes it over once its arrays are tensors: torch.tensor of each.
        """
        positions = {id(p): i for i, p in enumerate(self.parameters())}
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [positions[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {
            positions[id(p)]: {k: copied(v) for k, v in values.items()} for p, values in self.state.items() if values
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; ValueError or TypeError, nothing changed, where it does not fit.

        What an optimiser of PyTorch's of this name returned is taken as well, its tensors among it.
        """
        groups, state = self.check_state_dict(saved)
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            mine.update(theirs)
        params = list(self.parameters())
        self.state = defaultdict(dict)
        for i, values in state.items():
            self.state[params[i]] = {k: like(v, params[i].array) for k, v in values.items()}

    def check_state_dict(self, saved: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
        """What `load_state_dict` would take over; ValueError or TypeError where it would refuse."""
        groups, state = read_state(self, saved)
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            self.check({**mine, **theirs})
        return groups, state

    def read_values(self, number: int, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
        """A saved state of the parameter p, the one of this number; ValueError where it is of another."""
        return read_values(self, number, p, values)

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: a copied parameter has another id, and takes its state along by its position."""
        state = [self.state.get(p) for p in self.parameters()]
        return {**vars(self), "state": state, "_batches": [], "_batched": [], "_blocks": []}

    def __setstate__(self, saved: Mapping[str, Any]) -> None:
        vars(self).update(saved)
        pairs = zip(self.parameters(), saved["state"], strict=True)
        self.state = defaultdict(dict, {p: state for p, state in pairs if state is not None})

    def __repr__(self) -> str:
        def options(group: Mapping[str, Any]) -> str:
            return ", ".join(f"{k}={v}" for k, v in group.items() if k not in ("params", "param_names", "initial_lr"))

        lines = [f"{len(group['params'])} parameters, {options(group)}" for group in self.param_groups]
        return f"{self.name}({'; '.join(lines)})"
