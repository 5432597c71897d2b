"""Parameter: a Tensor that a Module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import default_device, to_device
from gpunn.tensor import Tensor


class Parameter(Tensor):
    """A Tensor that asks for its gradient; assigned to a Module's attribute it becomes one of its parameters."""

    __slots__ = ()

    def __init__(self, array: Any, requires_grad: bool = True):
        super().__init__(array, requires_grad)

    def replace(self, array: Any) -> None:
        """Put another array, perhaps of another dtype or device, in place of `data`; the gradient goes along."""
        grad = self.grad
        self.data, self._node = array, None
        if grad is not None:
            self.grad = grad.astype(array.dtype)

    def __deepcopy__(self, memo: dict) -> Parameter:
        # The graph stays behind: a copied node would still deliver gradients to the original.
        copied = Parameter(self.data.copy(), self.requires_grad)
        copied.grad = None if self.grad is None else self.grad.copy()
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> tuple:
        return Parameter, (self.data, self.requires_grad)

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Tensor")


def empty(*shape: int) -> Parameter:
    """A float32 Parameter on the default device, its values still to be set."""
    return Parameter(to_device(np.empty(shape, np.float32), default_device()))
