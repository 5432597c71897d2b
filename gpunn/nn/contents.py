"""What a Module holds: parameters, buffers and other Modules, by name and one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from gpunn.engine.tensor import Tensor
from gpunn.errors import suggestion
from gpunn.nn.parameter import Parameter

M = TypeVar("M")  # Module, which stands on this file


class Contents(Generic[M]):
    """The part of a Module that looks up what it holds: attributes, in order of assignment.

    A Module, parameter or buffer that stands under several names comes once, under the first, unless
    remove_duplicate=False.
    """

    _buffer_names: dict[str, bool]

    # Its own

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, value) for name, value in self.__dict__.items() if isinstance(value, Parameter))

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, self.__dict__[name]) for name in self._buffer_names if self.__dict__.get(name) is not None)

    def _own_modules(self) -> Iterator[tuple[str, Any]]:
        """The Modules directly inside, each under all of its names."""
        return ((name, value) for name, value in self.__dict__.items() if isinstance(value, Contents))

    @property
    def _modules(self) -> Mapping[str, M]:
        """PyTorch's dict of the Modules directly inside, to read; assign attributes to change them."""
        return MappingProxyType(dict(self._own_modules()))

    @property
    def _parameters(self) -> Mapping[str, Parameter]:
        """PyTorch's dict of the Module's own parameters, to read; assign attributes to change them."""
        return MappingProxyType(dict(self._own_parameters()))

    @property
    def _buffers(self) -> Mapping[str, Tensor | None]:
        """PyTorch's dict of the Module's own buffers, to read; assign attributes to change them."""
        return MappingProxyType({name: self.__dict__.get(name) for name in self._buffer_names})

    # All

    def named_children(self) -> Iterator[tuple[str, M]]:
        """The Modules directly inside, with their names."""
        return _once(self._own_modules(), True)

    def children(self) -> Iterator[M]:
        """The Modules directly inside."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, M]]:
        """This Module (named "") and all inside it with dotted names, but for those in `memo`, which notes them."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]
        for name, child in self._own_modules():
            yield from child.named_modules(memo, dotted(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[M]:
        """This Module and all inside it."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names; with recurse=False the Module's own."""
        return _once(self._named("_own_parameters", prefix, recurse, remove_duplicate), remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters; with recurse=False the Module's own."""
        return (parameter for _, parameter in self.named_parameters("", recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names; with recurse=False the Module's own."""
        return _once(self._named("_own_buffers", prefix, recurse, remove_duplicate), remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, Tensors that nothing learns; with recurse=False the Module's own."""
        return (buffer for _, buffer in self.named_buffers("", recurse))

    def _named(self, own: str, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Any]]:
        modules: Any = self.named_modules(None, prefix, once) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in getattr(module, own)():
                yield dotted(path, name), value

    # One

    def get_submodule(self, target: str) -> M:
        """The Module inside of this dotted name; "" is this one. AttributeError where there is none.

        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))
        >>> net.get_submodule("1.0")
        ReLU()
        """
        found: Any = self
        for name in target.split(".") if target else ():
            held = dict(found._own_modules())
            if name not in held:
                raise AttributeError(
                    f"{type(self).__name__}: {target!r} is no Module in it: {type(found).__name__} has no Module "
                    f"{name!r}"
                    f"{suggestion(name, held) or '; it has ' + (', '.join(held) or 'none')}"
                )
            found = held[name]
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of this dotted name. AttributeError where there is none.

        >>> nn.Sequential(nn.Linear(2, 3)).get_parameter("0.bias").shape
        (3,)
        """
        return self._get(target, "parameter", "_own_parameters")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of this dotted name. AttributeError where there is none.

        >>> nn.Sequential(nn.BatchNorm1d(3)).get_buffer("0.running_var").shape
        (3,)
        """
        return self._get(target, "buffer", "_own_buffers")

    def _get(self, target: str, what: str, own: str) -> Any:
        path, _, name = target.rpartition(".")
        module: Any = self.get_submodule(path)
        held = dict(getattr(module, own)())
        if name not in held:
            raise AttributeError(
                f"{type(self).__name__}: {target!r} is no {what} in it: {type(module).__name__} has no {what} {name!r}"
                f"{suggestion(name, held) or '; it has ' + (', '.join(held) or 'none')}"
            )
        return held[name]


def _once(named: Iterator[tuple[str, Any]], once: bool) -> Iterator[tuple[str, Any]]:
    """Each but once, under its first name, where that is wanted."""
    seen: set[int] = set()
    for name, value in named:
        if not once or id(value) not in seen:
            seen.add(id(value))
            yield name, value


def dotted(prefix: str, name: str) -> str:
    """A name behind those of the Modules that it is in."""
    return f"{prefix}.{name}" if prefix else name
