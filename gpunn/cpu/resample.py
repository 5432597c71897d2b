"""Resampling on NumPy arrays: bands of the sparse matrix as small dense products, planes that stay in the cache."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for
from gpunn.taps import Taps

BLOCK = 1 << 16  # elements of the planes that a task makes at once
FEW = 8  # slices that are sooner copied, or added, one by one
WIDE = 64  # elements that a band of outputs reads, about: a product of fewer is mostly its call
Bands: TypeAlias = list[tuple[slice, slice, np.ndarray]]  # outputs, what they read, and the matrix of both


@in_float32
def resample(x: np.ndarray, taps: tuple[Taps, ...]) -> np.ndarray:
    """x with each of its last axes resampled; in x's memory order. Taps without weights take any dtype."""
    first = x.ndim - len(taps)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]) if all(x.strides) else axis)
    shape = (*x.shape[:first], *[one.m for one in taps])
    y = np.empty([shape[axis] for axis in order], x.dtype)
    steps = [(place, taps[axis - first]) for place, axis in enumerate(order) if axis >= first]
    steps = [(place, one) for place, one in steps if not one.identity]
    # What shrinks comes first, then the last axis, whose products cost the most.
    steps.sort(key=lambda step: (step[1].m / step[1].n, -step[0]))
    source, lead = x.transpose(order), min([place for place, _ in steps], default=0)
    x3, y3 = (a.reshape(-1, *a.shape[lead:]) if lead else a[None] for a in (np.ascontiguousarray(source), y))
    most = max(math.prod(x3.shape[1:]), math.prod(y3.shape[1:]), 1)
    rows = max(1, BLOCK // most)

    def task(i: int) -> None:
        part, into = x3[i * rows : (i + 1) * rows], y3[i * rows : (i + 1) * rows]
        for count, (place, one) in enumerate(steps, start=1):
            part = _along(part, place - lead + 1, one, into if count == len(steps) else None)
        if not steps:
            into[...] = part

    if y.size:
        parallel_for(task, -(-len(y3) // rows), x.size + y.size)
    return y.transpose([order.index(axis) for axis in range(x.ndim)])


def _along(a: np.ndarray, axis: int, taps: Taps, y: np.ndarray | None) -> np.ndarray:
    """One axis of a row-major block, into y where it is given."""
    y = np.empty((*a.shape[:axis], taps.m, *a.shape[axis + 1 :]), a.dtype) if y is None else y
    lead, k = (slice(None),) * axis, taps.repeats
    if 0 < k <= FEW and axis == a.ndim - 1:
        for j in range(k):
            y[(*lead, slice(j, None, k))] = a
        return y
    if taps.weight is None:
        return np.take(a, taps.index, axis, out=y, mode="clip")  # "raise" would take a copy of y
    if 0 < (k := taps.groups) <= FEW:
        np.add(a[(*lead, slice(0, None, k))], a[(*lead, slice(1, None, k))] if k > 1 else 0, out=y)
        for j in range(2, k):
            y += a[(*lead, slice(j, None, k))]
        return y
    if k and math.prod(a.shape[axis + 1 :]) >= WIDE:
        return np.add.reduce(a.reshape(*a.shape[:axis], taps.m, k, *a.shape[axis + 1 :]), axis + 1, out=y)
    if not np.isfinite(a.sum()):  # a product would carry a NaN to the whole band
        return _gathered(a, axis, taps, y)
    outer, inner = math.prod(a.shape[:axis]), math.prod(a.shape[axis + 1 :])
    last = inner == 1
    above, below = (b.reshape((outer, n) if last else (outer, n, inner)) for b, n in ((y, taps.m), (a, taps.n)))
    for outputs, read, matrix in _bands(taps, a.dtype, last):
        pair = (below[:, read], matrix) if last else (matrix, below[:, read])
        np.matmul(*pair, out=above[:, outputs])
    return y


@lru_cache(256)
def _bands(taps: Taps, dtype: np.dtype, last: bool) -> Bands:
    """The matrix cut into bands of outputs; turned for the last axis."""
    height = max(8, min(WIDE, round(WIDE * taps.m / taps.n)) // (1 if last else 2))
    found: Bands = []
    for low in range(0, taps.m, height):
        high = min(low + height, taps.m)
        part = slice(taps.starts[low], taps.starts[high])
        index = taps.index[part]
        first, end = (int(index.min()), int(index.max()) + 1) if len(index) else (0, 0)
        outputs = np.repeat(np.arange(high - low), np.diff(taps.starts[low : high + 1]))
        matrix = np.zeros((high - low, end - first))
        np.add.at(matrix, (outputs, index - first), _weights(taps)[part])
        matrix = (matrix.T if last else matrix).astype(dtype, order="C")
        found.append((slice(low, high), slice(first, end), matrix))
    return found


def _weights(taps: Taps) -> Any:
    assert taps.weight is not None
    return taps.weight


def _gathered(a: np.ndarray, axis: int, taps: Taps, y: np.ndarray) -> np.ndarray:
    """The same tap by tap: an infinity or NaN reaches what reads it, and nothing else."""
    y[...] = 0
    lead, counts = (slice(None),) * axis, np.diff(taps.starts)
    for t in range(taps.most):
        rows = np.flatnonzero(counts > t)
        taken = taps.starts[rows] + t
        weight = _weights(taps)[taken].astype(a.dtype).reshape(-1, *(1,) * (a.ndim - axis - 1))
        y[(*lead, rows)] += a.take(taps.index[taken], axis) * weight
    return y
