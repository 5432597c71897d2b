"""Which of two arrays is larger, element by element, and the choice between two. PyTorch's gradients throughout."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from gpunn.backend import Array, asarray, device_of, is_array
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand, Value
from gpunn.engine.record import record
from gpunn.ops.broadcast import binary, module_for, operands, shape_of, unbroadcast
from gpunn.ops.elementwise import applied
from gpunn.ops.gathering import nonzero
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide

_DTYPES = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(np.float32)}  # of Python's numbers
_RANK = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2}


@with_out
@binary
def maximum(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """The larger of two, element by element; equal ones share the gradient.

    >>> ops.maximum([1.0, 5.0], [3.0, 4.0])
    array([3., 5.], dtype=float32)
    """
    return _pick("maximum", a, b)


@with_out
@binary
def minimum(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """The smaller of two, element by element; equal ones share the gradient.

    >>> ops.minimum([1.0, 5.0], [3.0, 4.0])
    array([1., 4.], dtype=float32)
    """
    return _pick("minimum", a, b)


def _pick(name: str, a: Value, b: Value) -> Operand:
    u, v = operands(name, a, b)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (
            unbroadcast(applied(f"{name}_slope", gy, u, v), shape_of(u)) if needs[0] else None,
            unbroadcast(applied(f"{name}_slope", gy, v, u), shape_of(v)) if needs[1] else None,
        )

    return record(name, applied(name, u, v), (a, b), backward)


@overload
def where(condition: Operand) -> tuple[Any, ...]: ...
@overload
def where(condition: Operand, a: A | float, b: A | float, *, out: Array | None = None) -> A: ...
@with_out
def where(
    condition: Operand, a: A | float | None = None, b: A | float | None = None, *, out: Array | None = None
) -> Any:
    """a where ``condition`` is true, else b; alone the places where it is, as ``nonzero`` gives them in a tuple.

    No gradient flows to the condition. A number takes the other's dtype, or that of its kind (bool, int64, float32)
    where no array is of that kind.

    >>> ops.where([True, False], [1.0, 2.0], 0.0)
    array([1., 0.], dtype=float32)
    >>> ops.where([True, False], 1, 0)
    array([1, 0])
    """
    if a is None and b is None:
        return nonzero(condition, as_tuple=True)
    if a is None or b is None:
        raise TypeError("where: got a condition and one choice, expected two, or none for the places; pass the other")
    c, u, v = operands_of_where(condition, a, b)
    xp = module_for(c, u, v)
    of_a, of_b = shape_of(u), shape_of(v)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (
            None,
            unbroadcast(xp.where(c, gy, 0).astype(gy.dtype), of_a) if needs[1] else None,
            unbroadcast(xp.where(c, 0, gy).astype(gy.dtype), of_b) if needs[2] else None,
        )

    y = xp.where(c, u, v).astype(np.result_type(u.dtype, v.dtype), copy=False)  # CuPy's of bfloat16 is float32
    return record("where", y, (condition, a, b), backward)


def operands_of_where(condition: Value, a: Value, b: Value) -> tuple[Array, Array, Array]:
    """The condition as a bool array, and the two choices; a number takes the other's dtype where of its kind."""
    (c,) = operands("where", condition)
    if c.dtype.kind != "b":
        raise TypeError(f"where: the condition has dtype {c.dtype}, expected bool; compare first, for example x > 0")
    c, u, v = operands("where", c, a, b)
    dtype = _dtype_for(u, v)
    u, v = (x if is_array(x) else asarray(x, dtype, device_of(c)) for x in (u, v))
    return c.astype(bool, copy=False), u, v


def _dtype_for(*choices: Any) -> np.dtype:
    """The dtype of arrays and numbers together, PyTorch's rule: a number counts only where no array is of its kind."""
    found = [x.dtype for x in choices if is_array(x)]
    dtype = np.result_type(*found) if found else np.dtype(bool)
    for number in choices:
        own = None if is_array(number) else _DTYPES[type(number)]
        if own is not None and _RANK[own.kind] > _RANK[dtype.kind]:
            dtype = own
    return dtype


@with_out
@binary
def equal(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a == b, element by element: bool, without a gradient.

    >>> ops.equal([1, 2], [1, 3])
    array([ True, False])
    """
    return _compare("equal", a, b)


@with_out
@binary
def not_equal(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a != b, element by element: bool, without a gradient.

    >>> ops.not_equal([1, 2], [1, 3])
    array([False,  True])
    """
    return _compare("not_equal", a, b)


@with_out
@binary
def less(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a < b, element by element: bool, without a gradient.

    >>> ops.less([1, 2], 2)
    array([ True, False])
    """
    return _compare("less", a, b)


@with_out
@binary
def less_equal(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a <= b, element by element: bool, without a gradient.

    >>> ops.less_equal([1, 2], 2)
    array([ True,  True])
    """
    return _compare("less_equal", a, b)


@with_out
@binary
def greater(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a > b, element by element: bool, without a gradient.

    >>> ops.greater([1, 2], 1)
    array([False,  True])
    """
    return _compare("greater", a, b)


@with_out
@binary
def greater_equal(a: Value, b: Value, *, out: Array | None = None) -> Operand:
    """a >= b, element by element: bool, without a gradient.

    >>> ops.greater_equal([1, 2], 1)
    array([ True,  True])
    """
    return _compare("greater_equal", a, b)


def _compare(name: str, a: Value, b: Value) -> Operand:
    u, v = operands(name, a, b)
    xp = module_for(u, v)
    if xp is np:  # ml_dtypes' own comparisons warn of NaN
        u, v = [wide(x) if is_array(x) and x.dtype.kind == "V" else x for x in (u, v)]
    return record(name, getattr(xp, name)(u, v), (a, b), lambda gy, needs: (None, None))
