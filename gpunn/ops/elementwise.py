"""Functions of one array, element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn.backend import Array, array_module, is_array
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.tensor import data_of, record
from gpunn.restored import restored


def in_order(function: Callable[..., Array], *operands: Array | float | None) -> Array:
    """`function`, an elementwise one of NumPy's or CuPy's, in the memory order of its first array.

    CuPy's give row-major memory, whatever the order of their operands: channels-last images would be brought back by a
    copy at the next convolution.
    """
    first = next((a for a in operands if is_array(a)), None)
    if first is None or isinstance(first, np.ndarray) or first.flags.c_contiguous or first.dtype.kind not in "fV":
        return function(*operands)
    if any(is_array(a) and (a.shape != first.shape or a.dtype != first.dtype) for a in operands):
        return function(*operands)
    return function(*operands, out=array_module(first).empty_like(first))


def exp(x: A) -> A:
    """e ** x.

    >>> ops.exp([0.0, 1.0]).round(3)
    array([1.   , 2.718], dtype=float32)
    """
    y = _quiet("exp", x)
    return record("exp", y, (x,), lambda gy, needs: (gy * y,))


def log(x: A) -> A:
    """Natural logarithm; log(0) is -inf and that of a negative number nan.

    >>> ops.log([1.0, 0.0])
    array([  0., -inf], dtype=float32)
    """
    a, y = floating("log", x), _quiet("log", x)
    return record("log", y, (x,), lambda gy, needs: (gy / a,))


def sqrt(x: A) -> A:
    """Square root; nan for a negative number. The slope at 0 is inf.

    >>> ops.sqrt([4.0, 9.0])
    array([2., 3.], dtype=float32)
    """
    y = _quiet("sqrt", x)
    return record("sqrt", y, (x,), lambda gy, needs: (gy / (y + y),))


def abs(x: A) -> A:
    """Absolute value; the gradient at 0 is 0.

    >>> ops.abs([-1.0, 2.0])
    array([1., 2.], dtype=float32)
    """
    a = data_of(x)
    xp = array_module(a)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (gy * (xp.greater(a, 0).astype(gy.dtype) - xp.less(a, 0)).astype(gy.dtype, copy=False),)  # sign(nan): 0

    return record("abs", in_order(xp.abs, a), (x,), backward)


@restored
def clip(x: A, min: float | None = None, max: float | None = None) -> A:
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
    xp = array_module(a)

    def backward(gy: Array, needs: Needs) -> Gradients:
        inside = xp.ones(a.shape, dtype=bool)
        if min is not None:
            inside &= a >= min
        if max is not None:
            inside &= a <= max
        return (gy * inside,)

    if a.dtype.kind == "V":  # CuPy's clip has no bfloat16
        y = xp.clip(a.astype(np.float32), min, max).astype(a.dtype)
    else:
        with np.errstate(over="ignore"):  # a bound past float16 is infinite
            y = in_order(xp.clip, a, min, max)
    return record("clip", y, (x,), backward)


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
        return in_order(getattr(array_module(a), name), a)
