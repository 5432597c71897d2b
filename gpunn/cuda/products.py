"""The shapes of matrix products, and how their operands lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gpunn.cuda.problem import Problem


class Side(NamedTuple):
    """How an operand of a product lies in memory, in elements from one to the next."""

    line: int  # row of a, column of b
    depth: int
    outer: int = 0  # batch, of which two axes are told apart
    inner: int = 0
    deep: bool = True  # whether neighbours in memory are neighbours of the depth


@dataclass(frozen=True)
class Product(Problem):
    """c (M, N) = a (M, K) b (K, N), G of them, the last axis of the batch of size ``inner``."""

    M: int
    N: int
    K: int
    G: int
    a: Side
    b: Side
    inner: int = 1
    ones: bool = False  # b has one more column, of ones
    activation: str | None = None
    precision: str = "fp32"  # "tf32" where float32 may be multiplied so

    @property
    def columns(self) -> int:
        """Columns of b, that of ones among them."""
        return self.N + self.ones


@dataclass(frozen=True)
class LinearBackward(Problem):
    """The gradients of y (M, N) = x (M, K) weight (N, K)^T + bias, G of the first two: products of one gy."""

    M: int
    N: int
    K: int
    G: int
    gx: Product | None
    gw: Product | None
    activation: str | None
    precision: str = "fp32"

    @property
    def products(self) -> tuple[Product, ...]:
        """Those that are wanted."""
        return tuple([one for one in (self.gx, self.gw) if one is not None])
