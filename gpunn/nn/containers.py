"""Sequential and ModuleList."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, SupportsIndex, TypeVar

from gpunn.engine.operators import Operand
from gpunn.nn.module import Module

N = TypeVar("N", bound="_Numbered")


class _Numbered(Module):
    """Children in order, found by position."""

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def _name_at(self, index: SupportsIndex) -> str:
        names = [name for name, _ in self.named_children()]
        try:
            return names[operator.index(index)]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index} is outside its {len(names)} modules") from None

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._name_at(index), module)

    def append(self: N, module: Module) -> N:
        """Add one at the end, named by its position."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: N, modules: Iterable[Module]) -> N:
        """Add several at the end."""
        for module in modules:
            self.append(module)
        return self


class Sequential(_Numbered):
    """Modules in a chain: Sequential(a, b), or Sequential({"first": a, "second": b}) to name them.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(np.ones((5, 4), np.float32)).shape
    (5, 2)
    >>> list(net.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        super().__init__()
        only = modules[0] if len(modules) == 1 else None
        named: Mapping[Any, Any] = only if isinstance(only, Mapping) else dict(enumerate(modules))
        for name, module in named.items():
            self.add_module(str(name), module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self.named_children())[index]))
        return getattr(self, self._name_at(index))

    def forward(self, x: Operand) -> Operand:
        for module in self.children():
            x = module(x)
        return x


class ModuleList(_Numbered):
    """Modules in a list, whose parameters count; loop over it in forward.

    >>> layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return getattr(self, self._name_at(index))

    def insert(self, index: int, module: Module) -> None:
        """Put one before position `index`; those behind it are renumbered."""
        modules = list(self)
        modules.insert(index, module)
        for name in [name for name, _ in self.named_children()]:
            delattr(self, name)
        self.extend(modules)

    def forward(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("ModuleList cannot be called; loop over its modules in forward, or use Sequential")
