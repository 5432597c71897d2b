"""Numbers of an index sorted, alike ones in order: from where each row of its gradient comes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.constants import constant
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast, in_order
from gpunn.cuda.plans import KEPT, Launch, Output, Plan
from gpunn.cuda.problem import Numbers
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced

THREADS = 256  # a block, and the rows that it owns
COUNTED = 1 << 18, 1 << 27  # numbers that are sorted by counting; and numbers times blocks, each of which reads all
TYPES = {"int32": "int", "int64": "i64"}  # of numbers; others become int64


def _order(job: Numbers) -> tuple[Launch, ...]:
    macros = {**storage_macros(job.dtype), "INDEX": TYPES[job.index]}
    args = ("index", "starts", "order", job.M, job.K)
    return (Launch("indexing/order", macros, (blocks(job.K, THREADS),), (THREADS,), args),)


ORDER = Operation("indexing.order", Variant("thread", ("indexing/order",), "every size", _order))


def as_numbers(index: Layout) -> Layout:
    """Numbers in a row, as kernels read them."""
    return in_order(index, False) if index.dtype.name in TYPES else cast(index, np.dtype(np.int64)) or index


@lru_cache(KEPT)
def _plan(index: tuple, rows: int, asked: Asked) -> Plan:
    numbers = as_numbers(Layout(*index))
    job = Numbers("float32", numbers.aligned, numbers.size, rows, 0, numbers.dtype.name)
    outputs = {"starts": Output((rows + 1,), np.int64), "order": Output((numbers.size,), np.int64)}
    return ORDER.plan(job, {"index": numbers}, outputs)


def order(index: Array, rows: int) -> tuple[Array, Array]:
    """(starts, order): which numbers name row k, order[starts[k]:starts[k + 1]] in the order in which they stand.

    index (M) of numbers from -rows to rows - 1; starts (rows + 1) and order (M), int64.
    """
    numbers, work = COUNTED
    if index.size <= numbers and index.size * blocks(rows, THREADS) <= work:
        return _plan(layout(index), rows, forced())(index)
    xp, index = array_module(index), index.astype(np.int64) % rows
    found = xp.argsort(index, kind="stable")
    return xp.searchsorted(index[found], constant(np.arange(rows + 1), index)), found
