"""Random Tensors from the stream of gpunn.random or a Generator: the host draws, and the numbers go to `device`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from gpunn import random
from gpunn.backend import capture
from gpunn.creation.arguments import Place, Sizes, as_shape, dtype_of, made
from gpunn.dtypes import as_dtype
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.memory_format import PRESERVE, laid_out
from gpunn.random import Generator
from gpunn.scalars import as_int


class _Draws(Protocol):
    """What gpunn.random's own stream and a Generator have in common."""

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float32) -> np.ndarray: ...
    def normal(self, shape: Any, mean: float = 0.0, std: float = 1.0, dtype: DTypeLike = np.float32) -> np.ndarray: ...
    def random_uint32(self, shape: Any) -> np.ndarray: ...
    def permutation(self, n: int) -> np.ndarray: ...


def source_of(op: str, generator: Generator | None) -> _Draws:
    """The stream to draw from: gpunn.random's own where no Generator is given."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(f"{op}: generator is a {type(generator).__name__}, expected a gpunn.Generator or None")
    return random if generator is None else generator  # type: ignore[return-value]


def floating(op: str, dtype: DTypeLike | None, like: np.dtype | None = None) -> np.dtype:
    """`as_dtype`, which must be floating point."""
    kind = as_dtype(op, dtype, like)
    if kind.kind not in "fV":
        raise TypeError(f"{op}: dtype is {kind.name}, expected floating point; use randint for integers")
    return kind


def sent(
    op: str, draw: Callable[[], np.ndarray], shape: tuple[int, ...], kind: np.dtype, device: Place,
    requires_grad: bool = False, out: Operand | None = None, memory_format: str = PRESERVE,
) -> Tensor:  # fmt: skip
    """The numbers of this shape and type that draw() gives, on a device; each replay of a graph has new ones."""
    fed = capture.fed(draw, kind, shape)
    values = laid_out(op, draw() if fed is None else fed, memory_format)
    return made(op, lambda _: values, device, requires_grad, out)


def rand(
    *shape: Sizes, size: Sizes | None = None, generator: Generator | None = None, out: Operand | None = None,
    dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform on [0, 1).

    Examples:
        >>> x = gpunn.rand(2, 3)
        >>> x.shape, bool((x < 1).all())
        ((2, 3), True)
    """
    sizes, kind = as_shape("rand", shape, size), floating("rand", dtype, dtype_of(out))
    source = source_of("rand", generator)
    return sent("rand", lambda: source.uniform(sizes, dtype=kind), sizes, kind, device, requires_grad, out)


def randn(
    *shape: Sizes, size: Sizes | None = None, generator: Generator | None = None, out: Operand | None = None,
    dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normally distributed, of mean 0 and variance 1.

    Examples:
        >>> gpunn.randn(2, 3, requires_grad=True).requires_grad
        True
    """
    sizes, kind = as_shape("randn", shape, size), floating("randn", dtype, dtype_of(out))
    source = source_of("randn", generator)
    return sent("randn", lambda: source.normal(sizes, dtype=kind), sizes, kind, device, requires_grad, out)


def randint(
    low: int, high: int | Sizes | None = None, size: Sizes | None = None, *, generator: Generator | None = None,
    out: Operand | None = None, dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Whole numbers from low to high - 1, each as likely; `randint(high, size)` starts from 0.

    Raises:
        ValueError: high is not above low, or dtype cannot hold them.

    Examples:
        >>> x = gpunn.randint(0, 10, (3,))
        >>> x.dtype, bool(((x >= 0) & (x < 10)).all())
        (dtype('int64'), True)
    """
    if size is None:
        low, high, size = 0, low, high  # type: ignore[assignment]
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint: size is missing; pass a tuple of lengths, for example randint(10, (3,))")
    sizes, kind = as_shape("randint", (size,)), as_dtype("randint", dtype, dtype_of(out) or np.int64)
    draw = partial(integers, "randint", low, high, sizes, kind, generator)
    return sent("randint", draw, sizes, kind, device, requires_grad, out)


def integers(
    op: str, low: object, high: object, shape: tuple[int, ...], kind: np.dtype, generator: Generator | None = None
) -> np.ndarray:
    """Uniform whole numbers on [low, high) as a NumPy array. ValueError where there are none, or `kind` lacks them."""
    first, end = as_int(op, "low", low), as_int(op, "high", high)
    least, most = _limits(kind)
    if first >= end:
        raise ValueError(f"{op}: low is {first} and high is {end}, expected low < high")
    if first < least or end - 1 > most:
        raise ValueError(f"{op}: low is {first} and high is {end}, but {kind.name} holds {least} to {most}; pass dtype")
    words = source_of(op, generator).random_uint32((*shape, 2)).astype(np.uint64)
    wide = (words[..., 0] << np.uint64(32)) | words[..., 1]  # of 64 bits the remainder favours none by 2**-32
    return ((wide % np.uint64(end - first)).astype(np.int64) + first).astype(kind)


def _limits(kind: np.dtype) -> tuple[int, int]:
    """The whole numbers that a type holds, in floating point those without gaps."""
    if kind.kind == "b":
        return 0, 1
    if kind.kind in "iu":
        return int(np.iinfo(kind).min), min(int(np.iinfo(kind).max), 2**63 - 1)
    most = 2 ** {"float64": 53, "float32": 24, "float16": 11}.get(kind.name, 8)
    return -most, most


def randperm(
    n: int, *, generator: Generator | None = None, out: Operand | None = None, dtype: DTypeLike | None = None,
    device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The numbers 0 to n - 1 in random order.

    Examples:
        >>> sorted(gpunn.randperm(4).tolist())
        [0, 1, 2, 3]
    """
    (count,) = as_shape("randperm", (n,))
    kind = as_dtype("randperm", dtype, dtype_of(out) or np.int64)
    if count - 1 > _limits(kind)[1]:
        raise ValueError(f"randperm: n is {count}, which {kind.name} does not hold; pass dtype='int64'")
    source = source_of("randperm", generator)
    return sent("randperm", lambda: source.permutation(count).astype(kind), (count,), kind, device, requires_grad, out)
