"""Sequential, ModuleList and ModuleDict."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn, SupportsIndex, TypeVar

from gpunn.engine.operators import Operand
from gpunn.errors import kind_of, suggestion
from gpunn.nn import fusion
from gpunn.nn.module import Module

N = TypeVar("N", bound="_Numbered")


class _Numbered(Module):
    """Children in order, found by position; those named by a number are renumbered where the order changes."""

    def __len__(self) -> int:
        return sum(1 for _ in self._own_modules())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._own_modules()])

    def _position(self, index: SupportsIndex) -> int:
        """`index` as one from 0. Raises IndexError outside."""
        at, count = operator.index(index), len(self)
        if not -count <= at < count:
            raise IndexError(f"{type(self).__name__}: index {at} is outside its {count} modules")
        return at % count

    def _checked(self, modules: Iterable[Module]) -> list[Module]:
        """All are looked at before the first is taken, so that a refusal leaves everything as it was."""
        name = type(self).__name__
        if not isinstance(modules, Iterable):
            raise TypeError(f"{name}: modules is {kind_of(modules)}, expected a list of Modules; pass [module]")
        found = list(modules)
        for i, module in enumerate(found):
            if not isinstance(module, Module):
                raise TypeError(f"{name}: {i} is {kind_of(module)}, expected a Module")
        return found

    def _arrange(self, items: list[tuple[str, Module]]) -> None:
        """Hold these, in this order, each under its word or the number of its place."""
        kept = {name: value for name, value in self.__dict__.items() if not isinstance(value, Module)}
        named = {str(i) if name.isdecimal() else name: module for i, (name, module) in enumerate(items)}
        self.__dict__ = kept | named  # at once: no interrupt finds half of them

    def __getitem__(self, index: int | slice) -> Any:
        items = list(self._own_modules())
        if not isinstance(index, slice):
            return items[self._position(index)][1]
        part = Sequential() if isinstance(self, Sequential) else ModuleList()
        part._arrange(items[index])
        return part

    def __setitem__(self, index: int | slice, module: Any) -> None:
        items = list(self._own_modules())
        if isinstance(index, slice):
            items[index] = [("0", each) for each in self._checked(module)]
        else:
            at = self._position(index)
            items[at] = (items[at][0], self._checked([module])[0])
        self._arrange(items)

    def __delitem__(self, index: int | slice) -> None:
        items = list(self._own_modules())
        del items[index if isinstance(index, slice) else self._position(index)]
        self._arrange(items)

    def append(self: N, module: Module) -> N:
        """Add one at the end, named by its position."""
        return self.extend([module])

    def extend(self: N, modules: Iterable[Module]) -> N:
        """Add several at the end."""
        self[len(self) :] = modules
        return self

    def insert(self: N, index: SupportsIndex, module: Module) -> N:
        """Put one before position `index`; those behind it are renumbered."""
        at = operator.index(index)
        self[at:at] = [module]
        return self

    def pop(self, index: SupportsIndex = -1) -> Module:
        """Take the one at `index` out, and give it; those behind it are renumbered."""
        at = self._position(index)
        module = self[at]
        del self[at]
        return module

    def __add__(self: N, others: Iterable[Module]) -> N:
        return self[:].extend(others)

    def __iadd__(self: N, others: Iterable[Module]) -> N:
        return self.extend(others)


class Sequential(_Numbered):
    """Modules in a chain: Sequential(a, b), or Sequential({"first": a, "second": b}) to name them.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(np.ones((5, 4), np.float32)).shape
    (5, 2)
    >>> list(net.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']

    They change as a list does: append, extend, insert, pop, del, net[1:3], net[0] = layer, net + others. Each numbered
    name is its place again after that, so that a part has keys of its own:

    >>> list(net[1:].append(nn.Linear(2, 1)).state_dict())
    ['1.weight', '1.bias', '2.weight', '2.bias']

    Neighbours that one op computes go into one call, as `gpunn.nn.fusion` has them: Conv2d, ReLU or Tanh, and a pool. A
    layer with a forward hook runs on its own.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        super().__init__()
        only = modules[0] if len(modules) == 1 else None
        named: Mapping[Any, Any] = only if isinstance(only, Mapping) else dict(enumerate(modules))
        for name, module in named.items():
            self.add_module(str(name), module)

    def forward(self, x: Operand) -> Operand:
        return fusion.chain(list(self), x)


class ModuleList(_Numbered):
    """Modules in a list, whose parameters count; loop over it in forward.

    >>> layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self.extend(modules)

    def forward(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("ModuleList cannot be called; loop over its modules in forward, or use Sequential")


class Keyed(Module, MutableMapping[str, Any]):
    """Values under words, in order: attributes of the Module, and a dict's methods to hold them by."""

    def _own(self) -> Iterator[tuple[str, Any]]:
        """Words and values."""
        raise NotImplementedError

    def _admitted(self, key: str, value: object) -> Any:
        """The value as it is held. Raises TypeError for another kind."""
        raise NotImplementedError

    def __len__(self) -> int:
        return sum(1 for _ in self._own())

    def __iter__(self) -> Iterator[str]:
        return iter([key for key, _ in self._own()])

    def __contains__(self, key: object) -> bool:
        return any(key == held for held, _ in self._own())

    def popitem(self) -> tuple[str, Any]:
        """Take the last one out, and give its word and it."""
        if not len(self):
            raise KeyError(f"{type(self).__name__}: popitem of an empty one")
        key = list(self)[-1]
        return key, self.pop(key)

    def __getitem__(self, key: str) -> Any:
        held = dict(self._own())
        if key not in held:
            raise KeyError(f"{type(self).__name__}: no {key!r}{suggestion(key, held) or '; it has ' + ', '.join(held)}")
        return held[key]

    def __setitem__(self, key: str, value: object) -> None:
        kind = type(self).__name__
        if not isinstance(key, str):
            raise TypeError(f"{kind}: the key {key!r} is a {type(key).__name__}, expected a string")
        if not key or "." in key or (key not in self and hasattr(self, key)):
            raise KeyError(f"{kind}: {key!r} cannot be a key, empty, with a dot or an attribute's name; choose another")
        setattr(self, key, self._admitted(key, value))

    def __delitem__(self, key: str) -> None:
        self[key]  # its words for a key that is not there
        delattr(self, key)

    # A Module is itself and no other, whatever it holds.
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]

    def forward(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be called; use its values in forward")


class ModuleDict(Keyed):
    """Modules in a dict, whose parameters count; look them up in forward.

    >>> net = nn.ModuleDict({"relu": nn.ReLU(), "fc": nn.Linear(4, 2)})
    >>> net["head"] = net.pop("fc")
    >>> list(net), list(net.state_dict())
    (['relu', 'head'], ['head.weight', 'head.bias'])
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None):
        super().__init__()
        self.update(modules or {})

    def _own(self) -> Iterator[tuple[str, Module]]:
        return self._own_modules()

    def _admitted(self, key: str, value: object) -> Module:
        if not isinstance(value, Module):
            raise TypeError(f"ModuleDict: {key} is a {type(value).__name__}, expected a Module")
        return value
