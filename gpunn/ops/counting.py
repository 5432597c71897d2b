"""Distinct values, and how often they come: unique, bincount, histc. Without gradients; the host waits for sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, capture
from gpunn.checks import as_axis, check_same_device
from gpunn.engine.autograd import no_grad
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import floating, wide
from gpunn.ops.out import with_out
from gpunn.scalars import as_int, as_number


@with_out
def unique(
    x: A,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
    *,
    out: Any = None,
) -> Any:
    """The distinct values of x in rising order, 1-D; with a dim the distinct slices along it. Each nan is its own.

    They are in order, whatever `sorted` says. With return_inverse also where each of x went, in x's shape, or of the
    dim's size; with return_counts how often each came: then a tuple.

    >>> ops.unique([3, 1, 3], return_counts=True)
    (array([1, 3]), array([1, 2]))
    """
    a = data_of(x)
    _refuse_captured("unique", a)
    axis, b, xp = None if dim is None else as_axis("unique", a, dim), wide(a), array_module(a)
    if axis is not None and not a.ndim:
        raise ValueError(f"unique: dim is {dim} but x has no dimensions, expected one at least; leave dim out")
    b = b.reshape(-1) if axis is None else b
    found = xp.unique(b, return_inverse=return_inverse, return_counts=return_counts, axis=axis, equal_nan=False)
    values, *more = found if isinstance(found, tuple) else (found,)
    if return_inverse:
        more[0] = more[0].reshape(a.shape if axis is None else (a.shape[axis],))
    made = [values.astype(a.dtype, copy=False), *[one.astype(np.int64, copy=False) for one in more]]
    results = tuple([_as_given("unique", x, one) for one in made])
    return results if more else results[0]


@with_out
def bincount(x: A, weights: A | None = None, minlength: int = 0, *, out: Array | None = None) -> A:
    """How often each of 0, 1, 2, ... comes in x (N,) of integers: int64; with weights (N,) the sum of theirs.

    Raises:
        TypeError: x is not of integers.
        ValueError: x is not 1-D, has a number below 0, or is not of weights' shape.

    >>> ops.bincount(np.array([1, 3, 1]))
    array([0, 2, 0, 1])
    """
    a = data_of(x)
    if a.dtype.kind not in "iu":
        raise TypeError(f"bincount: got dtype {a.dtype}, expected integers; convert with .to('int64') or astype")
    if as_int("bincount", "minlength", minlength) < 0:
        raise ValueError(f"bincount: minlength is {minlength}, expected at least 0; leave it out")
    if a.ndim != 1:
        raise ValueError(f"bincount: x is {a.shape}, expected one dimension; flatten it first")
    _refuse_captured("bincount", a)
    if a.size and a.min() < 0:
        raise ValueError(f"bincount: x has {int(a.min())}, expected no number below 0; shift or drop what is below")
    w = None if weights is None else data_of(weights)
    if w is not None:
        check_same_device("bincount", a, w, "x", "weights")
        if w.shape != a.shape:
            raise ValueError(f"bincount: weights is {w.shape}, expected {a.shape}, one for each of x; cut or pad it")
    y = array_module(a).bincount(a, None if w is None else wide(w).astype(np.float64), minlength)
    if w is not None:
        y = y.astype(np.float32 if w.dtype == np.float32 else np.float64, copy=False)
    return _as_given("bincount", x, y)


@with_out
def histc(x: A, bins: int = 100, min: float = 0, max: float = 0, *, out: Array | None = None) -> A:
    """How many of x fall in each of so many equal bins from min to max, in x's dtype.

    Where both are 0 they go from the least to the largest of x.

    >>> ops.histc([1.0, 2.0, 1.5], bins=2, min=1, max=2)
    array([1., 2.], dtype=float32)
    """
    a = floating("histc", x)
    _refuse_captured("histc", a)
    low, high = as_number("histc", "min", min), as_number("histc", "max", max)
    if as_int("histc", "bins", bins) < 1:
        raise ValueError(f"histc: bins is {bins}, expected at least 1")
    if not low <= high or not np.isfinite([low, high]).all():
        raise ValueError(f"histc: min is {min} and max {max}, expected finite ones, min not above max; swap them")
    b, xp = wide(a).reshape(-1), array_module(a)
    if low == high and b.size:
        low, high = float(b.min()), float(b.max())
        if not np.isfinite([low, high]).all():
            raise ValueError(f"histc: x runs from {low} to {high}, expected finite numbers; pass min and max")
    if low == high:
        low, high = low - 1, high + 1
    places = ((b[(b >= low) & (b <= high)] - low) * (bins / (high - low))).astype(np.int64)
    return _as_given("histc", x, xp.bincount(xp.minimum(places, bins - 1), minlength=bins).astype(a.dtype))


def _refuse_captured(name: str, a: Array) -> None:
    if type(a) is not np.ndarray:
        capture.refuse(f"{name}: how many values there are only the device knows; call it outside of the step")


def _as_given(name: str, x: object, y: Array) -> Any:
    """A Tensor where x is one; counts have no gradient."""
    with no_grad():
        return record(name, y, (x,), lambda gy, needs: (None,))
