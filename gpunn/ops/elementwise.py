"""Functions of one array, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array, twins
from gpunn.engine.operators import A
from gpunn.engine.tensor import data_of, record
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
    a, y = floating("log", x), _quiet("log", x)
    return record("log", y, (x,), lambda gy, needs: (applied("true_divide", gy, a),))


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


@with_out
@restored
def clip(x: A, min: float | None = None, max: float | None = None, *, out: Array | None = None) -> A:
    """x held between ``min`` and ``max``, either of which may be None; the gradient passes where x was inside.

    Integers beside a float become float32.

    Raises:
        ValueError: both bounds are None, or one cannot be held by x's dtype.

    >>> ops.clip([-1.0, 0.5, 2.0], 0, 1)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    if min is None and max is None:
        raise ValueError("clip: got neither min nor max, expected at least one; pass for example min=0")
    min, max = _bound("min", min), _bound("max", max)
    a = data_of(x)
    if a.dtype.kind in "biu":
        a, min, max = _among_integers(a, min, max)
    with np.errstate(over="ignore"):  # a bound past float16 is infinite
        y = applied("clip", a, min, max)
    return record("clip", y, (x,), lambda gy, needs: (applied("clip_slope", gy, a, min, max),))


def _bound(name: str, bound: float | np.generic | None) -> float | None:
    """A bound of clip as a Python number: a NumPy one would widen float32 to float64."""
    if bound is not None and not isinstance(bound, int | float | np.generic):
        raise TypeError(
            f"clip: {name} is a {type(bound).__name__}, expected a number or None; for a bound an element use "
            "ops.maximum and ops.minimum"
        )
    return bound.item() if isinstance(bound, np.generic) else bound


def _among_integers(a: Array, min: float | None, max: float | None) -> tuple[Array, float | None, float | None]:
    """Integers to be clipped: as float32 beside a float, PyTorch's rule; else with bounds that their dtype holds."""
    if isinstance(min, float) or isinstance(max, float):
        return a.astype(np.float32), min, max
    a = a.astype(np.int64) if a.dtype.kind == "b" else a
    low, high = np.iinfo(a.dtype).min, np.iinfo(a.dtype).max
    for name, bound, reached in (("min", min, min is None or min <= high), ("max", max, max is None or max >= low)):
        if not reached:
            raise ValueError(
                f"clip: {name} is {bound}, which {a.dtype} cannot hold; expected {low} to {high}, or convert x first, "
                "for example with .to('int64')"
            )
    return a, min if min is None or min > low else low, max if max is None or max < high else high


def floating(name: str, x: object) -> Array:
    """The array of x, which must be floating point."""
    a = data_of(x)
    if a.dtype.kind not in "fV":
        raise TypeError(f"{name}: got dtype {a.dtype}, expected floating point; convert with .to('float32') or astype")
    return a


@restored
def _quiet(name: str, x: object) -> Array:
    """NumPy's function, giving inf and nan without a warning, as on a GPU."""
    a = floating(name, x)
    with np.errstate(all="ignore"):
        return applied(name, a)
