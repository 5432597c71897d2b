"""Tensors in the shape of another: filled, or drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike

from gpunn import backend
from gpunn.backend import Array, array_module, to_device
from gpunn.creation.arguments import Place, number
from gpunn.creation.drawn import floating, integers, sent, source_of
from gpunn.dtypes import as_dtype
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.memory_format import PRESERVE, laid_out
from gpunn.random import Generator


def _like(
    op: str, make: Callable[[ModuleType, Array, np.dtype], Array], x: Operand, dtype: DTypeLike | None, device: Place,
    requires_grad: bool, memory_format: str,
) -> Tensor:  # fmt: skip
    a = data_of(x)
    with backend.device_of(a):
        y = make(array_module(a), a, as_dtype(op, dtype, a.dtype))
    y = laid_out(op, y, memory_format)
    return Tensor(y if device is None else to_device(y, backend.device(device)), requires_grad)


def zeros_like(
    input: Operand, *, dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
    memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """Zeros of input's shape, dtype, device and order of axes, unless others are given.

    Examples:
        >>> gpunn.zeros_like(gpunn.tensor([1.0, 2.0]))
        Tensor([0., 0.])
    """
    return _like("zeros_like", lambda xp, a, kind: xp.zeros_like(a, kind), input, dtype, device, requires_grad,
                 memory_format)  # fmt: skip


def ones_like(
    input: Operand, *, dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
    memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """Ones of input's shape, dtype, device and order of axes, unless others are given.

    Examples:
        >>> gpunn.ones_like(gpunn.tensor([3, 4]))
        Tensor([1, 1], dtype=int64)
    """
    return _like("ones_like", lambda xp, a, kind: xp.ones_like(a, kind), input, dtype, device, requires_grad,
                 memory_format)  # fmt: skip


def empty_like(
    input: Operand, *, dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
    memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """Whatever memory holds, of input's shape, dtype, device and order of axes, unless others are given.

    Examples:
        >>> gpunn.empty_like(gpunn.tensor([3, 4])).shape
        (2,)
    """
    return _like("empty_like", lambda xp, a, kind: xp.empty_like(a, kind), input, dtype, device, requires_grad,
                 memory_format)  # fmt: skip


def full_like(
    input: Operand, fill_value: float | Tensor, *, dtype: DTypeLike | None = None, device: Place = None,
    requires_grad: bool = False, memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """One number in input's shape, dtype, device and order of axes, unless others are given.

    Examples:
        >>> gpunn.full_like(gpunn.tensor([1.0, 2.0]), 0.5)
        Tensor([0.5, 0.5])
    """
    value = number("full_like", "fill_value", fill_value)
    return _like("full_like", lambda xp, a, kind: xp.full_like(a, value, kind), input, dtype, device, requires_grad,
                 memory_format)  # fmt: skip


def _drawn_like(
    op: str, draw: Callable[[tuple[int, ...], np.dtype], np.ndarray], x: Operand, dtype: DTypeLike | None,
    device: Place, requires_grad: bool, memory_format: str,
) -> Tensor:  # fmt: skip
    a = data_of(x)
    kind = as_dtype(op, dtype, a.dtype)
    place = backend.device_of(a) if device is None else device
    return sent(op, lambda: draw(a.shape, kind), a.shape, kind, place, requires_grad, memory_format=memory_format)


def rand_like(
    input: Operand, *, generator: Generator | None = None, dtype: DTypeLike | None = None, device: Place = None,
    requires_grad: bool = False, memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """Uniform on [0, 1), in input's shape, dtype and device unless others are given.

    Examples:
        >>> gpunn.rand_like(gpunn.zeros(2, 3)).shape
        (2, 3)
    """
    source = source_of("rand_like", generator)
    return _drawn_like("rand_like", lambda shape, kind: source.uniform(shape, dtype=floating("rand_like", kind)),
                       input, dtype, device, requires_grad, memory_format)  # fmt: skip


def randn_like(
    input: Operand, *, generator: Generator | None = None, dtype: DTypeLike | None = None, device: Place = None,
    requires_grad: bool = False, memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """Normally distributed, in input's shape, dtype and device unless others are given.

    Examples:
        >>> gpunn.randn_like(gpunn.zeros(2, 3)).shape
        (2, 3)
    """
    source = source_of("randn_like", generator)
    return _drawn_like("randn_like", lambda shape, kind: source.normal(shape, dtype=floating("randn_like", kind)),
                       input, dtype, device, requires_grad, memory_format)  # fmt: skip


def randint_like(
    input: Operand, low: int, high: int | None = None, *, generator: Generator | None = None,
    dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False, memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """Whole numbers from low (0 where high is left out) to below high, in input's shape, dtype and device.

    Examples:
        >>> gpunn.randint_like(gpunn.zeros(2), 1, 2)
        Tensor([1., 1.])
    """
    first, end = (0, low) if high is None else (low, high)
    return _drawn_like("randint_like", lambda shape, kind: integers("randint_like", first, end, shape, kind, generator),
                 input, dtype, device, requires_grad, memory_format)  # fmt: skip
