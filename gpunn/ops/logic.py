"""Truth and bits: logical and bitwise functions, what is finite, what is close, any and all. Without gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, is_array, to_numpy
from gpunn.engine.operators import A, Axis, Operand, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.broadcast import binary, module_for, operands
from gpunn.ops.elementwise import wide
from gpunn.ops.out import with_out
from gpunn.ops.reduce import axes_of, reduced_shape
from gpunn.restored import restored


@with_out
@binary
def logical_and(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """Whether both are true, that is not 0.

    >>> ops.logical_and([0, 1, 2], [1, 1, 0])
    array([False,  True, False])
    """
    return _logical("logical_and", a, b)


@with_out
@binary
def logical_or(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """Whether one at least is true, that is not 0.

    >>> ops.logical_or([0, 1, 2], [0, 1, 0])
    array([False,  True,  True])
    """
    return _logical("logical_or", a, b)


@with_out
@binary
def logical_xor(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """Whether one alone is true, that is not 0.

    >>> ops.logical_xor([0, 1, 2], [0, 1, 0])
    array([False, False,  True])
    """
    return _logical("logical_xor", a, b)


@with_out
def logical_not(x: A, *, out: Array | None = None) -> A:
    """Whether x is 0.

    >>> ops.logical_not([0, 1, 2])
    array([ True, False, False])
    """
    a = data_of(x)
    return record("logical_not", wide(a) == 0, (x,), _nowhere)


def _logical(name: str, a: Value, b: Value) -> Operand:
    u, v = operands(name, a, b)
    xp = module_for(u, v)
    return record(name, getattr(xp, name)(*[wide(x) != 0 if is_array(x) else x != 0 for x in (u, v)]), (a, b), _nowhere)


def _nowhere(gy: Array, needs: tuple[bool, ...]) -> tuple[None, ...]:
    return (None,) * len(needs)


@with_out
@binary
def bitwise_and(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a & b of integers, bit by bit; of bool whether both are true.

    >>> ops.bitwise_and([6, 5], 3)
    array([2, 1])
    """
    return _bitwise("bitwise_and", a, b)


@with_out
@binary
def bitwise_or(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a | b of integers, bit by bit; of bool whether one at least is true.

    >>> ops.bitwise_or([6, 5], 3)
    array([7, 7])
    """
    return _bitwise("bitwise_or", a, b)


@with_out
@binary
def bitwise_xor(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a ^ b of integers, bit by bit; of bool whether one alone is true.

    >>> ops.bitwise_xor([6, 5], 3)
    array([5, 6])
    """
    return _bitwise("bitwise_xor", a, b)


@with_out
def bitwise_not(x: A, *, out: Array | None = None) -> A:
    """~x of integers, bit by bit; of bool whether it is false.

    >>> ops.bitwise_not([6, -1])
    array([-7,  0])
    """
    (a,) = _whole("bitwise_not", x)
    return record("bitwise_not", ~a, (x,), _nowhere)


def _bitwise(name: str, a: Value, b: Value) -> Operand:
    u, v = _whole(name, a, b)
    return record(name, getattr(module_for(u, v), name)(u, v), (a, b), _nowhere)


def _whole(name: str, *inputs: Value) -> list[Any]:
    """The operands, which must be integers or bool."""
    found = operands(name, *inputs)
    odd = [x for x in found if isinstance(x, float) or (is_array(x) and x.dtype.kind not in "biu")]
    if odd:
        got = odd[0].dtype if is_array(odd[0]) else "a float"
        raise TypeError(f"{name}: got {got}, expected integers or bool; compare first, or take ops.logical_{name[8:]}")
    return found


@with_out
def isnan(x: A, *, out: Array | None = None) -> A:
    """Whether x is nan; never of integers.

    >>> ops.isnan([1.0, np.nan, np.inf])
    array([False,  True, False])
    """
    return _asked("isnan", x)


@with_out
def isinf(x: A, *, out: Array | None = None) -> A:
    """Whether x is infinite; never of integers.

    >>> ops.isinf([1.0, np.nan, np.inf])
    array([False, False,  True])
    """
    return _asked("isinf", x)


@with_out
def isfinite(x: A, *, out: Array | None = None) -> A:
    """Whether x is neither infinite nor nan.

    >>> ops.isfinite([1.0, np.nan, np.inf])
    array([ True, False, False])
    """
    return _asked("isfinite", x)


def _asked(name: str, x: A) -> A:
    a = data_of(x)
    return record(name, getattr(array_module(a), name)(wide(a)), (x,), _nowhere)


@with_out
@restored
def isclose(
    a: A, b: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False, *, out: Array | None = None
) -> A:
    """Whether |a - b| <= atol + rtol * |b|, element by element; infinities are close to themselves alone.

    >>> ops.isclose([1.0, 2.0], [1.000001, 2.1])
    array([ True, False])
    """
    u, v = _alike("isclose", a, b)
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose: rtol is {rtol} and atol {atol}, expected at least 0 of both; pass their sizes")
    xp = module_for(u, v)
    with np.errstate(all="ignore"):
        near = xp.equal(u, v)
        if u.dtype.kind == "f":
            near = near | (xp.isfinite(u) & xp.isfinite(v) & (abs(u - v) <= atol + abs(rtol * v)))
        elif rtol or atol:
            near = near | (abs(u.astype(np.float64) - v) <= atol + abs(rtol * v.astype(np.float64)))
        if equal_nan:
            near = near | ((u != u) & (v != v))
    return record("isclose", near, (a, b), _nowhere)


def _alike(name: str, a: Value, b: Value) -> tuple[Array, Array]:
    """Two arrays to be compared, of one dtype, 16 bits as float32."""
    given = [data_of(x) for x in (a, b)]
    if given[0].dtype != given[1].dtype:
        raise TypeError(f"{name}: got {given[0].dtype} and {given[1].dtype}, expected one dtype; convert one by .to()")
    u, v = operands(name, *given)
    return wide(u), wide(v)


def allclose(a: Operand, b: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether isclose holds everywhere: one bool of Python's, for which the host waits.

    >>> ops.allclose([1.0, 2.0], [1.000001, 2.0])
    True
    """
    return bool(to_numpy(data_of(isclose(a, b, rtol, atol, equal_nan))).all())


@with_out
def any(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Whether one at least over `axis` is true, that is not 0; of uint8 as uint8. False of nothing.

    >>> ops.any([[0, 1], [0, 0]], axis=1)
    array([ True, False])
    """
    return _over("any", x, axis, keepdims, alias)


@with_out
def all(x: A, axis: Axis = None, keepdims: bool = False, *, out: Array | None = None, **alias: Axis) -> A:
    """Whether all over `axis` are true, that is not 0; of uint8 as uint8. True of nothing.

    >>> ops.all([[1, 2], [0, 1]], axis=1)
    array([ True, False])
    """
    return _over("all", x, axis, keepdims, alias)


def _over(name: str, x: A, axis: Axis, keepdims: bool, alias: dict[str, Axis]) -> A:
    a = data_of(x)
    axes, keep = axes_of(name, a, axis, keepdims, alias)
    y = getattr(wide(a) != 0, name)(axis=axes, keepdims=True).reshape(reduced_shape(a, axes, keep))
    return record(name, y.astype(a.dtype) if a.dtype == np.uint8 else y, (x,), _nowhere)


@with_out
def count_nonzero(x: A, axis: Axis = None, *, out: Array | None = None, **alias: Axis) -> A:
    """How many over `axis` are not 0: int64.

    >>> ops.count_nonzero([[0.0, 1.0], [2.0, 3.0]], axis=0)
    array([1, 2])
    """
    a = data_of(x)
    axes, _ = axes_of("count_nonzero", a, axis, False, alias)
    y = (wide(a) != 0).sum(axis=axes, dtype=np.int64, keepdims=True).reshape(reduced_shape(a, axes, False))
    return record("count_nonzero", y, (x,), _nowhere)
