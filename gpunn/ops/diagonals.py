"""Parts of matrices by their diagonals."""

from __future__ import annotations

from gpunn.backend import Array, array_module
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.out import with_out
from gpunn.ops.places import arange
from gpunn.ops.reduce import sum as total
from gpunn.ops.views import diagonal, diagonal_of, two_dims
from gpunn.scalars import as_int


@with_out
def tril(x: A, diagonal: int = 0, *, out: Array | None = None) -> A:
    """x (..., M, N) with 0 above a diagonal: the main one, or one so far above it.

    >>> ops.tril(np.ones((2, 3)))
    array([[1., 0., 0.],
           [1., 1., 0.]])
    """
    return _triangle("tril", x, diagonal, lower=True)


@with_out
def triu(x: A, diagonal: int = 0, *, out: Array | None = None) -> A:
    """x (..., M, N) with 0 below a diagonal: the main one, or one so far above it.

    >>> ops.triu(np.ones((2, 3)), 1)
    array([[0., 1., 1.],
           [0., 0., 1.]])
    """
    return _triangle("triu", x, diagonal, lower=False)


def _triangle(name: str, x: A, diagonal: int, lower: bool) -> A:
    a, k = data_of(x), as_int(name, "diagonal", diagonal)
    if a.ndim < 2:
        raise ValueError(f"{name}: x is {a.shape}, expected two dimensions at least; reshape it")
    xp, (rows, columns) = array_module(a), a.shape[-2:]
    above = arange(columns, a) - arange(rows, a)[:, None]
    kept = above <= k if lower else above >= k
    y = xp.where(kept, a, 0).astype(a.dtype, copy=False)
    return record(name, y, (x,), lambda gy, needs: (xp.where(kept, gy, 0).astype(gy.dtype, copy=False),))


@with_out
def diag_embed(x: A, offset: int = 0, dim1: int = -2, dim2: int = -1, *, out: Array | None = None) -> A:
    """Matrices of zeros in dim1 and dim2, on one of whose diagonals x's last dimension lies.

    >>> ops.diag_embed([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    a, k = data_of(x), as_int("diag_embed", "offset", offset)
    if not a.ndim:
        raise ValueError("diag_embed: x is a number, expected one dimension at least; reshape it")
    side = a.shape[-1] + abs(k)
    whole = array_module(a).zeros_like(a, shape=(*a.shape[:-1], side, side))
    first, second = two_dims("diag_embed", whole, dim1, dim2)
    rest = iter(range(a.ndim - 1))
    order = [a.ndim - 1 if d == first else a.ndim if d == second else next(rest) for d in range(a.ndim + 1)]
    y = whole.transpose(order)
    diagonal_of(y, k, first, second)[...] = a
    return record("diag_embed", y, (x,), lambda gy, needs: (diagonal_of(gy, k, first, second),))


@with_out
def diag(x: A, diagonal: int = 0, *, out: Array | None = None) -> A:
    """A matrix of zeros with x (N,) on a diagonal; of a matrix that diagonal.

    >>> ops.diag([1.0, 2.0], 1)
    array([[0., 1., 0.],
           [0., 0., 2.],
           [0., 0., 0.]], dtype=float32)
    """
    a = data_of(x)
    if a.ndim not in (1, 2):
        raise ValueError(f"diag: x is {a.shape}, expected one or two dimensions; use diagonal or diag_embed")
    return diag_embed(x, diagonal) if a.ndim == 1 else _copied_diagonal(x, diagonal)


def _copied_diagonal(x: A, offset: int) -> A:
    a, k, shape = data_of(x), as_int("diag", "diagonal", offset), data_of(x).shape

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        gx = array_module(gy).zeros_like(gy, shape=shape)
        diagonal_of(gx, k, 0, 1)[...] = gy
        return (gx,)

    return record("diag", diagonal_of(a, k, 0, 1).copy(), (x,), backward)


@with_out
def trace(x: A, *, out: Array | None = None) -> A:
    """The sum of a matrix's main diagonal.

    >>> ops.trace(np.arange(4.0).reshape(2, 2))
    array(3.)
    """
    a = data_of(x)
    if a.ndim != 2:
        raise ValueError(f"trace: x is {a.shape}, expected two dimensions; take diagonal(...).sum(-1) of others")
    return total(diagonal(x))
