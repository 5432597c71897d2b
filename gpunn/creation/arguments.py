"""What the functions that make Tensors share: shapes, numbers, the device, `out`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from gpunn import backend
from gpunn.backend import Array, Device, to_device
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.scalars import as_int, shown

Place: TypeAlias = str | int | Device | None
Sizes: TypeAlias = int | Sequence[int]


def as_shape(op: str, given: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """(2, 3) from f(2, 3), f((2, 3)) and f(size=(2, 3)). TypeError, ValueError for what is no shape."""
    if size is not None:
        given = (size,)
    if len(given) == 1 and np.ndim(given[0]) == 1:
        given = tuple(given[0])
    shape = tuple([as_int(op, "size", n, "ints, or a sequence of them") for n in given])
    if min(shape, default=0) < 0:
        raise ValueError(f"{op}: size is {shape}, expected lengths of at least 0")
    return shape


def made(
    op: str,
    make: Callable[[ModuleType], Array],
    device: Place,
    requires_grad: bool = False,
    out: Operand | None = None,
) -> Tensor:
    """The Tensor of make(numpy or cupy) on a device, or `out` with its values.

    Raises:
        TypeError: `out` has another dtype.
        ValueError: `out` has another shape.
    """
    if out is not None:
        y, into = make(np), data_of(out)
        if y.shape != into.shape:
            raise ValueError(f"{op}: out is {into.shape}, expected {y.shape}; make it with empty{y.shape}")
        into[...] = to_device(y.astype(into.dtype), backend.device_of(into))
        return out if isinstance(out, Tensor) else Tensor(out)
    wanted = backend.default_device() if device is None else backend.device(device)
    if wanted.type != "cuda":
        return Tensor(to_device(make(np), wanted), requires_grad)
    with wanted:  # what the host has drawn is sent there
        return Tensor(to_device(make(backend.require_cupy()), wanted), requires_grad)


def kind_of(value: object) -> np.dtype | None:
    """The type that a Python number has without a dtype; None for the default floating point."""
    return np.dtype(bool) if isinstance(value, bool) else np.dtype(np.int64) if isinstance(value, int) else None


def number(op: str, name: str, value: Any) -> Any:
    """A bool, an int or a float, also from a Tensor or an array of one element."""
    found = value.item() if hasattr(value, "item") and getattr(value, "size", 1) != 0 else value
    if not isinstance(found, (bool, int, float)):
        raise TypeError(f"{op}: {name} is {shown(value)}, expected a number")
    return found


def count_of(op: str, name: str, value: object) -> int:
    """A number of elements. ValueError for one below 0."""
    count = as_int(op, name, value)
    if count < 0:
        raise ValueError(f"{op}: {name} is {count}, expected at least 0")
    return count


def dtype_of(out: Operand | None) -> np.dtype | None:
    """The dtype of `out`, which the values take where no other is given."""
    return None if out is None else data_of(out).dtype
