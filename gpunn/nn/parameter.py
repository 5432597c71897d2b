"""Parameter: a Tensor that a Module learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from html import escape
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array, Device, default_device, device_of, to_device
from gpunn.dtypes import get_default_dtype
from gpunn.engine.tensor import Tensor
from gpunn.restored import Setting
from gpunn.text import brief


class Parameter(Tensor):
    """A Tensor that asks for its gradient; assigned to a Module's attribute it becomes one of its parameters.

    >>> p = nn.Parameter(np.zeros(2, np.float32))
    >>> p.requires_grad, isinstance(p, gpunn.Tensor)
    (True, True)
    """

    __slots__ = ()

    def __init__(self, data: object = None, requires_grad: bool = True):
        super().__init__(np.empty(0, np.float32) if data is None else data, requires_grad)
        if not getattr(self.array.flags, "writeable", True):  # memory of bytes, say; an optimiser writes to it
            self.array = self.array.copy(order="K")

    def replace(self, array: Array) -> None:
        """Put another array, perhaps of another dtype or device, in place of `data`; the gradient goes along."""
        grad = self.gradient
        self.array = array
        if grad is not None:
            self.gradient = to_device(grad.astype(array.dtype), device_of(array))

    def change(self, change: Callable[[Array], Array]) -> None:
        """Put what `change` makes of the array in its place, where that is another."""
        array = change(self.array)
        if array is not self.array:
            self.replace(array)

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Tensor")


class Uninitialized(Tensor):
    """A Tensor whose shape is not known yet: it has a dtype and a device, and becomes one of its class."""

    __slots__ = ()
    _plain: ClassVar[Any]

    def __init__(self, requires_grad: bool = False, device: str | Device | None = None, dtype: DTypeLike = "float32"):
        none = np.empty(0, dtype)
        Tensor.__init__(self, to_device(none, default_device() if device is None else device), requires_grad)

    @property
    def array(self) -> Array:  # pyright: ignore[reportIncompatibleVariableOverride]: a slot there
        """Refused: there is none."""
        raise RuntimeError(
            f"{type(self).__name__}: its shape is not known yet; call the model once with an input, or load a state"
        )

    @array.setter
    def array(self, array: Array) -> None:
        _slot.__set__(self, array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return _slot.__get__(self).dtype

    @property
    def device(self) -> Device:
        return device_of(_slot.__get__(self))

    def become(self, array: Array) -> None:
        """One of its class, of this array, in its own dtype and on its own device."""
        array = to_device(array.astype(self.dtype, copy=False), self.device)
        self.__class__ = self._plain
        self.array = array

    def materialize(
        self, shape: Sequence[int], device: str | Device | None = None, dtype: DTypeLike | None = None
    ) -> None:
        """One of its class, of zeros of this shape, to be set."""
        home, dtype = self.device if device is None else device, self.dtype if dtype is None else dtype
        _slot.__set__(self, to_device(np.empty(0, dtype), home))
        self.become(to_device(np.zeros(tuple(shape), dtype), home))

    def change(self, change: Callable[[Array], Array]) -> None:
        """What is known of it changes: device and dtype."""
        _slot.__set__(self, change(_slot.__get__(self)))

    def _own_data(self) -> Array:  # for copies and pickles
        return _slot.__get__(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dtype={self.dtype}, device={self.device})"

    def _repr_html_(self) -> str:
        return escape(repr(self))


_slot: Any = vars(Tensor)["array"]  # where the memory is, in spite of Uninitialized.array


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape is not known yet: a lazy layer's. Its first input makes it a Parameter.

    >>> lazy = nn.LazyLinear(2)
    >>> isinstance(lazy.weight, nn.UninitializedParameter), lazy(np.ones((1, 3), np.float32)).shape, lazy.weight.shape
    (True, (1, 2), (2, 3))
    """

    __slots__ = ()
    _plain = Parameter

    def __init__(self, requires_grad: bool = True, device: str | Device | None = None, dtype: DTypeLike = "float32"):
        Uninitialized.__init__(self, requires_grad, device, dtype)


class UninitializedBuffer(Uninitialized):
    """A buffer whose shape is not known yet: a lazy layer's. Its first input makes it a Tensor.

    >>> isinstance(nn.LazyBatchNorm1d().running_mean, nn.UninitializedBuffer)
    True
    """

    __slots__ = ()
    _plain = Tensor


_limits: ContextVar[tuple[int, int] | None] = ContextVar("numbers layers may hold, and those left", default=None)


def at_most(count: int) -> Setting[tuple[int, int]]:
    """Inside, layers whose parameters have more than `count` numbers in all are refused, before they take memory.

    The first layer too much raises ValueError. Of two limits the lower holds.
    """
    return Setting(_limits, lambda outer: (count, count) if outer is None or count < outer[1] else outer)


def empty(*shape: int) -> Parameter:
    """A Parameter of the default dtype on the default device, its values still to be set."""
    if (limit := _limits.get()) is not None:
        most, left = limit
        if (size := math.prod(shape)) > left:
            raise ValueError(
                f"parameters of shape {brief(shape)} make more than the {most:,} numbers that the network may have"
            )
        _limits.set((most, left - size))
    return Parameter(to_device(np.empty(shape, get_default_dtype()), default_device()))
