"""Running sums and products along an axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array, array_module
from gpunn.checks import as_axis
from gpunn.cpu.running import running_sums
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Axis, Named
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.elementwise import in_dtype, wide
from gpunn.ops.out import with_out
from gpunn.ops.reduce import Alias
from gpunn.restored import restored


@with_out
@restored
def cumsum(x: A, dim: Axis = None, dtype: DTypeLike | None = None, *, out: Array | None = None, **alias: Named) -> A:
    """Sums of x up to each place along dim (also: axis), in x's dtype; of bool and integers in int64.

    float32 and 16 bits are added up in float64. With a dtype, sums of x in that.

    >>> ops.cumsum([1.0, 2.0, 3.0], 0)
    array([1., 3., 6.], dtype=float32)
    """
    x = in_dtype(x, dtype)
    a = data_of(x)
    axis = along("cumsum", a, dim, alias)

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        with np.errstate(all="ignore"):
            return (_backwards(_rows(gy), axis).astype(gy.dtype, copy=False).reshape(gy.shape),)

    with np.errstate(all="ignore"):
        y = _sums(_rows(a), axis)
    return record("cumsum", _like(y, a, dtype), (x,), backward)


@with_out
@restored
def cumprod(x: A, dim: Axis = None, dtype: DTypeLike | None = None, *, out: Array | None = None, **alias: Named) -> A:
    """Products of x up to each place along dim (also: axis), in x's dtype; of bool and integers in int64.

    float32 and 16 bits are multiplied in float64. Its gradient is right also where factors are 0.

    >>> ops.cumprod([1.0, 2.0, 3.0], 0)
    array([1., 2., 6.], dtype=float32)
    """
    x = in_dtype(x, dtype)
    a = data_of(x)
    axis, xp = along("cumprod", a, dim, alias), array_module(a)

    @restored
    def backward(gy: Array, needs: Needs) -> Gradients:
        if gy.shape[axis : axis + 1] in ((), (1,)):  # where infinity would be divided by itself
            return (gy,)
        with np.errstate(all="ignore"):
            factors, g = _rows(a).astype(np.float64), _rows(gy).astype(np.float64)
            zero = factors == 0
            seen = _sums(zero, axis)
            first = zero & (seen == 1)
            y = _products(xp.where(first, 1, factors), axis)  # from the first 0 on: of all but that
            before = _backwards(xp.where(seen == 0, g * y, 0), axis) / factors
            after = _backwards(xp.where(seen > 0, g * y, 0), axis)
            gx = xp.where(seen == 0, before, xp.where(first, after, 0))
            return (gx.astype(gy.dtype).reshape(gy.shape),)

    with np.errstate(all="ignore"):
        y = _products(_rows(a), axis)
    return record("cumprod", _like(y, a, dtype), (x,), backward)


def along(op: str, a: Array, dim: Axis, alias: Alias) -> int:
    """The axis that `dim`, or its other name, means."""
    unknown = set(alias) - {"axis"}
    if unknown:
        raise TypeError(f"{op}: got an unexpected argument {sorted(unknown)[0]!r}; expected dim or axis")
    if "axis" in alias:
        if dim is not None:
            raise TypeError(f"{op}: got both dim {dim} and axis {alias['axis']}, two names of one argument; pass one")
        dim = alias["axis"]
    if dim is None:
        raise TypeError(f"{op}: dim is missing, expected the axis to go along; pass for example dim=0")
    return as_axis(op, a, dim)  # type: ignore[arg-type]


def _rows(a: Array) -> Array:
    """What has an axis to go along: a number counts as one, as in PyTorch; 16 bits as float32."""
    return wide(a).reshape(a.shape or (1,))


def _like(y: Array, a: Array, dtype: DTypeLike | None) -> Array:
    """In a's shape, and its dtype where that is floating point, or asked for."""
    return y.reshape(a.shape).astype(np.int64 if a.dtype.kind in "biu" and dtype is None else a.dtype, copy=False)


def _sums(a: Array, axis: int) -> Array:
    if type(a) is np.ndarray and a.dtype == np.float32:
        return running_sums(a, axis)
    return a.cumsum(axis, dtype=np.int64 if a.dtype.kind in "biu" else np.float64)


def _products(a: Array, axis: int) -> Array:
    return a.cumprod(axis, dtype=np.int64 if a.dtype.kind in "biu" else np.float64)


def _backwards(g: Array, axis: int) -> Array:
    """Running sums from the end."""
    turned = (slice(None),) * axis + (slice(None, None, -1),)
    return _sums(g[turned], axis)[turned]
