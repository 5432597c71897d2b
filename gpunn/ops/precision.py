"""What ops do under gpunn.precision: products cast their operands to 16 bits, losses and sums theirs to float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.asked import narrow
from gpunn.backend import Array
from gpunn.cpu.narrow import cast as cast_on_cpu
from gpunn.engine.operators import Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.restored import restored

_FLOATS = ("float32", "float16", "bfloat16")  # of which float64 is none: it stays as exact as it was asked to be


def narrowed(*inputs: object) -> tuple[Any, ...]:
    """The operands of a product, cast to the 16-bit type of the precision that holds; None stays None."""
    dtype = narrow()
    return inputs if dtype is None else tuple([x if x is None else cast(x, dtype) for x in inputs])


def widened(*inputs: object) -> Any:
    """16-bit arrays and Tensors as float32 where a 16-bit precision holds; one alone comes as itself."""
    found = inputs if narrow() is None else [_wide(x) for x in inputs]
    return found if len(inputs) > 1 else found[0]


def _wide(x: object) -> object:
    is_narrow = getattr(getattr(x, "dtype", None), "itemsize", 0) == 2
    return cast(x, np.dtype(np.float32)) if is_narrow else x


def like(x: Operand, value: Operand | None) -> Any:
    """`value` cast to x's dtype where a 16-bit precision holds and either is of 16 bits: a residual, or slopes."""
    if narrow() is None or value is None or 2 not in (x.dtype.itemsize, value.dtype.itemsize):
        return value
    return cast(value, x.dtype)


def wide_on_cpu(*inputs: object) -> tuple[tuple[Any, ...], np.dtype | None]:
    """Arrays of one 16-bit type on the cpu as float32, for what several ops compute, and the type to round to once.

    Elsewhere, of other types, and where a precision holds they come as they are, with None.
    """
    if narrow() is not None:
        return inputs, None
    dtypes = {data_of(x).dtype for x in inputs}
    dtype = dtypes.pop()
    if dtypes or dtype.itemsize != 2 or dtype.name not in _FLOATS or type(data_of(inputs[0])) is not np.ndarray:
        return inputs, None
    return tuple([cast(x, np.dtype(np.float32)) for x in inputs]), dtype


def cast(x: object, dtype: np.dtype) -> Any:
    """x in another type of floats, recorded: its gradient comes back in x's. What is too large becomes infinite."""
    a = data_of(x)
    if a.dtype == dtype or a.dtype.name not in _FLOATS:
        return x
    before = a.dtype
    return record("cast", rounded(a, dtype), (x,), lambda gy, needs: (rounded(gy, before),), owned=True)


@restored
def rounded(a: Array, dtype: np.dtype) -> Array:
    """An array of floats in the type, itself where it is; what is too large for it is infinite, and no warning."""
    if a.dtype == dtype:
        return a
    if type(a) is np.ndarray:
        return cast_on_cpu(a, dtype)
    with np.errstate(over="ignore"):
        return a.astype(dtype)
