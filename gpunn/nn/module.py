"""Module: what holds parameters, buffers and other Modules, and says how they compute."""

from __future__ import annotations

from functools import partial, update_wrapper
from types import FunctionType
from typing import Any

from gpunn import left_out
from gpunn.backend.contract import Shape
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import kind_of
from gpunn.nn import kept
from gpunn.nn.conversions import Conversions
from gpunn.nn.hooks import Hook, Hooks, called
from gpunn.nn.overview import summary, tree
from gpunn.nn.parameter import Parameter
from gpunn.nn.placed import PLAIN, placed
from gpunn.nn.receptive import Reach as Reach
from gpunn.nn.stateful import Stateful
from gpunn.notebook import Summary

changes = 0  # attributes set and deleted so far, of all Modules: while it stands still, none has changed


def _count_change() -> None:
    global changes
    changes += 1


class Module(Hooks, Stateful["Module"], Conversions["Module"]):
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
        given = cls.__init__
        init = getattr(given, PLAIN, given)
        if isinstance(init, FunctionType) and "__init__" not in cls.__dict__:
            own = FunctionType(init.__code__, init.__globals__, init.__name__, init.__defaults__, init.__closure__)
            made = update_wrapper(own, init)
            own.__kwdefaults__, own.__qualname__ = init.__kwdefaults__, f"{cls.__name__}.__init__"
            cls.__init__ = made if init is given else placed(made)

    def __init__(self) -> None:
        self._buffer_names: dict[str, bool] = {}  # name -> whether state_dict holds it
        self._forward_hooks: dict[int, Hook] = {}  # of every kind, in the order in which they are called

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no forward; add `def forward(self, x): ...`")

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """What forward gives: of a layer with parameters, and so of most networks, a Tensor."""
        noted = kept.noted
        forward = self.forward if noted is None else partial(noted, self)
        return forward(*args, **kwargs) if not self._forward_hooks else called(self, forward, args, kwargs)

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
        raise left_out.lacking(kind, name, left_out.OF_MODULE, lambda: dir(self))

    def register_buffer(self, name: str, tensor: object, persistent: bool = True) -> None:
        """Make `tensor`, or an array, or None, the attribute `name`: moved along, saved if persistent, not learned."""
        self._check_name(name, "a buffer", name in self._buffer_names)
        self._buffer_names[name] = persistent
        setattr(self, name, tensor)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """setattr, as in PyTorch for a Parameter, or None, alone."""
        if not isinstance(param, Parameter) and param is not None:
            got = kind_of(param)
            raise TypeError(f"{type(self).__name__}: {name} is {got}, expected a Parameter; pass nn.Parameter(array)")
        self._check_name(name, "a Parameter", isinstance(vars(self).get(name), (Parameter, type(None))))
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """setattr, for names that are not identifiers."""
        if not isinstance(module, Module) and module is not None:
            remedy = "; unpack a list with *" if isinstance(module, (list, tuple)) else ""
            remedy = "; call it to make one" if isinstance(module, type) else remedy
            raise TypeError(f"{type(self).__name__}: {name} is {kind_of(module)}, expected a Module{remedy}")
        self._check_name(name, "a Module", isinstance(vars(self).get(name), (Module, type(None))))
        setattr(self, name, module)

    def _check_name(self, name: object, what: str, known: bool) -> None:
        """Refuses a name that a state_dict could not hold, and one of another attribute unless that is `known`."""
        kind = type(self).__name__
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"{kind}: {name!r} cannot name {what}; use letters, digits and _, without dots")
        if hasattr(type(self), name) or (name in vars(self) and not known):
            raise KeyError(f"{kind}: {name} is an attribute already; choose another name for {what}")

    register_module = add_module

    # What it looks like

    def extra_repr(self) -> str:
        """What stands in the parentheses of repr: "6->16, 5x5, stride 1, padding 0"."""
        return ""

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), list(self._own_modules())
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = [f"{name}: {child!r}".replace("\n", "\n  ") for name, child in children]
        return f"{type(self).__name__}(\n" + "".join(f"  {line}\n" for line in ([extra] if extra else []) + lines) + ")"

    def _repr_html_(self) -> str:
        return tree(self)

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        """Floating-point operations of one forward call, 2 a multiply-add; 0 for what does not multiply matrices."""
        return 0

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach | None:
        """How far a layer sees, as (size, step) for each spatial dimension; None where it reads its own place alone.

        size: how many neighbours in x one element of y reads; step: how many lie from it to the next one's.
        """
        return None

    def summary(self, x: Operand | Shape, memory: bool = False) -> Summary:
        """The table of `nn.summary`: output, parameters, FLOPs, receptive field, stride and memory of each layer."""
        return summary(self, x, memory)


def _as_buffer(kind: str, name: str, value: object) -> Tensor | None:
    if value is None or isinstance(value, Tensor):
        return value
    try:
        return Tensor(data_of(value))
    except (TypeError, ValueError):
        got = type(value).__name__
        raise TypeError(f"{kind}.{name} is a buffer, but got {got}; assign an array of numbers, or None") from None
