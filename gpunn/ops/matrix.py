"""Products of vectors and matrices of one rank each, as PyTorch names them; all by ``ops.matmul``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.arithmetic import add, matmul, mul
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast, narrowed, wide_on_cpu
from gpunn.ops.shape import broadcast_to, dim_of, permute, reshape, unsqueeze


@with_out
def mm(a: A, b: Operand, *, out: Array | None = None) -> A:
    """The product of two matrices, (M, K) and (K, N).

    >>> ops.mm([[1.0, 2.0]], [[3.0], [4.0]])
    array([[11.]], dtype=float32)
    """
    _check("mm", a, b, 2, 2)
    return matmul(a, b)


@with_out
def bmm(a: A, b: Operand, *, out: Array | None = None) -> A:
    """The products of two batches of matrices, (N, M, K) and (N, K, P).

    >>> ops.bmm(np.ones((4, 2, 3)), np.ones((4, 3, 5))).shape
    (4, 2, 5)
    """
    _check("bmm", a, b, 3, 3)
    return matmul(a, b)


@with_out
def mv(a: A, b: Operand, *, out: Array | None = None) -> A:
    """The product of a matrix (M, K) and a vector (K,).

    >>> ops.mv([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.], dtype=float32)
    """
    _check("mv", a, b, 2, 1)
    return matmul(a, b)


@with_out
def dot(a: A, b: Operand, *, out: Array | None = None) -> A:
    """The sum of the products of two vectors' elements.

    >>> ops.dot([1.0, 2.0], [3.0, 4.0])
    array(11., dtype=float32)
    """
    _check("dot", a, b, 1, 1)
    return matmul(a, b)


@with_out
def outer(a: A, b: Operand, *, out: Array | None = None) -> A:
    """Every product of an element of one vector (M,) and one of another (N,): (M, N).

    >>> ops.outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]], dtype=float32)
    """
    ranks = data_of(a).ndim, data_of(b).ndim
    if ranks != (1, 1):
        raise ValueError(f"outer: got shapes {data_of(a).shape} and {data_of(b).shape}, expected vectors; flatten them")
    return mul(unsqueeze(a, 1), b)


@with_out
def addmm(x: A, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1, out: Array | None = None) -> A:
    """The sum beta * x + alpha * (a @ b), of matrices; x is repeated to its shape. With beta 0 x is not looked at.

    >>> ops.addmm([1.0, 2.0], [[1.0, 2.0]], [[3.0, 0.0], [4.0, 1.0]], beta=10)
    array([[21., 22.]], dtype=float32)
    """
    _check("addmm", a, b, 2, 2)
    return _plus("addmm", x, a, b, beta, alpha)


@with_out
def addmv(x: A, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1, out: Array | None = None) -> A:
    """The sum beta * x + alpha * (a @ b), of a matrix and a vector. With beta 0 x is not looked at.

    >>> ops.addmv([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([4., 9.], dtype=float32)
    """
    _check("addmv", a, b, 2, 1)
    return _plus("addmv", x, a, b, beta, alpha)


@with_out
def baddbmm(x: A, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1, out: Array | None = None) -> A:
    """The sum beta * x + alpha * (a @ b), of batches of matrices. With beta 0 x is not looked at.

    >>> ops.baddbmm(np.ones(5), np.ones((4, 2, 3)), np.ones((4, 3, 5)))[0, 0]
    array([4., 4., 4., 4., 4.])
    """
    _check("baddbmm", a, b, 3, 3)
    return _plus("baddbmm", x, a, b, beta, alpha)


def _plus(name: str, x: Operand, a: Operand, b: Operand, beta: float, alpha: float) -> Any:
    (x, a, b), narrow = wide_on_cpu(*narrowed(x, a, b))
    product, given = matmul(a, b), data_of(x)
    shape, dtype = data_of(product).shape, data_of(product).dtype
    for what, factor in (("beta", beta), ("alpha", alpha)):
        if isinstance(factor, float) and dtype.kind in "iub":
            raise TypeError(f"{name}: {what} is {factor}, expected an int beside arrays of {dtype}; convert those")
    if given.dtype != dtype:
        raise TypeError(f"{name}: x is {given.dtype} but the product {dtype}, expected one dtype; convert x")
    try:
        fits = np.broadcast_shapes(given.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: x is {given.shape}, which does not broadcast to the product's {shape}; reshape it")
    y = product if alpha == 1 else mul(product, alpha)
    if beta == 0:  # a NaN of x is none of the sum, though its gradient is zeros
        xp, untouched = array_module(given), (given.shape, given.dtype)
        y = record(name, data_of(y), (y, x), lambda gy, needs: (gy, xp.zeros(*untouched) if needs[1] else None))
    else:
        y = add(broadcast_to(x if beta == 1 else mul(x, beta), shape), y)
    return y if narrow is None else cast(y, narrow)


@with_out
def tensordot(a: A, b: Operand, dims: int | Sequence[Sequence[int]] = 2, *, out: Array | None = None) -> A:
    """The sums of products over dimensions: so many of a's last and b's first, or those of two lists, pair by pair.

    >>> ops.tensordot(np.ones((3, 4, 5)), np.ones((4, 3, 2)), dims=([1, 0], [0, 1])).shape
    (5, 2)
    """
    u, v = data_of(a), data_of(b)
    if isinstance(dims, int):
        if not 0 <= dims <= min(u.ndim, v.ndim):
            raise ValueError(
                f"tensordot: dims is {dims} for shapes {u.shape} and {v.shape}; expected no more than either has"
            )
        dims = (range(u.ndim - dims, u.ndim), range(dims))
    pairs = [list(d) if isinstance(d, Iterable) else [d] for d in dims]
    if len(pairs) != 2 or len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"tensordot: dims is {dims}, expected two lists of as many dimensions")
    of_a, of_b = [dim_of("tensordot", u, d) for d in pairs[0]], [dim_of("tensordot", v, d) for d in pairs[1]]
    for i, j in zip(of_a, of_b, strict=True):  # 1 is repeated
        a = broadcast_to(a, (*u.shape[:i], v.shape[j], *u.shape[i + 1 :])) if u.shape[i] == 1 else a
        b = broadcast_to(b, (*v.shape[:j], u.shape[i], *v.shape[j + 1 :])) if v.shape[j] == 1 else b
        u, v = data_of(a), data_of(b)
    if [u.shape[d] for d in of_a] != [v.shape[d] for d in of_b] or len(set(of_a)) + len(set(of_b)) < 2 * len(of_a):
        raise ValueError(
            f"tensordot: dims {of_a} of {u.shape} and {of_b} of {v.shape} do not fit; expected different ones of "
            "equal sizes"
        )
    left, right = [d for d in range(u.ndim) if d not in of_a], [d for d in range(v.ndim) if d not in of_b]
    inner = math.prod([u.shape[d] for d in of_a])
    rows, columns = [u.shape[d] for d in left], [v.shape[d] for d in right]
    m = reshape(permute(a, left + of_a), (math.prod(rows), inner))
    n = reshape(permute(b, of_b + right), (inner, math.prod(columns)))
    return reshape(matmul(m, n), (*rows, *columns))


@with_out
def kron(a: A, b: Operand, *, out: Array | None = None) -> A:
    """The Kronecker product: each element of a times all of b.

    >>> ops.kron([[1.0, 2.0]], [[1.0], [10.0]])
    array([[ 1.,  2.],
           [10., 20.]], dtype=float32)
    """
    u, v = data_of(a), data_of(b)
    rank = max(u.ndim, v.ndim)
    of_a, of_b = [(1,) * (rank - w.ndim) + w.shape for w in (u, v)]
    left = reshape(a, [n for size in of_a for n in (size, 1)])
    right = reshape(b, [n for size in of_b for n in (1, size)])
    return reshape(mul(left, right), [m * n for m, n in zip(of_a, of_b, strict=True)])


def _check(name: str, a: Value, b: Value, of_a: int, of_b: int) -> None:
    """Refuses operands of other ranks, and of two dtypes, as PyTorch does."""
    u, v = data_of(a), data_of(b)
    names = {1: "a vector", 2: "a matrix", 3: "a batch of matrices"}
    batched = of_a == 3 and u.ndim == v.ndim == 3 and u.shape[0] != v.shape[0]
    if (u.ndim, v.ndim) != (of_a, of_b) or batched:
        raise ValueError(
            f"{name}: got shapes {u.shape} and {v.shape}, expected {names[of_a]} and {names[of_b]}"
            f"{' of one batch size' if batched else ''}; matmul takes others"
        )
    if u.dtype != v.dtype:
        raise TypeError(f"{name}: got {u.dtype} and {v.dtype}, expected one dtype; convert one of them")
