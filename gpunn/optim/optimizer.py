"""What every optimiser shares: parameter groups, state, saving, and the batches that a rule updates at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture, streams
from gpunn.backend.contract.optim import SKIP
from gpunn.engine import written
from gpunn.engine.grad_mode import enable_grad
from gpunn.engine.tensor import Tensor
from gpunn.errors import CaptureError
from gpunn.handle import Handle
from gpunn.optim.batch import Batch, Group, by_kind
from gpunn.optim.given import as_groups, check_gradient
from gpunn.optim.options import HOW, checked
from gpunn.optim.saved import follow
from gpunn.optim.stateful import Stateful

Hook = Callable[["Optimizer", tuple[Any, ...], dict[str, Any]], None]
NOTHING: dict[str, Any] = {}  # the state of a parameter that has none
PLAIN = {float, int, bool, tuple, list}  # types of options that a step takes as they are


class Optimizer(Stateful):
    """Base class: walks the groups, skips parameters without a gradient, and has all others updated.

    `param_groups` is a list of dicts: `"params"` and the options that hold for them. A subclass gives its options to
    `__init__` as `defaults` and defines `check(group)` and `update(param, grad, state, group)`, with raw arrays, or in
    its place `rule(batch)`, which updates many parameters in one launch. `arrays` names what a parameter's state holds
    of its shape, `switches` the options by which a step has them or not, `frozen` those that a captured step takes as
    they are. `state[parameter]` is a parameter's state: arrays, and the host's numbers.

    `step(closure)` calls the closure first, which computes the loss and its gradients anew, and returns the loss.
    PyTorch's `foreach`, `fused` and `capturable` say how a step is computed: here as one launch for all parameters of a
    dtype, whatever they are, also inside a captured step.

    Examples:
        >>> class SignSGD(gpunn.optim.Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...
        ...     def update(self, param, grad, state, group):
        ...         param -= group["lr"] * np.sign(grad)
        ...
        >>> w = nn.Parameter([1.0, -2.0])
        >>> (w * w).sum().backward()
        >>> SignSGD([w]).step()
        >>> w.detach()
        Tensor([ 0.9, -1.9])
    """

    switches: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    def __init__(self, params: Iterable, defaults: dict[str, Any], **how: object):
        self.name = type(self).__name__
        self.defaults = defaults
        checked(self.name, how, HOW)
        if how.get("fused") and how.get("foreach"):
            raise ValueError(f"{self.name}: fused and foreach are both True, expected one at most; leave both out")
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._hooks: dict[int, tuple[str, Hook]] = {}
        self._batches: list[Batch] = []
        self._batched: list[int] = []  # the ids of all that the batches hold
        self._blocks: list[int] = []  # of memory that they change
        self.skip: Array | None = None  # an array of one: where it is not 0 a step changes no parameter and no state
        for group in as_groups(self.name, params):
            self.add_param_group(group)

    def update(self, param: Array, grad: Array, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        """Change the array `param` in place, given its gradient and the parameter's own state."""
        self.rule(Batch([param], [grad], [state], [group]))

    def rule(self, batch: Batch) -> None:
        """Change every array of `batch.params` in place."""
        raise TypeError(f"{self.name} defines no update(param, grad, state, group)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; ValueError for a gradient of another shape or device.

        A `closure` is called first, with recording on, and what it returns, the loss, is returned.
        """
        if not self._hooks:
            return self._stepped(closure)
        capture.refuse(f"{self.name}: a hook on its steps is the host's, which replays would not call; remove it")
        self._call_hooks("pre", closure)
        loss = self._stepped(closure)
        self._call_hooks("post", closure)
        return loss

    def _stepped(self, closure: Callable[[], Any] | None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._update()
        return loss

    def register_step_pre_hook(self, hook: Hook) -> Handle:
        """Call `hook(optimizer, args, kwargs)` before each step; `.remove()` of what is returned ends it."""
        return self._hooked("pre", hook)

    def register_step_post_hook(self, hook: Hook) -> Handle:
        """Call `hook(optimizer, args, kwargs)` after each step; `.remove()` of what is returned ends it."""
        return self._hooked("post", hook)

    def _hooked(self, when: str, hook: Hook) -> Handle:
        key = max(self._hooks, default=-1) + 1
        self._hooks[key] = when, hook

        def forget() -> None:
            self._hooks.pop(key, None)

        return Handle(forget)

    def _call_hooks(self, when: str, closure: Callable[[], Any] | None) -> None:
        for moment, hook in list(self._hooks.values()):
            if moment == when and hook(self, (self,) if closure is None else (self, closure), {}) is not None:
                raise TypeError(
                    f"{self.name}: a hook {'before' if when == 'pre' else 'after'} the step returned something, "
                    "expected None; wrap the closure to change what a step is given"
                )

    def _update(self) -> None:
        """The update of every parameter that has a gradient."""
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

        written.note(self._blocks)
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
                group.update(checked(self.name, group, self.options))

    def _stands(self, batches: list[Batch]) -> Callable[[], bool]:
        """What tells whether a step just captured still is what a step would do: of these arrays, with such options."""

        def now() -> list[Any]:
            self._check_groups()
            rows = [(p, self.state.get(p, NOTHING), group) for group in self.param_groups for p in group["params"]]
            arrays = [id(state.get(name)) for _, state, _ in rows for name in self.arrays]
            switches = [bool(group[name]) for group in self.param_groups for name in self.switches]
            held = [id(part) for p, state, group in rows for part in (p, state, group, p.array)]
            frozen = [group[name] for group in self.param_groups for name in self.frozen]
            return [*held, *arrays, *switches, *frozen]

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
            self._blocks = written.blocks([p.array for p in live])
        return self._batches

    def _held(self, live: list[Tensor]) -> list[int]:
        """What tells whether batches made before are still those of these parameters: the ids of all they hold."""
        held = [*map(id, live), *[id(p.array) for p in live], *map(id, map(self.state.get, live))]
        for group in self.param_groups:
            held += id(group), len(group["params"])
        return held

    def _sorted(self, live: list[Tensor], groups: list[Group]) -> list[Batch]:
        """A batch for each device and dtype."""
        batches = []
        for rows in by_kind((p.array, p, group) for p, group in zip(live, groups, strict=True)).values():
            params, tensors, own = map(list, zip(*rows, strict=True))
            states = [follow(self.state.setdefault(p, {}), p.array) for p in tensors]
            batches.append(Batch(params, [p.gradient for p in tensors], states, own, tensors))
        return batches

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every gradient, so that the next backward pass starts anew; or fill it with zeros."""
        for p in self.parameters():
            if set_to_none or p.gradient is None:
                p.gradient = None
            else:
                p.gradient[...] = 0


def _numbers(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What states hold beside arrays."""
    return [{name: value for name, value in state.items() if not backend.is_array(value)} for state in states]
