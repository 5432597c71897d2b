"""Functions of angles in radians, and hyperbolic ones; integers give float32. PyTorch's names and gradients."""

from __future__ import annotations

from gpunn.backend import Array
from gpunn.engine.operators import A, Operand, Value
from gpunn.ops.broadcast import binary, combined
from gpunn.ops.elementwise import smooth
from gpunn.ops.out import with_out


@with_out
def sin(x: A, *, out: Array | None = None) -> A:
    """Sine.

    >>> ops.sin([0.0, 1.0]).round(3)
    array([0.   , 0.841], dtype=float32)
    """
    return smooth("sin", x, lambda xp, a: xp.cos(a))


@with_out
def cos(x: A, *, out: Array | None = None) -> A:
    """Cosine.

    >>> ops.cos([0.0, 1.0]).round(3)
    array([1.  , 0.54], dtype=float32)
    """
    return smooth("cos", x, lambda xp, a: -xp.sin(a))


@with_out
def tan(x: A, *, out: Array | None = None) -> A:
    """Tangent.

    >>> ops.tan([0.0, 1.0]).round(3)
    array([0.   , 1.557], dtype=float32)
    """
    return smooth("tan", x, lambda xp, y: 1 + y * y, "y")


@with_out
def asin(x: A, *, out: Array | None = None) -> A:
    """Angle in [-pi/2, pi/2] whose sine is x; nan outside of [-1, 1].

    >>> ops.asin([0.0, 1.0]).round(3)
    array([0.   , 1.571], dtype=float32)
    """
    return smooth("asin", x, lambda xp, a: 1 / xp.sqrt(1 - a * a), function="arcsin")


@with_out
def acos(x: A, *, out: Array | None = None) -> A:
    """Angle in [0, pi] whose cosine is x; nan outside of [-1, 1].

    >>> ops.acos([0.0, 1.0]).round(3)
    array([1.571, 0.   ], dtype=float32)
    """
    return smooth("acos", x, lambda xp, a: -1 / xp.sqrt(1 - a * a), function="arccos")


@with_out
def atan(x: A, *, out: Array | None = None) -> A:
    """Angle in [-pi/2, pi/2] whose tangent is x.

    >>> ops.atan([0.0, 1.0]).round(3)
    array([0.   , 0.785], dtype=float32)
    """
    return smooth("atan", x, lambda xp, a: 1 / (1 + a * a), function="arctan")


@with_out
def sinh(x: A, *, out: Array | None = None) -> A:
    """Hyperbolic sine.

    >>> ops.sinh([0.0, 1.0]).round(3)
    array([0.   , 1.175], dtype=float32)
    """
    return smooth("sinh", x, lambda xp, a: xp.cosh(a))


@with_out
def cosh(x: A, *, out: Array | None = None) -> A:
    """Hyperbolic cosine.

    >>> ops.cosh([0.0, 1.0]).round(3)
    array([1.   , 1.543], dtype=float32)
    """
    return smooth("cosh", x, lambda xp, a: xp.sinh(a))


@with_out
def asinh(x: A, *, out: Array | None = None) -> A:
    """Inverse of sinh.

    >>> ops.asinh([0.0, 1.0]).round(3)
    array([0.   , 0.881], dtype=float32)
    """
    return smooth("asinh", x, lambda xp, a: 1 / xp.sqrt(a * a + 1), function="arcsinh")


@with_out
def acosh(x: A, *, out: Array | None = None) -> A:
    """Inverse of cosh; nan below 1.

    >>> ops.acosh([1.0, 2.0]).round(3)
    array([0.   , 1.317], dtype=float32)
    """
    return smooth("acosh", x, lambda xp, a: 1 / xp.sqrt(a * a - 1), function="arccosh")


@with_out
def atanh(x: A, *, out: Array | None = None) -> A:
    """Inverse of tanh; nan outside of [-1, 1].

    >>> ops.atanh([0.0, 0.5]).round(3)
    array([0.   , 0.549], dtype=float32)
    """
    return smooth("atanh", x, lambda xp, a: 1 / (1 - a * a), function="arctanh")


@with_out
@binary
def atan2(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """Angle in [-pi, pi] of the point whose ordinate is a and whose abscissa is b.

    >>> ops.atan2([1.0, -1.0], [1.0, -1.0]).round(3)
    array([ 0.785, -2.356], dtype=float32)
    """

    def slope_by_a(xp, u, v):
        square = u * u + v * v
        return xp.where(square == 0, 0, v / square)

    def slope_by_b(xp, u, v):
        square = u * u + v * v
        return xp.where(square == 0, 0, -u / square)

    return combined("atan2", (a, b), "arctan2", (slope_by_a, slope_by_b))


@with_out
@binary
def hypot(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """Square root of a**2 + b**2, which overflows only where it is too large itself.

    >>> ops.hypot([3.0, 0.0], [4.0, 2.0])
    array([5., 2.], dtype=float32)
    """
    return combined(
        "hypot", (a, b), "hypot", (lambda xp, u, v: u / xp.hypot(u, v), lambda xp, u, v: v / xp.hypot(u, v))
    )
