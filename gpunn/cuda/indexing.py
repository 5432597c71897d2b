"""Rows of a table, and the gradient of an index, on CUDA and emulated arrays: the twin of gpunn.cpu.indexing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, device_of, faults, to_device
from gpunn.cuda.reduce import segment_sums
from gpunn.errors import RowError


def rows(table: Array, index: Array, op: str) -> Array:
    """y (*, ...) of table (V, ...) and index (*); the first number that is no row is noted, and reads row 0."""
    if not index.size or not len(table):
        return table.take(index, axis=0)
    xp, flat = array_module(index), index.reshape(-1)
    wrong = (flat < 0) | (flat >= len(table))
    state, serial, call, fed = faults.watch(index, RowError.of, op, len(table))
    first = wrong.argmax()
    noted = wrong[first] & (state[1] == 0)
    for field, value in enumerate((serial if fed is None else fed, flat[first], first, call), start=1):
        state[field] = xp.where(noted, value, state[field])
    return table.take(xp.where(wrong, 0, flat).reshape(index.shape), axis=0)


def add(gy: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """gx of this shape: each element of gy added at the place from which x[index] read it, in gy's order."""
    parts = list(index) if isinstance(index, tuple) else [index]
    while parts and (parts[-1] is Ellipsis or (isinstance(parts[-1], slice) and parts[-1] == slice(None))):
        parts.pop()  # what is taken whole at the end stays together as a row
    lead = len(shape) if any(part is Ellipsis for part in parts) else sum(map(_axes_of, parts))
    xp, rows = array_module(gy), math.prod(shape[:lead])
    places = to_device(np.arange(rows), device_of(gy)) if xp is np else xp.arange(rows)
    keys = places.reshape(shape[:lead])[tuple(parts)].reshape(-1)
    order = xp.argsort(keys, kind="stable")
    gx = segment_sums(gy.reshape(keys.size, math.prod(shape[lead:])), keys[order], order, rows)
    return gx.reshape(shape)


def _axes_of(part: Any) -> int:
    """How many axes one part of an index speaks of."""
    if getattr(getattr(part, "dtype", None), "kind", "") == "b":
        return part.ndim
    return 0 if part is None else 1
