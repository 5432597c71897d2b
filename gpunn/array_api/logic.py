"""Questions of each number, and of bool: no gradients. `all` and `any` are the standard's here."""

from __future__ import annotations

import math

import numpy as np

from gpunn import ops
from gpunn.engine.operators import A, Axis, Operand, Value
from gpunn.engine.tensor import data_of


def all(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Operand:
    """Whether none is 0, over `axis`; True of nothing.

    Examples:
        >>> gpunn.array_api.all(np.array([[1, 0], [2, 3]]), axis=1)
        array([False,  True])
    """
    return ops.equal(ops.sum(ops.equal(x, 0), axis, keepdims), 0)


def any(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Operand:
    """Whether one is not 0, over `axis`; False of nothing.

    Examples:
        >>> gpunn.array_api.any(np.array([[1, 0], [0, 0]]), axis=1)
        array([ True, False])
    """
    return ops.greater(ops.sum(ops.not_equal(x, 0), axis, keepdims), 0)


def logical_not(x: Operand, /) -> Operand:
    """True where x, of bool, is False.

    Examples:
        >>> gpunn.array_api.logical_not(np.array([True, False]))
        array([False,  True])
    """
    _check_bool("logical_not", x)
    return ops.equal(x, False)


def logical_and(x1: Value, x2: Value, /) -> Operand:
    """True where both, of bool, are.

    Examples:
        >>> gpunn.array_api.logical_and(np.array([True, False]), True)
        array([ True, False])
    """
    _check_bool("logical_and", x1, x2)
    return ops.minimum(x1, x2)


def logical_or(x1: Value, x2: Value, /) -> Operand:
    """True where one of two, of bool, is.

    Examples:
        >>> gpunn.array_api.logical_or(np.array([True, False]), False)
        array([ True, False])
    """
    _check_bool("logical_or", x1, x2)
    return ops.maximum(x1, x2)


def _check_bool(name: str, *xs: Value) -> None:
    for x in xs:
        kind = np.dtype(type(x)) if isinstance(x, bool | int | float) else data_of(x).dtype
        if kind.kind != "b":
            raise TypeError(f"{name}: got dtype {kind}, expected bool; compare first, for example x != 0")


def isnan(x: A, /) -> A:
    """Whether each is NaN.

    Examples:
        >>> gpunn.array_api.isnan(np.array([1.0, np.nan]))
        array([False,  True])
    """
    return ops.not_equal(x, x)


def isinf(x: A, /) -> A:
    """Whether each is infinite, of either sign.

    Examples:
        >>> gpunn.array_api.isinf(np.array([1.0, -np.inf]))
        array([False,  True])
    """
    return ops.equal(ops.abs(x), math.inf)


def isfinite(x: A, /) -> A:
    """Whether each is neither infinite nor NaN.

    Examples:
        >>> gpunn.array_api.isfinite(np.array([1.0, -np.inf, np.nan]))
        array([ True, False, False])
    """
    return ops.less(ops.abs(x), math.inf)
