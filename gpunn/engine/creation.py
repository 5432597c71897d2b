"""Tensors from data of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Device, is_array, plain
from gpunn.backend import asarray as array_of
from gpunn.backend.memory import overlap
from gpunn.dtypes import as_dtype
from gpunn.engine.tensor import Tensor, data_of, refuse_lost_gradients
from gpunn.errors import kind_of


def tensor(data: Any, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False) -> Tensor:
    """A Tensor over a copy of ``data``, as torch.tensor makes one; ``Tensor(array)`` keeps the array itself.

    Args:
        data: a number, a nested list, an array, a Tensor (whose history stays behind) or another framework's tensor.
        dtype: of the copy; else the data's own, where Python's floats are float32 (`set_default_dtype`).
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
    wanted = None if dtype is None else as_dtype("tensor", dtype)
    refuse_lost_gradients(data)
    given = data.array if isinstance(data, Tensor) else data
    return Tensor(array_of(given, wanted, device).copy(order="K"), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """A Tensor of ``data``: itself, with its history, where it is one of this dtype and device, else over its memory.

    Raises what `tensor` raises.

    Examples:
        >>> a = np.zeros(2)
        >>> gpunn.as_tensor(a)[0] = 1.0
        >>> a
        array([1., 0.])
    """
    wanted = None if dtype is None else as_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        x = data if device is None else data.to(device)
        return x if wanted is None else x.to(wanted)
    refuse_lost_gradients(data)
    return Tensor(array_of(data, wanted, device))


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """`as_tensor` of any object, `copy` True for memory of its own; with `requires_grad` given, a leaf.

    Raises what `tensor` raises, and ValueError where `copy` is False and one is needed.

    Examples:
        >>> gpunn.asarray([1, 2], dtype=gpunn.float32)
        Tensor([1., 2.])
    """
    x = as_tensor(obj, dtype, device)
    own = data_of(obj) if isinstance(obj, Tensor) else obj
    shared = is_array(own) and overlap(own, data_of(x)) if type(own) is type(data_of(x)) else False
    if copy is False and not shared:
        raise ValueError(f"asarray: copy is False, but {kind_of(obj)} takes one here; leave copy out")
    if copy and shared:
        x = tensor(x, dtype, device)
    return x if requires_grad is None else x.detach().requires_grad_(requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A Tensor over the memory of a NumPy array.

    Raises:
        TypeError: something else than a NumPy array of numbers.

    Examples:
        >>> gpunn.from_numpy(np.arange(3))
        Tensor([0, 1, 2], dtype=int64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: got {kind_of(ndarray)}, expected a NumPy array; pass the others to gpunn.tensor")
    if any([stride < 0 for stride in ndarray.strides]):
        raise ValueError("from_numpy: the array runs backwards through memory, expected strides >= 0; pass a copy")
    return Tensor(plain(ndarray))
