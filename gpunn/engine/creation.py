"""Tensors from data of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Device, asarray
from gpunn.engine.tensor import Tensor, refuse_lost_gradients


def tensor(data: Any, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False) -> Tensor:
    """A Tensor over a copy of ``data``, as torch.tensor makes one; ``Tensor(array)`` keeps the array itself.

    Args:
        data: a number, a nested list, an array, a Tensor (whose history stays behind) or another framework's tensor.
        dtype: of the copy; else the data's own, where Python's floats are float32.
        device: of the copy; else where an array is, and for everything else the default device.
        requires_grad: whether ``backward`` fills ``.grad``. Floating point only.

    Raises:
        TypeError: no dtype of numbers, or integers with ``requires_grad``.
        ValueError: a list whose rows differ in length.
        DeviceError: the device is not there.

    Examples:
        >>> gpunn.tensor([[1, 2.5]], requires_grad=True)
        Tensor([[1. , 2.5]], requires_grad=True)
        >>> gpunn.tensor(3, dtype="float64").dtype
        dtype('float64')
    """
    try:
        wanted = None if dtype is None else np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"tensor: dtype is {dtype!r}, expected one of numbers, for example 'float32'") from error
    refuse_lost_gradients(data)
    given = data.data if isinstance(data, Tensor) else data
    return Tensor(asarray(given, wanted, device).copy(order="K"), requires_grad)
