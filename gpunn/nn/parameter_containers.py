"""Parameters in a list and in a dict."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, SupportsIndex

from gpunn.backend import is_array
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.containers import Keyed
from gpunn.nn.module import Module
from gpunn.nn.parameter import Parameter


class ParameterList(Module):
    """Parameters in a list that count as the Module's; a Tensor or array becomes one, sharing its memory.

    >>> weights = nn.ParameterList([np.ones(2), np.zeros(3)])
    >>> len(weights), list(weights.append(np.ones(1)).state_dict())
    (2, ['0', '1', '2'])
    """

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self.extend(() if values is None else values)

    def __len__(self) -> int:
        return sum(1 for _ in self._own_parameters())

    def __iter__(self) -> Iterator[Parameter]:
        return iter([parameter for _, parameter in self._own_parameters()])

    def _position(self, index: SupportsIndex) -> int:
        at, count = operator.index(index), len(self)
        if not -count <= at < count:
            raise IndexError(f"ParameterList: index {at} is outside its {count} parameters")
        return at % count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return getattr(self, str(self._position(index)))

    def __setitem__(self, index: SupportsIndex, value: object) -> None:
        at = str(self._position(index))
        setattr(self, at, _as_parameter("ParameterList", at, value))

    def append(self, value: object) -> ParameterList:
        """Add one at the end."""
        return self.extend([value])

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add several at the end; all are looked at before the first is taken."""
        if isinstance(values, Tensor) or is_array(values) or not isinstance(values, Iterable):
            got = type(values).__name__
            raise TypeError(f"ParameterList: extend got a {got}, expected several Tensors; append one, or pass a list")
        count = len(self)
        for i, each in enumerate([_as_parameter("ParameterList", str(count + i), v) for i, v in enumerate(values)]):
            setattr(self, str(count + i), each)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def forward(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("ParameterList cannot be called; use its values in forward")

    def __repr__(self) -> str:
        return _shown("ParameterList", self._own_parameters())


class ParameterDict(Keyed):
    """Parameters in a dict that count as the Module's; a Tensor or array becomes one, sharing its memory.

    >>> weights = nn.ParameterDict({"left": np.ones(2)})
    >>> weights["right"] = np.zeros(3)
    >>> list(weights), [parameter.shape for parameter in weights.parameters()]
    (['left', 'right'], [(2,), (3,)])
    """

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None):
        super().__init__()
        self.update(parameters or {})

    def _own(self) -> Iterator[tuple[str, Parameter]]:
        return self._own_parameters()

    def _admitted(self, key: str, value: object) -> Parameter:
        return _as_parameter("ParameterDict", key, value)

    def copy(self) -> ParameterDict:
        """Another dict of the same Parameters."""
        return ParameterDict(dict(self))

    def fromkeys(self, keys: Iterable[str], default: object) -> ParameterDict:
        """A dict with a Parameter of `default` under each of these words."""
        return ParameterDict({key: default for key in keys})

    def __or__(self, other: Mapping[str, Any]) -> ParameterDict:
        return ParameterDict({**self, **other})

    def __ior__(self, other: Mapping[str, Any]) -> ParameterDict:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return _shown("ParameterDict", self._own_parameters())


def _as_parameter(kind: str, name: str, value: object) -> Parameter:
    if isinstance(value, Parameter):
        return value
    if not isinstance(value, Tensor) and not is_array(value):
        raise TypeError(f"{kind}: {name} is a {type(value).__name__}, expected a Parameter, a Tensor or an array")
    return Parameter(data_of(value))


def _shown(kind: str, parameters: Iterable[tuple[str, Parameter]]) -> str:
    lines = [f"  ({name}): Parameter of {p.dtype} {p.shape} on {p.device}" for name, p in parameters]
    return "\n".join([f"{kind}(", *lines, ")"]) if lines else f"{kind}()"
