"""Vectors beside each other: their lengths made 1, the cosine between them, and distances."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.constants import constant
from gpunn.checks import as_axis
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.arithmetic import add, div, sub
from gpunn.ops.broadcast import operands, unbroadcast
from gpunn.ops.clip import clip
from gpunn.ops.elementwise import floating
from gpunn.ops.indexing import getitem
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast
from gpunn.ops.reduce import reduced_shape, wide
from gpunn.ops.vector_norm import vector_norm
from gpunn.restored import restored
from gpunn.scalars import as_number

_WIDE = np.dtype(np.float32)


@with_out
def normalize(x: A, p: float = 2.0, dim: int = 1, eps: float = 1e-12, *, out: Array | None = None) -> A:
    """x / max(its norm of order p along dim, eps).

    Raises:
        TypeError: x is not floating point.
        IndexError: a dim that there is not.

    >>> ops.normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    a, eps = floating("normalize", x), as_number("normalize", "eps", eps)
    axis = as_axis("normalize", a, dim)
    x = cast(x, _WIDE) if a.dtype.itemsize == 2 else x
    return cast(div(x, clip(vector_norm(x, p, axis, True), min=eps)), a.dtype)


@with_out
@restored
def cosine_similarity(x1: A, x2: Operand, dim: int = 1, eps: float = 1e-8, *, out: Array | None = None) -> A:
    """Sum along dim of x1 / max(|x1|, eps) times x2 / max(|x2|, eps), of arrays that broadcast.

    The gradient is that of the plain lengths, also of one below eps, as in PyTorch; of a vector of zeros x2's part.

    Raises:
        TypeError: integers.
        ValueError: shapes that do not broadcast. IndexError: a dim that there is not.

    >>> ops.cosine_similarity([[1.0, 0.0]], [[1.0, 1.0]]).round(4)
    array([0.7071], dtype=float32)
    """
    op = "cosine_similarity"
    for x in (x1, x2):
        floating(op, x)
    eps = as_number(op, "eps", eps)
    u, v = operands(op, x1, x2)
    dtype, of_u, of_v = np.result_type(u.dtype, v.dtype), u.shape, v.shape
    xp, twin = array_module(u), twins(u).reduce
    shape, wide_dtype = np.broadcast_shapes(of_u, of_v), np.result_type(dtype, _WIDE)
    u, v = (xp.broadcast_to(wide(a).astype(wide_dtype, copy=False), shape) for a in (u, v))
    axis = as_axis(op, u, dim)
    axes = (axis,) if u.ndim else ()
    with np.errstate(all="ignore"):
        of_1, of_2 = (twin.reduced("norm2", a, axes) for a in (u, v))
        long_1, long_2 = (xp.maximum(n, eps).astype(n.dtype, copy=False) for n in (of_1, of_2))
        one, two = u / long_1, v / long_2
        cosine = twin.reduced("sum", one, axes, two)
    y = cosine.reshape(reduced_shape(u, axes, False)).astype(dtype, copy=False)

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        g = wide(gy).reshape(cosine.shape)

        def slope(a: Array, own: Array, long: Array, other: Array, size: tuple[int, ...]) -> Array:
            along = a / xp.where(own == 0, 1, own)
            part = (g * (other - cosine * along) / long).astype(gy.dtype, copy=False)
            return unbroadcast(part, size)

        with np.errstate(all="ignore"):
            return (
                slope(u, of_1, long_1, two, of_u) if needs[0] else None,
                slope(v, of_2, long_2, one, of_v) if needs[1] else None,
            )

    return record(op, y, (x1, x2), backward)


@with_out
def pairwise_distance(
    x1: A, x2: Value, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False, *, out: Array | None = None
) -> A:
    """The norm of order p of x1 - x2 + eps along the last axis, of arrays that broadcast; eps keeps its slope finite.

    Raises:
        ValueError: shapes that do not broadcast.

    >>> ops.pairwise_distance([[3.0, 4.0]], [[0.0, 0.0]]).round(3)
    array([5.], dtype=float32)
    """
    eps = as_number("pairwise_distance", "eps", eps)
    u, v = operands("pairwise_distance", x1, x2)
    dtype = np.result_type(u.dtype, v.dtype)
    narrow = dtype.itemsize == 2 and dtype.kind in "fV"
    a, b = (cast(x, _WIDE) for x in (x1, x2)) if narrow else (x1, x2)
    y = vector_norm(add(sub(a, b), eps), p, -1, keepdim)
    return cast(y, dtype if narrow else data_of(y).dtype)


@with_out
def pdist(x: A, p: float = 2.0, *, out: Array | None = None) -> A:
    """Distances of order p between every two rows of x (N, M), (0, 1), (0, 2), ... : (N (N - 1) / 2,).

    All differences are held at once: N (N - 1) M / 2 numbers.

    Raises:
        ValueError: x has not two dimensions, or a negative order. TypeError: integers.

    >>> ops.pdist([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]).round(3)
    array([5.   , 1.   , 4.243], dtype=float32)
    """
    a, order = floating("pdist", x), as_number("pdist", "p", p)
    if a.ndim != 2 or not order >= 0:
        raise ValueError(f"pdist: x is {a.shape} and p {p}, expected (N, M) and an order of at least 0; reshape x")
    first, second = (constant(i, a) for i in np.triu_indices(len(a), 1))
    return cast(vector_norm(sub(getitem(x, first), getitem(x, second)), order, -1), a.dtype)
