"""Whole parts, remainders and signs. Integers stay integers; gradients of what is constant in steps are 0."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from gpunn.backend import Array, array_module, is_array
from gpunn.cpu.narrow import largest
from gpunn.cpu.over import over
from gpunn.engine.autograd import no_grad
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.broadcast import binary, combined
from gpunn.ops.elementwise import applied, floating, wide
from gpunn.ops.out import with_out
from gpunn.restored import restored
from gpunn.scalars import as_int, as_number


@with_out
def sign(x: A, *, out: Array | None = None) -> A:
    """-1, 0 or 1, as x is below, equal to or above 0; 0 of nan. Its gradient is 0.

    >>> ops.sign([-2.0, 0.0, 3.0])
    array([-1.,  0.,  1.], dtype=float32)
    """
    a = data_of(x)
    return _steps("sign", x, a.copy(order="K") if a.dtype.kind == "b" else applied("sign", a))


@with_out
@restored
def round(x: A, decimals: int = 0, *, out: Array | None = None) -> A:
    """The nearest number of so many decimals, of two the even one; fewer than 0 round to tens. Its gradient is 0.

    >>> ops.round([0.5, 1.5, -2.6])
    array([ 0.,  2., -3.], dtype=float32)
    >>> ops.round([1.2345], decimals=2)
    array([1.23], dtype=float32)
    """
    a, decimals = _numbers("round", x), as_int("round", "decimals", decimals)
    if decimals == 0 or a.dtype.kind in "iu":
        if decimals:
            raise TypeError(f"round: got {a.dtype} and decimals {decimals}, expected floating point; convert x first")
        return _whole("round", x, "rint")
    scale = 10.0 ** abs(decimals)
    with np.errstate(all="ignore"):
        xp, b = array_module(a), wide(a)
        y = xp.rint(b * scale) / scale if decimals > 0 else xp.rint(b / scale) * scale
    return _steps("round", x, y.astype(a.dtype, copy=False))


@with_out
def floor(x: A, *, out: Array | None = None) -> A:
    """The largest whole number that is not above x. Its gradient is 0.

    >>> ops.floor([-0.5, 1.5])
    array([-1.,  1.], dtype=float32)
    """
    return _whole("floor", x)


@with_out
def ceil(x: A, *, out: Array | None = None) -> A:
    """The smallest whole number that is not below x. Its gradient is 0.

    >>> ops.ceil([-0.5, 1.5])
    array([-0.,  2.], dtype=float32)
    """
    return _whole("ceil", x)


@with_out
def trunc(x: A, *, out: Array | None = None) -> A:
    """The whole part of x, rounded towards 0. Its gradient is 0.

    >>> ops.trunc([-1.5, 1.5])
    array([-1.,  1.], dtype=float32)
    """
    return _whole("trunc", x)


@with_out
@restored
def frac(x: A, *, out: Array | None = None) -> A:
    """What is left of x without its whole part, of x's sign.

    >>> ops.frac([-1.5, 1.25])
    array([-0.5 ,  0.25], dtype=float32)
    """
    a = floating("frac", x)
    with np.errstate(invalid="ignore"):  # of inf
        return record("frac", applied("frac", a), (x,), lambda gy, needs: (gy,))


def _numbers(name: str, x: object) -> Array:
    """The array of x, which must be no bool."""
    a = data_of(x)
    if a.dtype.kind == "b":
        raise TypeError(f"{name}: got dtype bool, expected numbers; convert it, for example with .to('int64')")
    return a


def _whole(name: str, x: A, function: str = "") -> A:
    a = _numbers(name, x)
    return _steps(name, x, a.copy(order="K") if a.dtype.kind in "iu" else applied(function or name, a))


def _steps(name: str, x: A, y: Array) -> A:
    """Record what is constant but for its jumps."""
    return record(name, y, (x,), lambda gy, needs: (array_module(gy).zeros_like(gy),))


@with_out
@binary
def floor_divide(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a // b, rounded down, without a gradient, as in PyTorch; div(a, b, rounding_mode="floor") has one of 0.

    Raises:
        ZeroDivisionError: integers divided by 0, on `cpu`; a device gives whatever its division gives.

    >>> ops.floor_divide([7.0, -7.0], 2)
    array([ 3., -4.], dtype=float32)
    """
    with no_grad():
        return quotient("floor_divide", a, b, "floor")


def quotient(name: str, a: Value, b: Value, rounding: str) -> Operand:
    """a / b as a whole number, rounded down by "floor", towards 0 by "trunc"; its gradients are 0."""

    def compute(xp: ModuleType, u: Array, v: Array) -> Array:
        _refuse_zero(name, u, v)
        if rounding == "floor":
            return applied("floor_divide", u, v)
        y = xp.trunc(xp.true_divide(u, v))
        kept = np.result_type(*[getattr(x, "dtype", x) for x in (u, v)])
        return y.astype(kept) if kept.kind in "iu" else y

    return combined(name, (a, b), compute, (None, None), whole=True)


@with_out
@binary
def remainder(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a - b * floor(a / b), Python's %, of b's sign; nan of a division by 0.

    Raises:
        ZeroDivisionError: integers divided by 0, on `cpu`; a device gives whatever its division gives.

    >>> ops.remainder([7.0, -7.0], 3)
    array([1., 2.], dtype=float32)
    """
    return _left("remainder", a, b, lambda xp, u, v: -applied("floor_divide", u, v))


@with_out
@binary
def fmod(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a - b * trunc(a / b), C's fmod, of a's sign; nan of a division by 0.

    Raises:
        ZeroDivisionError: integers divided by 0, on `cpu`; a device gives whatever its division gives.

    >>> ops.fmod([7.0, -7.0], 3)
    array([ 1., -1.], dtype=float32)
    """
    return _left("fmod", a, b, lambda xp, u, v: -xp.trunc(xp.true_divide(u, v)))


def _left(name: str, a: Value, b: Value, slope_by_b: Callable[..., Array]) -> Operand:
    def compute(xp: ModuleType, u: Array, v: Array) -> Array:
        _refuse_zero(name, u, v)
        return applied(name, u, v)

    return combined(name, (a, b), compute, (lambda xp, u, v: 1.0, slope_by_b), whole=True)


def _refuse_zero(name: str, u: object, v: object) -> None:
    """ZeroDivisionError for integers divided by 0, where asking does not make the host wait."""
    whole = all(isinstance(x, int) or (is_array(x) and x.dtype.kind in "biu") for x in (u, v))
    if whole and isinstance(v, np.ndarray | int) and not np.all(v):
        raise ZeroDivisionError(f"{name}: got integers divided by 0, expected another divisor; convert to floats")


@with_out
@restored
def nan_to_num(
    x: A, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None, *, out: Array | None = None
) -> A:
    """x with numbers in place of nan and infinities: 0, and the largest and the smallest of x's dtype by default.

    The gradient of what was replaced is 0.

    >>> ops.nan_to_num([np.nan, np.inf, 2.0], posinf=9)
    array([0., 9., 2.], dtype=float32)
    """
    a = data_of(x)
    if a.dtype.kind in "biu":
        return record("nan_to_num", a.copy(order="K"), (x,), lambda gy, needs: (gy,))
    xp, b, most = array_module(a), wide(a), largest(a.dtype)
    chosen = [
        default if value is None else as_number("nan_to_num", name, value)
        for name, value, default in (("nan", nan, 0.0), ("posinf", posinf, most), ("neginf", neginf, -most))
    ]

    def exchanged(c: Array) -> Array:
        y = xp.where(xp.isposinf(c), chosen[1], xp.where(xp.isneginf(c), chosen[2], c))
        return xp.where(xp.isnan(c), chosen[0], y)

    def block(c: np.ndarray, y: np.ndarray) -> None:
        y[...] = c if np.isfinite(c).all() else exchanged(c)

    with np.errstate(over="ignore"):
        y = (over(block, b)[0] if type(b) is np.ndarray else exchanged(b)).astype(a.dtype, copy=False)
    return record("nan_to_num", y, (x,), lambda gy, needs: (xp.where(xp.isfinite(b), gy, 0).astype(gy.dtype),))
