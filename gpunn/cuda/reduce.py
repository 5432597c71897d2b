"""Sums that other operations end with: of parts that blocks left, and of rows that go to one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda import reduce_axes
from gpunn.cuda.checks import check_arrays
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch
from gpunn.cuda.problem import Problem
from gpunn.cuda.reduce_axes import extreme as extreme
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced

__all__ = ["extreme", "reduced"]

THREADS = 256


@dataclass(frozen=True)
class Segments(Problem):
    """M rows of L elements, added up to K rows."""

    M: int
    K: int
    L: int


def sum_parts(parts: Scratch, out: str, dtype: str) -> Launch:
    """``out``, an operand of this dtype: the parts added up along their first axis, in order."""
    count, *shape = parts.shape
    items = math.prod(shape)
    args = (parts, out, items, count)
    return Launch("reduce/sum_parts", storage_macros(dtype), (blocks(items, THREADS),), (THREADS,), args)


def _launch(job: Segments) -> tuple[Launch, ...]:
    width = pack(job.dtype) if job.aligned and job.L % pack(job.dtype) == 0 else 1
    grid = (blocks(job.K * job.L // width, THREADS),)
    args = ("gy", "starts", "order", "gx", job.K, job.L)
    return (Launch("reduce/segment_sums", {**storage_macros(job.dtype), "VEC": width}, grid, (THREADS,), args),)


SEGMENT_SUMS = Operation(
    "reduce.segment_sums",
    Variant("element", ("reduce/segment_sums",), "every size and dtype", _launch),
)


@lru_cache(KEPT)
def _plan(gy: tuple, starts: tuple, order: tuple, asked: Asked) -> Plan:
    given = in_order(Layout(*gy), nhwc=False)
    inputs = {"gy": given, "starts": Layout(*starts), "order": Layout(*order)}
    m, columns = given.shape
    places = inputs["starts"].shape[0] - 1
    job = Segments(check_arrays("reduce.segment_sums", gy=given), given.aligned, m, places, columns)
    outputs = {"gx": Output((places, columns), given.dtype)}
    return SEGMENT_SUMS.plan(job, inputs, outputs, empty=not m * places * columns)


def segment_sums(gy: Array, starts: Array, order: Array) -> Array:
    """gx (K, L): place k has the sum of the rows of gy (M, L) that order[starts[k]:starts[k + 1]] names, in order.

    starts (K + 1) and order (M) are int64.
    """
    return _plan(layout(gy), layout(starts), layout(order), forced())(gy, starts, order)


def reduced(name: str, x: Array, axes: tuple[int, ...], factor: Array | None = None) -> Array:
    """The reduction of this name of floats, of x or of x times a factor, over axes that stay as 1.

    "sum", "mean", "max", "min"; of x alone also "prod", "norm1" (the sum of |x|), "norm2" and "amax" (the largest |x|).
    """
    y = reduce_axes.reduced(name, x, axes, factor)
    if y is not None:
        return y
    rows, shape = reduce_axes.rows_of(x if factor is None else x * factor, axes)
    return reduced(name, rows, (1,)).reshape(shape)
