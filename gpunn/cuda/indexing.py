"""Rows of a table, and the gradient of an index, on CUDA and emulated arrays: the twin of gpunn.cpu.indexing."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, device_of, faults, is_array, same_device, to_device
from gpunn.cuda.checks import check_arrays, check_devices
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order
from gpunn.cuda.noted import NAMES, noted
from gpunn.cuda.order import TYPES, as_numbers, order
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch
from gpunn.cuda.problem import Numbers
from gpunn.cuda.reduce import segment_sums
from gpunn.cuda.signature import Layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.errors import RowError

THREADS = 256
MOST_BLOCKS = 2048  # of kernels/indexing/rows.cu: each draws a ticket, one after the other


# ---------------------------------------------------------------- variants
def _rows(job: Numbers) -> tuple[Launch, ...]:
    width = pack(job.dtype) if job.aligned and job.L % pack(job.dtype) == 0 else 1
    each = max(blocks(job.M, MOST_BLOCKS), THREADS // max(job.L // width, 1), 1)
    grid = (blocks(job.M, each),)
    macros = {**storage_macros(job.dtype), "INDEX": TYPES[job.index], "VEC": width, "NHWC": 0}
    parts = Scratch("parts", grid, np.int64)
    args = ("table", "index", "y", parts, "state", job.M, job.K, job.L, each, *NAMES)
    return (Launch("indexing/rows", macros, grid, (THREADS,), args),)


ROWS = Operation("indexing.rows", Variant("row", ("indexing/rows",), "every size and dtype", _rows))


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _rows_plan(given: tuple, index: tuple, state: tuple, fed: tuple | None, asked: Asked) -> Plan:
    table, numbers = in_order(Layout(*given), False), as_numbers(Layout(*index))
    count, *shape = table.shape
    dtype = check_arrays(ROWS.name, table=table)
    check_devices(ROWS.name, table=table, index=numbers)
    job = Numbers(dtype, table.aligned, numbers.size, count, math.prod(shape), numbers.dtype.name)
    outputs = {"y": Output((*numbers.shape, *shape), table.dtype)}
    return ROWS.plan(job, {"table": table, "index": numbers, **noted(state, fed)}, outputs)


@lru_cache(KEPT)
def _check_plan(index: tuple, state: tuple, fed: tuple | None, count: int, asked: Asked) -> Plan:
    """The same of no elements."""
    numbers = as_numbers(Layout(*index))
    job = Numbers("float32", True, numbers.size, count, 0, numbers.dtype.name)
    return ROWS.plan(job, {"table": None, "y": None, "index": numbers, **noted(state, fed)}, {})


# ---------------------------------------------------------------- the functions
def rows(table: Array, index: Array, op: str) -> Array:
    """y (*, ...) of table (V, ...) and index (*); the first number that is no row is noted, and reads row 0."""
    if not index.size or not len(table):
        return table.take(index, axis=0)
    state, serial, call, fed = faults.watch(index, RowError.of, op, len(table))
    plan = _rows_plan(*layouts(table, index, state, fed), forced())
    return plan(table, index, state, np.int64(serial), np.int64(call), fed)


def check(index: Array, count: int, erring: faults.Erring, *known: Any) -> None:
    """Note the first number outside of 0 .. count-1, of which the next host read raises erring(number, at, *known)."""
    if not index.size:
        return
    state, serial, call, fed = faults.watch(index, erring, *known)
    plan = _check_plan(*layouts(index, state, fed), count, forced())
    plan(None, None, index, state, np.int64(serial), np.int64(call), fed)


def add(gy: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """gx of this shape: each element of gy added at the place from which x[index] read it, in gy's order."""
    parts = list(index) if isinstance(index, tuple) else [index]
    while parts and (parts[-1] is Ellipsis or (isinstance(parts[-1], slice) and parts[-1] == slice(None))):
        parts.pop()  # what is taken whole at the end stays together as a row
    lead = len(shape) if any(part is Ellipsis for part in parts) else sum(map(_axes_of, parts))
    places = math.prod(shape[:lead])
    if len(parts) == 1 and is_array(parts[0]) and parts[0].dtype.kind in "iu" and same_device(gy, parts[0]):
        keys = parts[0].reshape(-1)
    else:
        xp = array_module(gy)
        every = to_device(np.arange(places), device_of(gy)) if xp is np else xp.arange(places)
        keys = every.reshape(shape[:lead])[tuple(parts)].reshape(-1)
    rows = gy.reshape(keys.size, math.prod(shape[lead:]))
    if not rows.size or not places:
        return array_module(gy).zeros_like(gy, shape=shape)
    return segment_sums(rows, *order(keys, places)).reshape(shape)


def _axes_of(part: Any) -> int:
    """How many axes one part of an index speaks of."""
    if getattr(getattr(part, "dtype", None), "kind", "") == "b":
        return part.ndim
    return 0 if part is None else 1
