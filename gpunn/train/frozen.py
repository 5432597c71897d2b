"""What a captured step takes of a model as it was when it was captured, and whether it still is so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gpunn.engine.tensor import Tensor
from gpunn.nn import Module
from gpunn.nn import module as modules
from gpunn.train.reads import Reads, same

SWITCH = "training"  # train() and eval() choose another graph: an attribute that may change
OWN = ("_buffer_names", "_forward_hooks")  # a Module's, which count as changes of it


class Frozen:
    """Attributes, hooks and the parameters' arrays of Modules and of all inside them; `more` gives other parameters.

    So is what `functions` read, and the Modules' own. Of an attribute's inside the elements of lists and dicts are
    looked at, and what functions name of other objects, and no deeper. What optimisers, averages and sums take as it
    was, they say themselves (gpunn.backend.capture.guard).
    """

    def __init__(self, roots: Iterable[Module], more: Callable[[], Iterable[Tensor]] = tuple):
        self.roots, self.more = list(roots), more
        self.functions: list[Any] = []
        self.take()

    def add(self, functions: Iterable[Any]) -> None:
        """Look at what these read too, which may be Modules; `take` is to follow."""
        for function in functions:
            (self.roots if isinstance(function, Module) else self.functions).append(function)

    def take(self) -> None:
        """Take all as it is now."""
        self._names = {id(m): (name, m) for root in self.roots for name, m in root.named_modules()}
        named: dict[int, tuple[str, Tensor]] = {id(p): ("a parameter outside the model", p) for p in self.more()}
        named |= {id(p): (name, p) for root in self.roots for name, p in root.named_parameters()}
        self.parameters = [p for _, p in named.values()]
        self._parameter_names = [name for name, _ in named.values()]
        self._attributes = {key: _attributes(m) for key, (_, m) in self._names.items()}
        buffers = {id(b): (name, b) for root in self.roots for name, b in root.named_buffers()}
        self._tensors = [*self.parameters, *[b for _, b in buffers.values()]]
        self._tensor_names = [*self._parameter_names, *[name for name, _ in buffers.values()]]
        self._held = [t.array for t in self._tensors]  # held, so that their ids stay theirs, and their memory too
        self._ids, self._learning = list(map(id, self._held)), self._learn()
        self._read()

    def _read(self) -> None:
        """Take what is read beside attributes as it is now."""
        forwards = {type(m).forward for _, m in self._names.values()}
        self._reads = Reads([*self.functions, *forwards], self._inside())
        self._seen = -1
        self.absorb()

    def _inside(self) -> Iterator[tuple[str, Any]]:
        """The Modules' attributes by name."""
        for _, module in self._names.values():
            for attribute, value in vars(module).items():
                if attribute not in OWN:
                    yield f"{type(module).__name__}.{attribute}", value

    def absorb(self) -> None:
        """What was set until now was set to what it was, or by the step itself, which knows."""
        if modules.changes == self._seen:
            return
        self._seen = modules.changes
        self.modes = tuple([m.training for _, m in self._names.values()])

    def changed(self) -> str:
        """What is no longer as it was, in words; "" where all is."""
        if modules.changes != self._seen:
            if what := self.assigned():
                return what
            self.absorb()
        ids = list(map(id, [t.array for t in self._tensors]))
        if ids != self._ids:
            return f"the array of {_first_other(self._tensor_names, self._ids, ids)}"
        learn = self._learn()
        if learn == self._learning:
            return self._reads.changed()
        return f"requires_grad or a hook of {_first_other(self._parameter_names, self._learning, learn)}"

    def assigned(self) -> str:
        """The first attribute of a Module, or what else functions read, that was set to something else, in words."""
        if modules.changes == self._seen:
            return self._reads.changed()
        for key, (name, module) in self._names.items():
            before, now = self._attributes[key], _attributes(module)
            for attribute in {**before, **now}:
                if not same(before.get(attribute), now.get(attribute)):
                    return f"{type(module).__name__}.{attribute}" + (f" of {name}" if name else "")
        return self._reads.changed()

    def hooked(self) -> str:
        """A Module or parameter with a hook, which Python runs, in words; "" where there is none."""
        for name, module in self._names.values():
            if module._forward_hooks:
                return name or type(module).__name__
        hooks = zip(self._parameter_names, self._hooks(), strict=True)
        return next((name for name, keys in hooks if keys), "")

    def put_back(self) -> None:
        """Give every attribute, and what else was read, the value that it had."""
        self._reads.put_back()
        for key, (_, module) in self._names.items():
            own, before = vars(module), self._attributes[key]
            for added in [name for name in own if name not in before and name != SWITCH]:
                del own[added]
            own.update({name: dict(value) if type(value) is dict else value for name, value in before.items()})
        self._read()

    def _learn(self) -> list[Any]:
        """Whether each parameter learns, and its hooks."""
        return list(zip([p._requires_grad for p in self.parameters], self._hooks(), strict=True))

    def _hooks(self) -> list[tuple[int, ...]]:
        """The numbers of each parameter's hooks."""
        leaves: list[Any] = [p._node for p in self.parameters]
        return [() if leaf is None else (*(leaf.hooks or ()), *leaf.waiting) for leaf in leaves]


def _first_other(names: list[str], before: list[Any], now: list[Any]) -> str:
    return next(name for name, a, b in zip(names, before, now, strict=True) if a != b)


def _attributes(module: Module) -> dict[str, Any]:
    own = {name: value for name, value in vars(module).items() if name != SWITCH}
    return {name: dict(value) if type(value) is dict else value for name, value in own.items()}
