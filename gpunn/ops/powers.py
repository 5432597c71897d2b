"""Exponentials, logarithms, roots and the error function; integers give float32. PyTorch's names and gradients."""

from __future__ import annotations

import math

import numpy as np

from gpunn.backend import Array
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.broadcast import binary, combined
from gpunn.ops.elementwise import applied, smooth
from gpunn.ops.out import with_out


@with_out
def log1p(x: A, *, out: Array | None = None) -> A:
    """Natural logarithm of 1 + x, exact for small x; -inf of -1, nan below.

    >>> ops.log1p([0.0, 1e-10])
    array([0.e+00, 1.e-10], dtype=float32)
    """
    return smooth("log1p", x, lambda xp, a: 1 / (a + 1))


@with_out
def log2(x: A, *, out: Array | None = None) -> A:
    """Logarithm to base 2.

    >>> ops.log2([1.0, 8.0])
    array([0., 3.], dtype=float32)
    """
    return smooth("log2", x, lambda xp, a: 1 / (a * math.log(2)))


@with_out
def log10(x: A, *, out: Array | None = None) -> A:
    """Logarithm to base 10.

    >>> ops.log10([1.0, 100.0]).round(3)
    array([0., 2.], dtype=float32)
    """
    return smooth("log10", x, lambda xp, a: 1 / (a * math.log(10)))


@with_out
def expm1(x: A, *, out: Array | None = None) -> A:
    """e ** x less 1, exact for small x.

    >>> ops.expm1([0.0, 1e-10])
    array([0.e+00, 1.e-10], dtype=float32)
    """
    return smooth("expm1", x, lambda xp, y: y + 1, "y")


@with_out
def exp2(x: A, *, out: Array | None = None) -> A:
    """2 ** x.

    >>> ops.exp2([0.0, 3.0])
    array([1., 8.], dtype=float32)
    """
    return smooth("exp2", x, lambda xp, y: y * math.log(2), "y")


@with_out
def rsqrt(x: A, *, out: Array | None = None) -> A:
    """1 / square root of x; inf of 0, nan below.

    >>> ops.rsqrt([4.0, 0.0])
    array([0.5, inf], dtype=float32)
    """
    return smooth("rsqrt", x, lambda xp, y: -0.5 * (y * y * y), "y")


@with_out
def reciprocal(x: A, *, out: Array | None = None) -> A:
    """1 / x; inf of 0.

    >>> ops.reciprocal([4.0, 0.0])
    array([0.25,  inf], dtype=float32)
    """
    return smooth("reciprocal", x, lambda xp, y: -(y * y), "y")


@with_out
def square(x: A, *, out: Array | None = None) -> A:
    """x ** 2; integers stay integers.

    >>> ops.square([3.0, -4.0])
    array([ 9., 16.], dtype=float32)
    """
    a = data_of(x)
    a = a.astype(np.int64) if a.dtype.kind == "b" else a
    return record("square", applied("multiply", a, a), (x,), lambda gy, needs: (applied("multiply", gy, a + a),))


@with_out
def erf(x: A, *, out: Array | None = None) -> A:
    """Error function: 2 / sqrt(pi) times the integral of e ** -t**2 from 0 to x.

    >>> ops.erf([0.0, 1.0]).round(3)
    array([0.   , 0.843], dtype=float32)
    """
    return smooth("erf", x, lambda xp, a: (2 / math.sqrt(math.pi)) * xp.exp(-(a * a)))


@with_out
def erfc(x: A, *, out: Array | None = None) -> A:
    """1 less erf(x), exact where it is small.

    >>> ops.erfc([0.0, 4.0]).round(10)
    array([1.00e+00, 1.54e-08], dtype=float32)
    """
    return smooth("erfc", x, lambda xp, a: (-2 / math.sqrt(math.pi)) * xp.exp(-(a * a)))


@with_out
@binary
def logaddexp(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """log(e ** a + e ** b), without overflow.

    >>> ops.logaddexp([1000.0], [1000.0]).round(3)
    array([1000.693], dtype=float32)
    """
    return combined(
        "logaddexp",
        (a, b),
        "logaddexp",
        (lambda xp, u, v: 1 / (1 + xp.exp(v - u)), lambda xp, u, v: 1 / (1 + xp.exp(u - v))),
    )
