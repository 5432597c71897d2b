"""The methods of Tensor that ask for its shape or change it, each one call of the op of the same name in ``gpunn.ops``.

Tensor alone inherits from ShapeMethods, so that ``self`` is one.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

import numpy as np

import gpunn
from gpunn.engine.operators import Axis, Value
from gpunn.layout import order_of

Sizes = int | Sequence[int]
_NONE: Mapping[str, Sizes] = MappingProxyType({})


class Size(int):
    """The number of elements, NumPy's ``x.size``; called, PyTorch's: ``x.size()`` the shape, ``x.size(0)`` of one."""

    shape: tuple[int, ...]

    @overload
    def __call__(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def __call__(self, dim: int) -> int: ...
    def __call__(self, dim: int | None = None) -> int | tuple[int, ...]:
        return self.shape if dim is None else _of_dim("size", self.shape, self.shape, dim)


class ShapeMethods:
    """Sizes, shapes, orders and parts."""

    __slots__ = ()

    # What it is

    @property
    def size(self: gpunn.Tensor) -> Size:
        """The number of elements; called, the shape, or the size of one dimension."""
        size = Size(self.array.size)
        size.shape = self.shape
        return size

    def numel(self: gpunn.Tensor) -> int:
        return int(self.size)

    nelement = numel

    def dim(self: gpunn.Tensor) -> int:
        return self.ndim

    ndimension = dim

    def element_size(self: gpunn.Tensor) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def itemsize(self: gpunn.Tensor) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self: gpunn.Tensor) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    @overload
    def stride(self: gpunn.Tensor, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self: gpunn.Tensor, dim: int) -> int: ...
    def stride(self: gpunn.Tensor, dim: int | None = None) -> int | tuple[int, ...]:
        """Elements in memory from one place of a dimension to the next."""
        strides = tuple([n // self.dtype.itemsize for n in self.array.strides])
        return strides if dim is None else _of_dim("stride", strides, self.shape, dim)

    def is_contiguous(self: gpunn.Tensor, memory_format: object = "contiguous_format") -> bool:
        """Whether it lies in memory row by row, or in the order that is named."""
        array = self.array
        order = order_of("is_contiguous", self.shape, memory_format)
        return array.transpose(order).flags.c_contiguous

    def contiguous(self: gpunn.Tensor, memory_format: object = "contiguous_format") -> gpunn.Tensor:
        """Itself where it lies in memory row by row, or in the order that is named; else a copy that does."""
        return self if self.is_contiguous(memory_format) else gpunn.ops.contiguous(self, memory_format)

    def __iter__(self: gpunn.Tensor) -> Iterator[gpunn.Tensor]:
        len(self)  # which says what is wrong with a number
        return iter(gpunn.ops.unbind(self))

    def __contains__(self: gpunn.Tensor, value: Value) -> bool:
        return bool((self == value).numpy().any())

    def __index__(self: gpunn.Tensor) -> int:
        if self.dtype.kind not in "biu":
            raise TypeError(f"index: got a Tensor of {self.dtype}, expected integers; convert it with int(x)")
        return int(self.item())

    # Shapes

    def view(self: gpunn.Tensor, *shape: Sizes | np.dtype | type | str) -> gpunn.Tensor:
        if len(shape) == 1 and isinstance(shape[0], np.dtype | type | str):
            raise TypeError(
                f"view: got {shape[0]!r}, expected sizes: memory is not read as another dtype; convert the values with "
                "x.to(dtype), or take x.detach().numpy().view(dtype)"
            )
        return gpunn.ops.view(self, sizes_of(shape))  # pyright: ignore[reportArgumentType]: sizes, as asked above

    def view_as(self: gpunn.Tensor, other: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.view(self, other.shape)

    def reshape(self: gpunn.Tensor, *shape: Sizes, **named: Sizes) -> gpunn.Tensor:
        return gpunn.ops.reshape(self, sizes_of(shape, "reshape", "shape", named))

    def reshape_as(self: gpunn.Tensor, other: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.reshape(self, other.shape)

    def flatten(self: gpunn.Tensor, start_dim: int = 0, end_dim: int = -1) -> gpunn.Tensor:
        return gpunn.ops.flatten(self, start_dim, end_dim)

    def ravel(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.reshape(self, (-1,)) if self.size else gpunn.ops.reshape(self, (0,))

    def unflatten(self: gpunn.Tensor, dim: int, sizes: Sequence[int]) -> gpunn.Tensor:
        return gpunn.ops.unflatten(self, dim, sizes)

    def squeeze(self: gpunn.Tensor, axis: Axis = None, *, dim: Axis = None) -> gpunn.Tensor:
        return gpunn.ops.squeeze(self, axis, dim=dim)

    def unsqueeze(self: gpunn.Tensor, axis: int | None = None, *, dim: int | None = None) -> gpunn.Tensor:
        return gpunn.ops.unsqueeze(self, axis, dim=dim)

    def broadcast_to(self: gpunn.Tensor, shape: Sequence[int]) -> gpunn.Tensor:
        return gpunn.ops.broadcast_to(self, shape)

    def expand(self: gpunn.Tensor, *sizes: Sizes, **named: Sizes) -> gpunn.Tensor:
        return gpunn.ops.expand(self, sizes_of(sizes, "expand", "size", named))

    def expand_as(self: gpunn.Tensor, other: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.expand(self, other.shape)

    # Orders

    def transpose(self: gpunn.Tensor, *axes: Sizes, **dims: int) -> gpunn.Tensor:
        return gpunn.ops.transpose(self, *axes, **dims)

    def permute(self: gpunn.Tensor, *dims: Sizes, **named: Sizes) -> gpunn.Tensor:
        return gpunn.ops.permute(self, sizes_of(dims, "permute", "dims", named))

    def t(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.t(self)

    @property
    def T(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.transpose(self)

    def movedim(self: gpunn.Tensor, source: Sizes, destination: Sizes) -> gpunn.Tensor:
        return gpunn.ops.movedim(self, source, destination)

    moveaxis = movedim

    def swapaxes(self: gpunn.Tensor, axis0: int, axis1: int) -> gpunn.Tensor:
        return gpunn.ops.transpose(self, axis0, axis1)

    def swapdims(self: gpunn.Tensor, dim0: int, dim1: int) -> gpunn.Tensor:
        return gpunn.ops.transpose(self, dim0, dim1)

    # Parts

    def narrow(self: gpunn.Tensor, dim: int, start: int, length: int) -> gpunn.Tensor:
        return gpunn.ops.narrow(self, dim, start, length)

    def select(self: gpunn.Tensor, dim: int, index: int) -> gpunn.Tensor:
        return gpunn.ops.select(self, dim, index)

    def split(self: gpunn.Tensor, split_size: Sizes, dim: int = 0) -> tuple[gpunn.Tensor, ...]:
        return gpunn.ops.split(self, split_size, dim)

    def chunk(self: gpunn.Tensor, chunks: int, dim: int = 0) -> tuple[gpunn.Tensor, ...]:
        return gpunn.ops.chunk(self, chunks, dim)

    def tensor_split(self: gpunn.Tensor, indices_or_sections: Sizes, dim: int = 0) -> tuple[gpunn.Tensor, ...]:
        return gpunn.ops.tensor_split(self, indices_or_sections, dim)

    def unbind(self: gpunn.Tensor, dim: int = 0) -> tuple[gpunn.Tensor, ...]:
        return gpunn.ops.unbind(self, dim)

    def unfold(self: gpunn.Tensor, dimension: int, size: int, step: int) -> gpunn.Tensor:
        """Windows of `size` places every `step` along a dimension, their places a new last dimension."""
        return gpunn.ops.windows_along(self, dimension, size, step)

    def diagonal(self: gpunn.Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> gpunn.Tensor:
        return gpunn.ops.diagonal(self, offset, dim1, dim2)


def sizes_of(given: tuple[Sizes, ...], name: str = "", key: str = "", named: Mapping[str, Sizes] = _NONE) -> Any:
    """(2, 3) from the arguments of f(2, 3) as from those of f((2, 3)) and, where `key` is sizes, of f(sizes=(2, 3))."""
    if named:
        if given or list(named) != [key]:
            raise TypeError(
                f"{name}: got {', '.join(named)} by name, expected {key}, by place or by name; pass it once"
            )
        return named[key]
    return given[0] if len(given) == 1 and not isinstance(given[0], int) else given


def _of_dim(name: str, values: tuple[int, ...], shape: tuple[int, ...], dim: int) -> int:
    """The value of one dimension."""
    if not -len(values) <= dim < len(values):
        raise IndexError(f"{name}: dim {dim} does not fit shape {shape}; expected {-len(values)} to {len(values) - 1}")
    return values[dim]
