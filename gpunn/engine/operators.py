"""The operators and methods of Tensor, each one call of the op of the same name in ``gpunn.ops``; what ops take.

Tensor alone inherits from Operators, so that ``self`` is one: pyright would ask for a protocol.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

# The package, not its ops: those import Tensor, which stands on this class.
import gpunn
from gpunn.backend import Array, to_numpy

Operand: TypeAlias = "gpunn.Tensor | Array"
A = TypeVar("A", bound="gpunn.Tensor | Array")  # what an op takes and gives: Tensors make a Tensor, arrays an array
Plain: TypeAlias = Array | np.generic | float | Sequence[Any]  # what has no gradient: numbers and lists, too
Value: TypeAlias = "gpunn.Tensor | Plain"
Named: TypeAlias = Any  # what comes under another of its names: dim for axis, keepdim for keepdims
Axis: TypeAlias = int | tuple[int, ...] | list[int] | None  # None: all of them


class Operators:
    """Python's operators, and ops as methods."""

    __slots__ = ()
    array: Array

    def item(self) -> bool | int | float:
        """The one element as a Python number."""
        if self.array.size != 1:
            raise ValueError(f"item: got shape {self.array.shape}, expected one element; index or reduce it first")
        return to_numpy(self.array).item()

    # Arithmetic

    def __add__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.add(self, other)

    def __radd__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.add(other, self)

    def __sub__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.sub(self, other)

    def __rsub__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.sub(other, self)

    def __mul__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.mul(self, other)

    def __rmul__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.mul(other, self)

    def __truediv__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.div(self, other)

    def __rtruediv__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.div(other, self)

    def __floordiv__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.floor_divide(self, other)

    def __rfloordiv__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.floor_divide(other, self)

    def __mod__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.remainder(self, other)

    def __rmod__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.remainder(other, self)

    def __pow__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.pow(self, other)

    def __rpow__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.pow(other, self)

    def __matmul__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.matmul(self, other)

    def __rmatmul__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.matmul(other, self)

    def __neg__(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.neg(self)

    def __abs__(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.abs(self)

    # Bit by bit, of bool as logic

    def __and__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_and(self, other)

    def __rand__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_and(other, self)

    def __or__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_or(self, other)

    def __ror__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_or(other, self)

    def __xor__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_xor(self, other)

    def __rxor__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.bitwise_xor(other, self)

    def __invert__(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.bitwise_not(self)

    # Comparison: elementwise, as a bool Tensor without a gradient

    def __eq__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.equal(self, other)

    def __ne__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.not_equal(self, other)

    def __lt__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.less(self, other)

    def __le__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.less_equal(self, other)

    def __gt__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.greater(self, other)

    def __ge__(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.greater_equal(self, other)

    # By identity, so that parameters can be in sets and be keys.
    __hash__ = object.__hash__

    # As a Python object

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a Tensor without dimensions; use .item() for its value")
        return self.array.shape[0]

    def __getitem__(self: gpunn.Tensor, index: Any) -> gpunn.Tensor:
        part = gpunn.ops.getitem(self, index)
        if part._alias is not None:
            part._origin = self, index  # so that x[index] += y changes x
        return part

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ValueError(
                f"the truth of a Tensor of shape {self.array.shape} is ambiguous; expected one element: "
                "reduce it first, for example with (a == b).numpy().all()"
            )
        return bool(to_numpy(self.array))

    def is_nonzero(self: gpunn.Tensor) -> bool:
        """Whether the one element is other than 0, for which the host waits. ValueError for several."""
        return gpunn.is_nonzero(self)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        if spec and self.array.size != 1:
            raise TypeError(
                f"format: got a Tensor of shape {self.array.shape} and {spec!r}, expected one element; index or reduce "
                "it first, or leave the format out"
            )
        return format(self.item(), spec) if spec else str(self)
