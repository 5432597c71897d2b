"""The methods of Tensor that pick, place and multiply, each one call of the op of the same name in ``gpunn.ops``.

Tensor alone inherits from IndexMethods, so that ``self`` is one.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gpunn
from gpunn.engine.operators import Operand, Value
from gpunn.engine.shape_methods import Sizes, sizes_of


class IndexMethods:
    """Elements by place, copies in other places, products."""

    __slots__ = ()

    # Places and masks

    def gather(self: gpunn.Tensor, dim: int, index: Operand) -> gpunn.Tensor:
        return gpunn.ops.gather(self, dim, index)

    def take(self: gpunn.Tensor, index: Operand) -> gpunn.Tensor:
        return gpunn.ops.take(self, index)

    def take_along_dim(self: gpunn.Tensor, indices: Operand, dim: int | None = None) -> gpunn.Tensor:
        return gpunn.ops.take_along_dim(self, indices, dim)

    def index_select(self: gpunn.Tensor, dim: int, index: Operand) -> gpunn.Tensor:
        return gpunn.ops.index_select(self, dim, index)

    def index_fill(self: gpunn.Tensor, dim: int, index: Operand, value: Value) -> gpunn.Tensor:
        return gpunn.ops.index_fill(self, dim, index, value)

    def index_add(self: gpunn.Tensor, dim: int, index: Operand, source: Operand, *, alpha: float = 1) -> gpunn.Tensor:
        return gpunn.ops.index_add(self, dim, index, source, alpha=alpha)

    def index_copy(self: gpunn.Tensor, dim: int, index: Operand, source: Operand) -> gpunn.Tensor:
        return gpunn.ops.index_copy(self, dim, index, source)

    def scatter(
        self: gpunn.Tensor,
        dim: int,
        index: Operand,
        src: Value | None = None,
        *,
        value: float | None = None,
        reduce: str | None = None,
    ) -> gpunn.Tensor:
        return gpunn.ops.scatter(self, dim, index, src, value=value, reduce=reduce)

    def scatter_add(self: gpunn.Tensor, dim: int, index: Operand, src: Operand) -> gpunn.Tensor:
        return gpunn.ops.scatter_add(self, dim, index, src)

    def masked_fill(self: gpunn.Tensor, mask: Operand, value: Value) -> gpunn.Tensor:
        return gpunn.ops.masked_fill(self, mask, value)

    def masked_select(self: gpunn.Tensor, mask: Operand) -> gpunn.Tensor:
        return gpunn.ops.masked_select(self, mask)

    def nonzero(self: gpunn.Tensor, *, as_tuple: bool = False) -> Any:
        return gpunn.ops.nonzero(self, as_tuple=as_tuple)

    def argwhere(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.argwhere(self)

    def where(self: gpunn.Tensor, condition: Operand, other: gpunn.Tensor | float) -> gpunn.Tensor:
        return gpunn.ops.where(condition, self, other)

    # Copies

    def flip(self: gpunn.Tensor, *dims: Sizes, **named: Sizes) -> gpunn.Tensor:
        return gpunn.ops.flip(self, sizes_of(dims, "flip", "dims", named))

    def fliplr(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.fliplr(self)

    def flipud(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.flipud(self)

    def rot90(self: gpunn.Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> gpunn.Tensor:
        return gpunn.ops.rot90(self, k, dims)

    def roll(self: gpunn.Tensor, shifts: Sizes, dims: Sizes | None = None) -> gpunn.Tensor:
        return gpunn.ops.roll(self, shifts, dims)

    def repeat(self: gpunn.Tensor, *repeats: Sizes, **named: Sizes) -> gpunn.Tensor:
        return gpunn.ops.repeat(self, sizes_of(repeats, "repeat", "repeats", named))

    def tile(self: gpunn.Tensor, *dims: Sizes, **named: Sizes) -> gpunn.Tensor:
        return gpunn.ops.tile(self, sizes_of(dims, "tile", "dims", named))

    def repeat_interleave(
        self: gpunn.Tensor, repeats: int | Operand, dim: int | None = None, *, output_size: int | None = None
    ) -> gpunn.Tensor:
        return gpunn.ops.repeat_interleave(self, repeats, dim, output_size=output_size)

    # Matrices

    def matmul(self: gpunn.Tensor, other: Value) -> gpunn.Tensor:
        return gpunn.ops.matmul(self, other)

    def mm(self: gpunn.Tensor, mat2: Operand) -> gpunn.Tensor:
        return gpunn.ops.mm(self, mat2)

    def bmm(self: gpunn.Tensor, mat2: Operand) -> gpunn.Tensor:
        return gpunn.ops.bmm(self, mat2)

    def mv(self: gpunn.Tensor, vec: Operand) -> gpunn.Tensor:
        return gpunn.ops.mv(self, vec)

    def dot(self: gpunn.Tensor, tensor: Operand) -> gpunn.Tensor:
        return gpunn.ops.dot(self, tensor)

    def outer(self: gpunn.Tensor, vec2: Operand) -> gpunn.Tensor:
        return gpunn.ops.outer(self, vec2)

    def kron(self: gpunn.Tensor, other: Operand) -> gpunn.Tensor:
        return gpunn.ops.kron(self, other)

    def addmm(self: gpunn.Tensor, mat1: Operand, mat2: Operand, *, beta: float = 1, alpha: float = 1) -> gpunn.Tensor:
        return gpunn.ops.addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    def addmv(self: gpunn.Tensor, mat: Operand, vec: Operand, *, beta: float = 1, alpha: float = 1) -> gpunn.Tensor:
        return gpunn.ops.addmv(self, mat, vec, beta=beta, alpha=alpha)

    def baddbmm(
        self: gpunn.Tensor, batch1: Operand, batch2: Operand, *, beta: float = 1, alpha: float = 1
    ) -> gpunn.Tensor:
        return gpunn.ops.baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    def tril(self: gpunn.Tensor, diagonal: int = 0) -> gpunn.Tensor:
        return gpunn.ops.tril(self, diagonal)

    def triu(self: gpunn.Tensor, diagonal: int = 0) -> gpunn.Tensor:
        return gpunn.ops.triu(self, diagonal)

    def diag(self: gpunn.Tensor, diagonal: int = 0) -> gpunn.Tensor:
        return gpunn.ops.diag(self, diagonal)

    def diag_embed(self: gpunn.Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> gpunn.Tensor:
        return gpunn.ops.diag_embed(self, offset, dim1, dim2)

    def trace(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.ops.trace(self)
