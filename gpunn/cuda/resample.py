"""Resampling on CUDA and emulated arrays: the twin of gpunn.cpu.resample."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.constants import constant
from gpunn.cuda.dtypes import wide
from gpunn.taps import Taps


def resample(x: Array, taps: tuple[Taps, ...]) -> Array:
    """x with each of its last axes resampled. Taps without weights take any dtype."""
    dtype = x.dtype
    y = wide(x)
    for axis, one in enumerate(taps, start=x.ndim - len(taps)):
        y = y if one.identity else _along(y, axis, one)
    return y.astype(dtype, copy=False)


def _along(a: Array, axis: int, taps: Taps) -> Array:
    """One axis, tap by tap."""
    if taps.weight is None:
        return a.take(constant(taps.index, a), axis=axis)
    y = array_module(a).zeros_like(a, shape=(*a.shape[:axis], taps.m, *a.shape[axis + 1 :]))
    lead, counts = (slice(None),) * axis, np.diff(taps.starts)
    for t in range(taps.most):
        rows = np.flatnonzero(counts > t)
        taken = taps.starts[rows] + t
        weight = taps.weight[taken].astype(a.dtype).reshape(-1, *(1,) * (a.ndim - axis - 1))
        part = a.take(constant(taps.index[taken], a), axis=axis) * constant(weight, a)
        if len(rows) == taps.m:
            y += part
        else:
            y[(*lead, constant(rows, a))] += part
    return y
