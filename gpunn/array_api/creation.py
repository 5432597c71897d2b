"""Tensors from nothing, from other libraries' arrays, and in another type, with the array API standard's arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Device, array_module, is_array, to_device
from gpunn.backend import asarray as array_of
from gpunn.backend import default_device as default
from gpunn.backend.memory import overlap
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of, refuse_lost_gradients
from gpunn.ops.precision import rounded

Place = str | Device | None
Shape = int | tuple[int, ...]


def asarray(obj: Any, /, *, dtype: DTypeLike | None = None, device: Place = None, copy: bool | None = None) -> Tensor:
    """A Tensor of an array, a number, a nested list or another library's array; of a Tensor with its history.

    `copy` True makes a copy, None where one is needed, and False refuses that: ValueError.

    Examples:
        >>> gpunn.array_api.asarray([[1, 2]], dtype=gpunn.array_api.float32)
        Tensor([[1., 2.]])
    """
    if isinstance(obj, Tensor):
        x = obj if device is None else obj.to(device)
        x = x if dtype is None else astype(x, dtype, copy=False)
    else:
        refuse_lost_gradients(obj)
        x = Tensor(array_of(obj, None if dtype is None else np.dtype(dtype), device))
    own = obj.array if isinstance(obj, Tensor) else obj
    kept = overlap(own, x.array) if is_array(own) and type(own) is type(x.array) else hasattr(own, "__dlpack__")
    if copy is False and not kept:
        raise ValueError(f"asarray: copy is False, but a {type(obj).__name__} takes one here; leave copy out")
    return astype(x, x.dtype) if copy and kept else x


def from_dlpack(x: Any, /, *, device: Place = None, copy: bool | None = None) -> Tensor:
    """A Tensor over the memory of another library's array.

    Examples:
        >>> gpunn.array_api.from_dlpack(np.array([1.0, 2.0], np.float32))
        Tensor([1., 2.])
    """
    return asarray(x, device=device, copy=copy)


def astype(x: A, dtype: DTypeLike, /, *, copy: bool = True, device: Place = None) -> A:
    """x in another type; without `copy` x itself where it has that type. Gradients come back in x's.

    Examples:
        >>> gpunn.array_api.astype(Tensor([1.5, -2.0]), gpunn.array_api.int64)
        Tensor([ 1, -2], dtype=int64)
    """
    wanted, a = np.dtype(dtype), data_of(x)
    if a.dtype == wanted:
        y: Any = record("astype", a.copy(order="K"), (x,), lambda gy, needs: (gy,)) if copy else x
    elif isinstance(x, Tensor):
        y = x.to(wanted)
    else:
        y = rounded(a, wanted) if wanted.kind in "fV" else a.astype(wanted)
    if device is None:
        return y
    return y.to(device) if isinstance(y, Tensor) else to_device(y, device)  # pyright: ignore[reportReturnType]


def _made(a: np.ndarray, device: Place) -> Tensor:
    return Tensor(to_device(a, default() if device is None else device))


def _filled(shape: Shape, value: float, dtype: DTypeLike | None, device: Place) -> Tensor:
    return _made(np.full(shape, value, np.dtype(np.float32 if dtype is None else dtype)), device)


def zeros(shape: Shape, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """Zeros, of float32 unless `dtype` says another.

    Examples:
        >>> gpunn.array_api.zeros(2)
        Tensor([0., 0.])
    """
    return _filled(shape, 0, dtype, device)


def ones(shape: Shape, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """Ones, of float32 unless `dtype` says another.

    Examples:
        >>> gpunn.array_api.ones((1, 2), dtype="int64")
        Tensor([[1, 1]], dtype=int64)
    """
    return _filled(shape, 1, dtype, device)


def empty(shape: Shape, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """A Tensor whose values are whatever memory holds.

    Examples:
        >>> gpunn.array_api.empty((2, 3)).shape
        (2, 3)
    """
    return _made(np.empty(shape, np.dtype(np.float32 if dtype is None else dtype)), device)


def full(shape: Shape, fill_value: float, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """One number everywhere, which without a `dtype` is bool, int64 or float32.

    Examples:
        >>> gpunn.array_api.full(2, 7)
        Tensor([7, 7], dtype=int64)
    """
    return _filled(shape, fill_value, _kind(fill_value) if dtype is None else dtype, device)


def _kind(*numbers: Any) -> np.dtype:
    """The default type of Python's numbers together."""
    kind = np.result_type(*[np.asarray(number).dtype for number in numbers]).kind
    return np.dtype({"b": "bool", "i": "int64"}.get(kind, "float32"))


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: DTypeLike | None = None, device: Place = None
) -> Tensor:
    """From start in steps to below stop; one number alone is the stop. Integers are int64, else float32.

    Examples:
        >>> gpunn.array_api.arange(3)
        Tensor([0, 1, 2], dtype=int64)
    """
    first, last = (0, start) if stop is None else (start, stop)
    return _made(np.arange(first, last, step).astype(dtype or _kind(first, last, step)), device)


def linspace(
    start: float, stop: float, /, num: int, *, dtype: DTypeLike | None = None, device: Place = None,
    endpoint: bool = True,
) -> Tensor:  # fmt: skip
    """`num` numbers at equal distances from start to stop, which is the last, or with endpoint False the next.

    Examples:
        >>> gpunn.array_api.linspace(0, 1, 5)
        Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return _made(np.linspace(start, stop, num, endpoint).astype(dtype or np.float32), device)


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DTypeLike | None = None, device: Place = None
) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere.

    Examples:
        >>> gpunn.array_api.eye(2)
        Tensor([[1., 0.],
                [0., 1.]])
    """
    return _made(np.eye(n_rows, n_cols, k, dtype=np.dtype(dtype or np.float32)), device)


def _like(make: Callable[..., Any], x: Operand, dtype: DTypeLike | None, device: Place) -> Tensor:
    a = data_of(x)
    y = make(array_module(a), a, a.dtype if dtype is None else np.dtype(dtype))
    return Tensor(y if device is None else to_device(y, device))


def zeros_like(x: Operand, /, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """Zeros of x's shape, and of its type and device unless others are given.

    Examples:
        >>> gpunn.array_api.zeros_like(Tensor([1.0, 2.0]))
        Tensor([0., 0.])
    """
    return _like(lambda xp, a, kind: xp.zeros_like(a, kind), x, dtype, device)


def ones_like(x: Operand, /, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """Ones of x's shape, and of its type and device unless others are given.

    Examples:
        >>> gpunn.array_api.ones_like(Tensor([3, 4]))
        Tensor([1, 1], dtype=int64)
    """
    return _like(lambda xp, a, kind: xp.ones_like(a, kind), x, dtype, device)


def empty_like(x: Operand, /, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """A Tensor of x's shape, type and device unless others are given, whose values are whatever memory holds.

    Examples:
        >>> gpunn.array_api.empty_like(Tensor([3, 4])).shape
        (2,)
    """
    return _like(lambda xp, a, kind: xp.empty_like(a, kind), x, dtype, device)


def full_like(x: Operand, /, fill_value: float, *, dtype: DTypeLike | None = None, device: Place = None) -> Tensor:
    """One number in x's shape, and of its type and device unless others are given.

    Examples:
        >>> gpunn.array_api.full_like(Tensor([1.0, 2.0]), 0.5)
        Tensor([0.5, 0.5])
    """
    return _like(lambda xp, a, kind: xp.full_like(a, fill_value, kind), x, dtype, device)
