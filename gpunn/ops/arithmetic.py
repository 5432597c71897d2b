"""Arithmetic on two arrays, with broadcasting. PyTorch's gradients throughout.

A closure keeps only the arrays that a wanted gradient reads: what it keeps lives until the backward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, is_array, twins
from gpunn.checks import check_choice, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.broadcast import binary, common, operands, shape_of, unbroadcast
from gpunn.ops.elementwise import applied, in_dtype
from gpunn.ops.out import with_out
from gpunn.ops.precision import narrowed
from gpunn.ops.rounding import quotient
from gpunn.restored import restored


@with_out
@binary
def add(a: Value, b: Value, *, alpha: float = 1, out: Array | None = None) -> Operand:
    """a + alpha * b.

    >>> ops.add([1.0, 2.0], 10)
    array([11., 12.], dtype=float32)
    """
    if alpha != 1:
        b = _scaled("add", a, b, alpha)
    u, v = operands("add", a, b)
    of_a, of_b = shape_of(u), shape_of(v)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return unbroadcast(gy, of_a) if needs[0] else None, unbroadcast(gy, of_b) if needs[1] else None

    return record("add", applied("add", u, v), (a, b), backward)


@with_out
@binary
def sub(a: Value, b: Value, *, alpha: float = 1, out: Array | None = None) -> Operand:
    """a - alpha * b.

    >>> ops.sub([1.0, 2.0], 10)
    array([-9., -8.], dtype=float32)
    """
    if alpha != 1:
        b = _scaled("sub", a, b, alpha)
    u, v = operands("sub", a, b)
    of_a, of_b = shape_of(u), shape_of(v)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gb = unbroadcast(applied("negative", gy), of_b) if needs[1] else None
        return unbroadcast(gy, of_a) if needs[0] else None, gb

    return record("sub", applied("subtract", u, v), (a, b), backward)


def _scaled(name: str, a: Value, b: Value, alpha: float) -> Value:
    """alpha * b, for a sum with a: multiplied in the dtype of the sum, which may hold what b's own does not."""
    if isinstance(alpha, float) and all(getattr(x, "dtype", np.dtype(int)).kind in "biu" for x in (a, b)):
        raise TypeError(f"{name}: alpha is {alpha} beside integers, expected an int; convert a or b to floating point")
    u, v = operands(name, a, b)
    if not is_array(v):
        return v * alpha
    dtypes = [x.dtype for x in (u, v) if is_array(x)]
    dtype = common(dtypes) if v.dtype.kind in "fV" else np.result_type(*dtypes)
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= alpha <= np.iinfo(dtype).max:
        raise ValueError(
            f"{name}: alpha is {alpha}, which {dtype} cannot hold; convert a or b first, for example with .to('int64')"
        )
    return mul(b if data_of(b).dtype == dtype else in_dtype(b, dtype), alpha)


@with_out
@binary
def mul(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a * b, element by element.

    >>> ops.mul([1.0, 2.0], [[3.0], [4.0]])
    array([[3., 6.],
           [4., 8.]], dtype=float32)
    """
    u, v = operands("mul", a, b)
    of_a, of_b = shape_of(u), shape_of(v)
    kept_u, kept_v = (u if wants_grad(b) else None), (v if wants_grad(a) else None)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (
            unbroadcast(gy, of_a, kept_v) if needs[0] else None,
            unbroadcast(gy, of_b, kept_u) if needs[1] else None,
        )

    return record("mul", applied("multiply", u, v), (a, b), backward)


@with_out
@binary
@restored
def div(a: Value, b: Value, *, rounding_mode: str | None = None, out: Array | None = None) -> Operand:
    """a / b, element by element; x / 0 is inf or nan, and integers give float32.

    With rounding_mode "floor" or "trunc" it is rounded down, or towards 0: integers stay integers, which refuse to be
    divided by 0, and the gradients are 0.

    >>> ops.div([1.0, -1.0, 6.0], [0.0, 0.0, 3.0])
    array([ inf, -inf,   2.], dtype=float32)
    """
    if rounding_mode is not None:
        check_choice("div", "rounding_mode", rounding_mode, ("floor", "trunc"))
        return quotient("div", a, b, rounding_mode)
    u, v = operands("div", a, b)
    with np.errstate(all="ignore"):
        y = applied("true_divide", u, v)
    if all(isinstance(x, int) or getattr(x, "dtype", y.dtype).kind in "iub" for x in (u, v)):
        y = y.astype(np.float32)
    of_a, of_b = shape_of(u), shape_of(v)
    kept_y = y if wants_grad(b) else None

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (
            unbroadcast(applied("true_divide", gy, v), of_a) if needs[0] else None,
            unbroadcast(applied("divide_slope", gy, v, kept_y), of_b) if needs[1] else None,
        )

    return record("div", y, (a, b), backward)


@with_out
def neg(a: A, *, out: Array | None = None) -> A:
    """-a.

    >>> ops.neg([1.0, -2.0])
    array([-1.,  2.], dtype=float32)
    """
    (u,) = operands("neg", a)
    if u.dtype.kind == "b":
        raise TypeError(
            "neg: got dtype bool, expected numbers; convert it, for example with .to('int64'), or compare with False"
        )
    return record("neg", applied("negative", u), (a,), lambda gy, needs: (applied("negative", gy),))


@with_out
@binary
@restored
def pow(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a ** b, element by element. The gradient of x ** 0 is 0, and that of 0 ** b by b is 0 for b >= 0.

    >>> ops.pow([1.0, 2.0, 3.0], 2)
    array([1., 4., 9.], dtype=float32)
    """
    u, v = operands("pow", a, b)
    whole = all(getattr(x, "dtype", np.dtype(type(x))).kind in "iu" for x in (u, v))
    if whole and isinstance(v, np.ndarray | int) and np.any(v < 0):  # of a device only it knows
        raise ValueError(
            f"pow: got integers to the power {np.min(v)}, expected an exponent of at least 0; convert the base, for "
            "example with .to('float32')"
        )
    with np.errstate(all="ignore"):
        y = applied("power", u, v)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (
            unbroadcast(applied("power_slope", gy, u, v), shape_of(u)) if needs[0] else None,
            unbroadcast(applied("power_log", gy, u, v), shape_of(v)) if needs[1] else None,
        )

    return record("pow", y, (a, b), backward)


@with_out
@binary
def matmul(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """Matrix product, batched over leading dimensions; 1-D operands are vectors, as in ``numpy.matmul``.

    Raises:
        ValueError: an operand is a scalar, the inner sizes differ, or the leading sizes do not broadcast.

    >>> ops.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    array([[11.]], dtype=float32)
    """
    if asked():
        a, b = narrowed(*[x if isinstance(x, Tensor) else data_of(x) for x in (a, b)])
    u, v = operands_of_matmul(a, b)
    matmul = twins(u).matmul.matmul
    y = matmul(u, v)
    of_a, of_b = u.shape, v.shape
    # Vectors become matrices for the while, so that one rule serves all shapes.
    left, right = u[None, :] if u.ndim == 1 else u, v[:, None] if v.ndim == 1 else v
    of_left, of_right = left.shape, right.shape
    kept_left: Any = left if wants_grad(b) else None
    kept_right: Any = right if wants_grad(a) else None

    def backward(gy: Array, needs: Needs) -> Gradients:
        g = gy[..., None] if len(of_b) == 1 else gy
        g = g[..., None, :] if len(of_a) == 1 else g
        ga = unbroadcast(matmul(g, kept_right.swapaxes(-1, -2)), of_left).reshape(of_a) if needs[0] else None
        gb = unbroadcast(matmul(kept_left.swapaxes(-1, -2), g), of_right).reshape(of_b) if needs[1] else None
        return ga, gb

    return record("matmul", np.asanyarray(y) if isinstance(y, np.generic) else y, (a, b), backward)


def operands_of_matmul(a: Value, b: Value) -> tuple[Array, Array]:
    """The two operands of ``matmul``, checked."""
    u, v = (operands("matmul", x)[0] for x in (a, b))
    samples = operands("matmul", *[x[(slice(1),) * x.ndim].reshape(-1) for x in (u, v)])  # one device
    u, v = (x.astype(sample.dtype, copy=False) for x, sample in zip((u, v), samples, strict=True))
    inner = v.shape[0] if v.ndim == 1 else v.shape[-2] if v.ndim else None
    if u.ndim == 0 or v.ndim == 0 or u.shape[-1] != inner:
        raise ValueError(
            f"matmul: got shapes {u.shape} and {v.shape}; expected (..., m, k) and (..., k, n) with equal k: "
            "transpose or reshape one of them"
        )
    try:
        np.broadcast_shapes(u.shape[:-2], v.shape[:-2])
    except ValueError:
        raise ValueError(
            f"matmul: the leading sizes of {u.shape} and {v.shape} do not broadcast; expected equal sizes, or 1, "
            "before the last two: reshape one of them"
        ) from None
    return u, v
