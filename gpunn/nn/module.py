"""Module: what holds parameters, buffers and other Modules, and says how they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import update_wrapper
from types import FunctionType
from typing import Any, TypeVar

from numpy.typing import DTypeLike

from gpunn.backend import Array, Device
from gpunn.backend.contract import Shape
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import kept
from gpunn.nn.overview import summary
from gpunn.nn.parameter import Parameter
from gpunn.nn.receptive import Reach as Reach
from gpunn.nn.state import Keys, load, mover

M = TypeVar("M", bound="Module")

changes = 0  # attributes set and deleted so far, of all Modules: while it stands still, none has changed


def _count_change() -> None:
    global changes
    changes += 1


class Module:
    """Base of all layers and networks.

    A subclass calls super().__init__(), assigns Parameters and Modules to attributes, and defines forward(...), which
    calling the Module runs. Parameters and children are the attributes of those types, in order of assignment: there is
    no second list to keep.

    >>> class Double(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...
    ...     def forward(self, x):
    ...         return 2 * self.fc(x)
    ...
    >>> Double()(np.ones((3, 4), np.float32)).shape
    (3, 2)
    >>> sorted(Double().state_dict())
    ['fc.bias', 'fc.weight']
    """

    training: bool = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Python names a wrong argument's function as it was defined: Conv2d(3) would read of _Conv.__init__()."""
        super().__init_subclass__(**options)
        init = cls.__init__
        if isinstance(init, FunctionType) and "__init__" not in cls.__dict__:
            own = FunctionType(init.__code__, init.__globals__, init.__name__, init.__defaults__, init.__closure__)
            cls.__init__ = update_wrapper(own, init)
            own.__kwdefaults__, own.__qualname__ = init.__kwdefaults__, f"{cls.__name__}.__init__"

    def __init__(self) -> None:
        self._buffer_names: dict[str, bool] = {}  # name -> whether state_dict holds it
        self._forward_hooks: dict[int, Callable] = {}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no forward; add `def forward(self, x): ...`")

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """What forward gives: of a layer with parameters, and so of most networks, a Tensor."""
        noted = kept.noted
        y = self.forward(*args, **kwargs) if noted is None else noted(self, *args, **kwargs)
        for hook in tuple(self._forward_hooks.values()):
            changed = hook(self, args, y)
            y = y if changed is None else changed
        return y

    def register_forward_hook(self, hook: Callable) -> Callable[[], None]:
        """Call hook(module, args, y) after each forward; what it gives, unless None, replaces y. Gives its remover."""
        key = max(self._forward_hooks, default=-1) + 1
        self._forward_hooks[key] = hook
        _count_change()

        def remove() -> None:
            if self._forward_hooks.get(key) is hook:  # else removed already, and the key perhaps another's
                del self._forward_hooks[key]
                _count_change()

        return remove

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self).__name__
        if isinstance(value, (Parameter, Module)) and "_buffer_names" not in self.__dict__:
            raise AttributeError(f"{kind}: {name} is set before super().__init__() has run; call it first in __init__")
        held = self.__dict__.get(name)
        if value is not None and isinstance(held, (Parameter, Module)):
            wanted = Parameter if isinstance(held, Parameter) else Module
            if not isinstance(value, wanted):
                remedy = (
                    f"change its values with {name}.array[...] = array, or assign nn.Parameter(array)"
                    if wanted is Parameter
                    else "assign a Module, or None"
                )
                raise TypeError(f"{kind}.{name} is a {wanted.__name__}, but got {type(value).__name__}; {remedy}")
        if name in self.__dict__.get("_buffer_names", ()):
            value = _as_buffer(kind, name, value)
        super().__setattr__(name, value)
        _count_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        _count_change()

    def __getattr__(self, name: str) -> Any:
        # Reached only where the ordinary look-up found nothing.
        kind = type(self).__name__
        if name in ("_buffer_names", "_forward_hooks"):
            raise AttributeError(f"{kind}: super().__init__() has not run; call it first in __init__")
        raise AttributeError(f"{kind} has no attribute {name!r}")

    def register_buffer(self, name: str, array: object, persistent: bool = True) -> None:
        """Make `array` (or None) the attribute `name`, a Tensor: moved along, saved (if persistent), never learned."""
        if name in self.__dict__ and name not in self._buffer_names:
            raise KeyError(f"{type(self).__name__}: {name} is an attribute already; choose another name for the buffer")
        self._buffer_names[name] = persistent
        setattr(self, name, array)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """setattr by another name, as in PyTorch."""
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """setattr, for names that are not identifiers."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{type(self).__name__}: {name} is a {type(module).__name__}, expected a Module")
        if not name or "." in name:
            raise KeyError(
                f"{type(self).__name__}: {name!r} cannot name a Module; use letters, digits and _, without dots"
            )
        setattr(self, name, module)

    # Contents

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, value) for name, value in self.__dict__.items() if isinstance(value, Parameter))

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, self.__dict__[name]) for name in self._buffer_names if self.__dict__.get(name) is not None)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The Modules directly inside, with their names."""
        return ((name, value) for name, value in self.__dict__.items() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        """The Modules directly inside."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        """This Module (named "") and all inside it, each once, with dotted names."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(_dotted(prefix, name), seen)

    def modules(self) -> Iterator[Module]:
        """This Module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with dotted names."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, parameter in module._own_parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield _dotted(path, name), parameter

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names."""
        for path, module in self.named_modules(prefix):
            for name, buffer in module._own_buffers():
                yield _dotted(path, name), buffer

    def buffers(self) -> Iterator[Tensor]:
        """All buffers: Tensors that nothing learns."""
        return (buffer for _, buffer in self.named_buffers())

    # State

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers under PyTorch's keys and in its order; a shared Module under each of its names."""
        for name, parameter in self._own_parameters():
            yield _dotted(prefix, name), parameter
        for name, buffer in self._own_buffers():
            if self._buffer_names[name]:
                yield _dotted(prefix, name), buffer
        for name, child in self.named_children():
            yield from child._state(_dotted(prefix, name))

    def named_arrays(self) -> dict[str, Array]:
        """The plain arrays of all parameters and buffers, under the keys of `state_dict`."""
        return {name: tensor.array for name, tensor in self._state()}

    def state_dict(self) -> dict[str, Tensor]:
        """All parameters and buffers under PyTorch's keys, as Tensors that share their memory.

        What a later step changes, changes there too: copy.deepcopy keeps a state, gpunn.save writes one.
        """
        return {name: tensor.data for name, tensor in self._state()}

    def load_state_dict(self, state: Mapping[str, object], strict: bool = True) -> Keys:
        """Copy arrays, Tensors or PyTorch tensors into parameters and buffers of the same names.

        strict=False passes over missing and unexpected keys and returns them. CheckpointError lists every key that does
        not fit; nothing is changed then. An array that stands under two names here may have one in `state`, and
        num_batches_tracked, which old files lack, keeps its value where it is missing.
        """
        return load(type(self).__name__, self.named_arrays(), state, strict)

    # Modes, devices, dtypes

    def train(self: M, mode: bool = True) -> M:
        """Training mode, here and in all Modules inside: dropout drops, batch norm uses the batch's statistics."""
        self.training = bool(mode)
        for child in self.children():
            child.train(mode)  # not its attribute: a layer may override train, to stay frozen
        return self

    def eval(self: M) -> M:
        """Evaluation mode: train(False)."""
        return self.train(False)

    def apply(self: M, fn: Callable[[Module], object]) -> M:
        """Call fn on each Module inside and then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self: M, target: str | Device | DTypeLike) -> M:
        """Move parameters, gradients and buffers to a device, or convert them to a floating dtype; in place."""
        change = mover(target)
        for parameter in self.parameters():
            array = change(parameter.array)
            if array is not parameter.array:
                parameter.replace(array)
        for module in self.modules():
            for name, buffer in list(module._own_buffers()):
                setattr(module, name, change(buffer.array))
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.gradient = None

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Whether all parameters ask for gradients: False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    # What it looks like

    def extra_repr(self) -> str:
        """What stands in the parentheses of repr: "6->16, 5x5, stride 1, padding 0"."""
        return ""

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), list(self.named_children())
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = [f"{name}: {child!r}".replace("\n", "\n  ") for name, child in children]
        return f"{type(self).__name__}(\n" + "".join(f"  {line}\n" for line in ([extra] if extra else []) + lines) + ")"

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        """Floating-point operations of one forward call, 2 a multiply-add; 0 for what does not multiply matrices."""
        return 0

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach | None:
        """How far a layer sees, as (size, step) for each spatial dimension; None where it reads its own place alone.

        size: how many neighbours in x one element of y reads; step: how many lie from it to the next one's.
        """
        return None

    def summary(self, x: Operand | Shape, memory: bool = False) -> str:
        """The table of `nn.summary`: output, parameters, FLOPs, receptive field, stride and memory of each layer."""
        return summary(self, x, memory)


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _as_buffer(kind: str, name: str, value: object) -> Tensor | None:
    if value is None or isinstance(value, Tensor):
        return value
    try:
        return Tensor(data_of(value))
    except (TypeError, ValueError):
        got = type(value).__name__
        raise TypeError(f"{kind}.{name} is a buffer, but got {got}; assign an array of numbers, or None") from None
