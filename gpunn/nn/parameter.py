"""Parameter: a Tensor that a Module learns."""

from __future__ import annotations

import math
from contextvars import ContextVar

import numpy as np

from gpunn.backend import Array, default_device, device_of, to_device
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

    def __init__(self, array: object, requires_grad: bool = True):
        super().__init__(array, requires_grad)
        if not getattr(self.array.flags, "writeable", True):  # memory of bytes, say; an optimiser writes to it
            self.array = self.array.copy(order="K")

    def replace(self, array: Array) -> None:
        """Put another array, perhaps of another dtype or device, in place of `data`; the gradient goes along."""
        grad = self.gradient
        self.array = array
        if grad is not None:
            self.gradient = to_device(grad.astype(array.dtype), device_of(array))

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Tensor")


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
