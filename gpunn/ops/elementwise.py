"""Functions of one array, element by element."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array, array_module, twins
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.out import with_out
from gpunn.restored import restored


def applied(name: str, *operands: Array | float | None) -> Any:
    """NumPy's function of this name, or one of gpunn.pointwise, in the memory order of its first array."""
    first: Any = operands[0] if hasattr(operands[0], "dtype") else operands[-1]
    return twins(first).elementwise.apply(name, *operands)  # of numbers alone NumPy's


@with_out
def exp(x: A, *, out: Array | None = None) -> A:
    """e ** x.

    >>> ops.exp([0.0, 1.0]).round(3)
    array([1.   , 2.718], dtype=float32)
    """
    y = _quiet("exp", x)
    return record("exp", y, (x,), lambda gy, needs: (applied("multiply", gy, y),))


@with_out
def log(x: A, *, out: Array | None = None) -> A:
    """Natural logarithm; log(0) is -inf and that of a negative number nan.

    >>> ops.log([1.0, 0.0])
    array([  0., -inf], dtype=float32)
    """
    a = real("log", x)
    return record("log", _quiet("log", a), (x,), lambda gy, needs: (applied("true_divide", gy, a),))


@with_out
def sqrt(x: A, *, out: Array | None = None) -> A:
    """Square root; nan for a negative number. The slope at 0 is inf.

    >>> ops.sqrt([4.0, 9.0])
    array([2., 3.], dtype=float32)
    """
    y = _quiet("sqrt", x)
    return record("sqrt", y, (x,), lambda gy, needs: (applied("sqrt_slope", gy, y),))


@with_out
def abs(x: A, *, out: Array | None = None) -> A:
    """Absolute value; the gradient at 0 is 0.

    >>> ops.abs([-1.0, 2.0])
    array([1., 2.], dtype=float32)
    """
    a = data_of(x)
    return record("abs", applied("absolute", a), (x,), lambda gy, needs: (applied("absolute_slope", gy, a),))


def floating(name: str, x: object) -> Array:
    """The array of x, which must be floating point."""
    a = data_of(x)
    if a.dtype.kind not in "fV":
        raise TypeError(f"{name}: got dtype {a.dtype}, expected floating point; convert with .to('float32') or astype")
    return a


@restored
def _quiet(name: str, x: object) -> Array:
    """NumPy's function, giving inf and nan without a warning, as on a GPU."""
    a = real(name, x)
    with np.errstate(all="ignore"):
        return applied(name, a)


def real(name: str, x: object) -> Array:
    """The array of x for a function of real numbers: integers and bool as float32, PyTorch's rule."""
    a = data_of(x)
    return a.astype(np.float32) if a.dtype.kind in "biu" else floating(name, a)


@restored
def smooth(
    name: str, x: A, slope: Callable[[ModuleType, Any], Any], keeps: str = "x", function: str | None = None
) -> A:
    """Record NumPy's `function` of real numbers; slope(xp, kept) is its derivative, of x or, where it `keeps` "y", y.

    inf and nan come without a warning, as on a GPU; 16 bits are computed in float32.
    """
    a = real(name, x)
    with np.errstate(all="ignore"):
        y = applied(function or name, a)
    kept, xp = y if keeps == "y" else a, array_module(a)

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        with np.errstate(all="ignore"):
            return ((wide(gy) * slope(xp, wide(kept))).astype(gy.dtype, copy=False),)

    return record(name, y, (x,), backward)


def wide(a: Any) -> Any:
    """16-bit floats as float32, in which nothing past 65504 overflows; others, and numbers, as they are."""
    dtype = getattr(a, "dtype", None)
    return a.astype(np.float32) if dtype is not None and dtype.itemsize == 2 and dtype.kind in "fV" else a


def in_dtype(x: Any, dtype: DTypeLike | None) -> Any:
    """x converted where a dtype is given; gradients come back in x's own."""
    if dtype is None:
        return x
    return x.to(dtype) if isinstance(x, Tensor) else data_of(x).astype(dtype)
