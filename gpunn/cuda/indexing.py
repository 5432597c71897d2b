"""The gradient of an index on CUDA and emulated arrays: the twin of gpunn.cpu.indexing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, device_of, to_device
from gpunn.cuda.reduce import segment_sums


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
