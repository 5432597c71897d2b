"""Functions of arrays, element by element, with NumPy's own.

Beside them selections that NumPy does slowly: a copy under a mask costs 3 ns an element, a product 0.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn import pointwise
from gpunn.cpu.glu import glu, glu_slope
from gpunn.cpu.narrow import in_float32, is_narrow
from gpunn.cpu.normal_cdf import erf, erfc
from gpunn.cpu.remainders import floor_divide, remainder
from gpunn.layout import contiguous
from gpunn.restored import restored

__all__ = ["add_into", "apply", "in_memory", "place"]

_OWN = {"erf": erf, "erfc": erfc, "glu": glu, "glu_slope": glu_slope}  # which NumPy has not
_OWN |= {"remainder": remainder, "floor_divide": floor_divide}  # or does slowly


def apply(name: str, *operands: Any) -> np.ndarray:
    """NumPy's function of this name, or one of gpunn.pointwise, of arrays and numbers that fit together."""
    arrays = [x for x in operands if isinstance(x, np.ndarray)]
    if arrays and is_narrow(arrays[0]) and all([x.dtype == arrays[0].dtype for x in arrays]):
        return _in_float32(name, *[_number(x, arrays[0].dtype) for x in operands])
    y = _function(name)(*operands)
    return y if isinstance(y, np.ndarray) else np.asarray(y)  # NumPy makes numbers of arrays without dimensions


@in_float32
def _in_float32(name: str, *operands: Any) -> np.ndarray:
    return _function(name)(*operands)


def _function(name: str) -> pointwise.Function:
    return _OWN[name] if name in _OWN else pointwise.function(np, name)


@restored
def _number(x: Any, dtype: np.dtype) -> Any:
    """A number beside 16-bit arrays rounded to their type, as NumPy and kernels have it."""
    with np.errstate(over="ignore"):
        return x if x is None or isinstance(x, np.ndarray) else np.asarray(x, dtype)


def add_into(total: np.ndarray, x: np.ndarray) -> None:
    """Add x to a total of its shape, in place; nobody else holds that."""
    total += x


def in_memory(x: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """x with its axes in this order, in memory row by row: a view where it is so, else a copy."""
    return contiguous(x.transpose(order))


def place(
    x: np.ndarray, shape: tuple[int, ...], first: tuple[int, ...], step: tuple[int, ...], value: float = 0
) -> np.ndarray:
    """An array of this shape and x's memory order: x from `first` on in these steps along each axis, else value."""
    return pointwise.placed(np, x, shape, first, step, value)


def select(values: np.ndarray, mask: np.ndarray, out: np.ndarray) -> np.ndarray:
    """values where mask, else exactly 0 (also where values are inf or NaN): a product of bit patterns with 0 or 1."""
    kind = np.dtype(f"i{values.dtype.itemsize}")
    np.multiply(values.view(kind), mask.view(np.int8), out=out.view(kind))
    return out


def rectify(x: np.ndarray, zeros: np.ndarray, out: np.ndarray) -> np.ndarray:
    """max(x, 0) with NaN kept; `zeros` spans x's last axis, since maximum with a scalar is not vectorised."""
    return np.maximum(x, zeros, out=out)
