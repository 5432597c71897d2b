"""Rows of a table by number: embedding (Bengio et al., 2003)."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.checks import arrays, check_same_device, check_written
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide
from gpunn.scalars import as_int, as_number


@with_out
def embedding(
    x: Operand,
    weight: A,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """The rows of weight (V, D) that x (*), integers from 0 to V - 1, names: (*, D).

    The gradient adds up what goes to one row, in x's order: the same bits at every run.

    Args:
        padding_idx: a row that gets no gradient; from -V on it counts from the end.
        max_norm: rows that x names and whose norm of order norm_type is above are first scaled to it, in `weight`.
        scale_grad_by_freq: each row's gradient is divided by how often x names it.
        sparse: False; sparse gradients are left out.

    IndexError: a number outside of 0 .. V-1; on a device noted, and raised by the next gpunn.to_numpy.
    ValueError: weight is no matrix, padding_idx no row, sparse=True; TypeError: dtypes.

    >>> ops.embedding(np.array([2, 0]), np.arange(6.0).reshape(3, 2))
    array([[4., 5.],
           [0., 1.]])
    """
    op = "embedding"
    (w,), index = arrays(op, weight=weight), data_of(x)
    if w.ndim != 2:
        raise ValueError(f"{op}: weight is {w.shape}, expected (V, D): a row a number; reshape it")
    if index.dtype.kind not in "iu":
        raise TypeError(f"{op}: x is {index.dtype}, expected integers; convert it, for example with x.astype('int64')")
    check_same_device(op, w, index, "weight", "x")
    if sparse:
        raise ValueError(f"{op}: sparse is True, expected False: sparse gradients are left out; leave it out, too")
    padding = None if padding_idx is None else as_row(op, padding_idx, len(w))
    if max_norm is not None:
        check_written(op, weight=weight)
        _shrink_rows(w, index, as_number(op, "max_norm", max_norm), as_number(op, "norm_type", norm_type))
    shape = w.shape  # not w itself, which a step may change before the backward pass

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[None, Array]:
        if scale_grad_by_freq:
            gy = (wide(gy) / _frequency(index, shape[0])[..., None]).astype(gy.dtype, copy=False)
        gw = twins(gy).indexing.add(gy, index, shape)
        if padding is not None:
            gw[padding] = 0
        return None, gw

    return record(op, twins(w).indexing.rows(w, index, op), (x, weight), backward, owned=True)


def as_row(op: str, padding_idx: object, rows: int) -> int:
    """The row that padding_idx names, counted from 0."""
    at = as_int(op, "padding_idx", padding_idx)
    if not -rows <= at < rows:
        raise ValueError(f"{op}: padding_idx is {at}, expected {-rows} to {rows - 1}: one of the {rows} rows of weight")
    return at % rows


def _frequency(index: Array, rows: int) -> Array:
    """How often each element's row is named, float32."""
    ones = array_module(index).ones_like(index, dtype=np.float32)
    return twins(ones).indexing.add(ones, index, (rows,))[index]


def _shrink_rows(w: Array, index: Array, most: float, order: float) -> None:
    """Rows that the index names, and whose norm is above `most`, scaled to it in place."""
    xp = array_module(w)
    named = xp.zeros_like(w, shape=(len(w),), dtype=bool)
    named[index.reshape(-1)] = True
    rows = w[named] if type(w) is np.ndarray else w  # how many are named a device would have to tell the host
    size = abs(wide(rows))
    norm = size.max(1, initial=0) if order == np.inf else (size**order).sum(1) ** (1 / order)
    scale = xp.where(norm > most, most / (norm + 1e-7), 1).astype(size.dtype)[:, None]
    if type(w) is np.ndarray:
        w[named] = (wide(rows) * scale).astype(w.dtype)
    else:
        w[...] = xp.where(named[:, None], wide(w) * scale, wide(w)).astype(w.dtype)
