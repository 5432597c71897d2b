"""Tensors of one number everywhere, and of the numbers of a range or a diagonal."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array
from gpunn.creation.arguments import Place, Sizes, as_shape, count_of, dtype_of, kind_of, made, number
from gpunn.dtypes import as_dtype
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.memory_format import laid_out
from gpunn.scalars import as_int, as_number


def zeros(
    *shape: Sizes, size: Sizes | None = None, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros.

    Examples:
        >>> gpunn.zeros(2, 3, dtype=gpunn.int64)
        Tensor([[0, 0, 0],
                [0, 0, 0]], dtype=int64)
    """
    sizes, kind = as_shape("zeros", shape, size), as_dtype("zeros", dtype, dtype_of(out))
    return made("zeros", lambda xp: xp.zeros(sizes, kind), device, requires_grad, out)


def ones(
    *shape: Sizes, size: Sizes | None = None, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones.

    Examples:
        >>> gpunn.ones(2, requires_grad=True)
        Tensor([1., 1.], requires_grad=True)
    """
    sizes, kind = as_shape("ones", shape, size), as_dtype("ones", dtype, dtype_of(out))
    return made("ones", lambda xp: xp.ones(sizes, kind), device, requires_grad, out)


def empty(
    *shape: Sizes, size: Sizes | None = None, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False, memory_format: str = "contiguous_format",
) -> Tensor:  # fmt: skip
    """A Tensor whose values are whatever memory holds.

    Examples:
        >>> gpunn.empty(2, 3).shape
        (2, 3)
    """
    sizes, kind = as_shape("empty", shape, size), as_dtype("empty", dtype, dtype_of(out))
    return made("empty", lambda xp: laid_out("empty", xp.empty(sizes, kind), memory_format), device, requires_grad, out)


def full(
    size: Sizes, fill_value: float | Tensor, *, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """One number everywhere; without a `dtype` a bool makes bool, an int int64, a float the default type.

    Examples:
        >>> gpunn.full((2,), 0.5)
        Tensor([0.5, 0.5])
    """
    value = number("full", "fill_value", fill_value)
    sizes, kind = as_shape("full", (size,)), as_dtype("full", dtype, dtype_of(out) or kind_of(value))
    return made("full", lambda xp: xp.full(sizes, value, kind), device, requires_grad, out)


def arange(
    start: float = 0, end: float | None = None, step: float = 1, *, out: Operand | None = None,
    dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """From start in steps to below end; one number alone is the end. Ints are int64, else of the default type.

    Raises:
        ValueError: step is 0, or leads away from end.

    Examples:
        >>> gpunn.arange(3), gpunn.arange(1, 2, 0.5)
        (Tensor([0, 1, 2], dtype=int64), Tensor([1. , 1.5]))
    """
    first, last = (0, start) if end is None else (start, end)
    first, last, by = (number("arange", n, v) for n, v in (("start", first), ("end", last), ("step", step)))
    if by == 0 or (last - first) * by < 0 or not math.isfinite(first + last + by):
        raise ValueError(
            f"arange: start is {first}, end {last} and step {by}, expected finite ones and a step that leads to end"
        )
    kind = as_dtype("arange", dtype, dtype_of(out) or kind_of(first + last + by + 0))
    wide = np.int64 if isinstance(first + last + by, int) else np.float64
    return made("arange", lambda xp: xp.arange(first, last, by, dtype=wide).astype(kind), device, requires_grad, out)


def linspace(
    start: float, end: float, steps: int, *, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """So many numbers at equal distances from start to end, both of which are among them.

    Examples:
        >>> gpunn.linspace(0, 1, 5)
        Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    kind = as_dtype("linspace", dtype, dtype_of(out))
    first, last = number("linspace", "start", start), number("linspace", "end", end)
    count = count_of("linspace", "steps", steps)
    return made("linspace", lambda xp: xp.linspace(first, last, count).astype(kind), device, requires_grad, out)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, out: Operand | None = None,
    dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Powers of base, the exponents as of linspace.

    Examples:
        >>> gpunn.logspace(0, 2, 3)
        Tensor([  1.,  10., 100.])
    """
    kind = as_dtype("logspace", dtype, dtype_of(out))
    first, last = number("logspace", "start", start), number("logspace", "end", end)
    count, of = count_of("logspace", "steps", steps), as_number("logspace", "base", base)

    def make(xp: ModuleType) -> Array:
        return (of ** xp.linspace(first, last, count)).astype(kind)

    return made("logspace", make, device, requires_grad, out)


def eye(
    n: int, m: int | None = None, *, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of n rows and m columns (n where left out), zeros elsewhere.

    Examples:
        >>> gpunn.eye(2)
        Tensor([[1., 0.],
                [0., 1.]])
    """
    rows, columns = as_shape("eye", (n, n if m is None else m))
    kind = as_dtype("eye", dtype, dtype_of(out))
    return made("eye", lambda xp: xp.eye(rows, columns, dtype=kind), device, requires_grad, out)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DTypeLike | None = None, device: Place = None
) -> Tensor:
    """Rows and columns, (2, n), of the places on and below a diagonal: of what `tril` keeps.

    Examples:
        >>> gpunn.tril_indices(2, 2)
        Tensor([[0, 1, 1],
                [0, 0, 1]], dtype=int64)
    """
    return _places("tril_indices", row, col, offset, dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DTypeLike | None = None, device: Place = None
) -> Tensor:
    """Rows and columns, (2, n), of the places on and above a diagonal: of what `triu` keeps.

    Examples:
        >>> gpunn.triu_indices(2, 2, offset=1)
        Tensor([[0],
                [1]], dtype=int64)
    """
    return _places("triu_indices", row, col, offset, dtype, device)


def _places(op: str, row: int, col: int, offset: int, dtype: DTypeLike | None, device: Place) -> Tensor:
    (rows, columns), k = as_shape(op, (row, col)), as_int(op, "offset", offset)
    kind = as_dtype(op, dtype, np.int64)
    find = np.tril_indices if op == "tril_indices" else np.triu_indices
    return made(op, lambda _: np.stack(find(rows, k, columns)).astype(kind), device)
