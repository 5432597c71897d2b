"""Sums that other operations end with: of parts that blocks left, and of rows that go to one place."""

from __future__ import annotations

import math
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda import reduce_axes
from gpunn.cuda.checks import check_arrays
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order
from gpunn.cuda.plans import KEPT, Launch, Layout, Output, Plan, Scratch, layout
from gpunn.cuda.problem import Segments
from gpunn.cuda.reduce_axes import extreme as extreme
from gpunn.cuda.variants import Asked, Operation, Variant, forced

__all__ = ["extreme", "reduced"]

THREADS = 256


def sum_parts(parts: Scratch, out: str, dtype: str) -> Launch:
    """``out``, an operand of this dtype: the parts added up along their first axis, in order."""
    count, *shape = parts.shape
    items = math.prod(shape)
    args = (parts, out, items, count)
    return Launch("reduce/sum_parts", storage_macros(dtype), (blocks(items, THREADS),), (THREADS,), args)


def _launch(job: Segments) -> tuple[Launch, ...]:
    grid = (blocks(job.K * job.L, THREADS),)
    args = ("gy", "keys", "order", "gx", job.M, job.K, job.L)
    return (Launch("reduce/segment_sums", storage_macros(job.dtype), grid, (THREADS,), args),)


SEGMENT_SUMS = Operation(
    "reduce.segment_sums",
    Variant("element", ("reduce/segment_sums",), "every size and dtype", lambda job: "", _launch),
)


@lru_cache(KEPT)
def _plan(gy: tuple, keys: tuple, order: tuple, places: int, asked: Asked) -> Plan:
    given = Layout(*gy)
    inputs = {"gy": in_order(given, nhwc=False), "keys": Layout(*keys), "order": Layout(*order)}
    m, columns = given.shape
    job = Segments(check_arrays("reduce.segment_sums", gy=given), given.aligned, m, places, columns)
    outputs = {"gx": Output((places, columns), given.dtype)}
    return SEGMENT_SUMS.plan(job, inputs, outputs, empty=not m * places * columns)


def segment_sums(gy: Array, keys: Array, order: Array, places: int) -> Array:
    """gx (places, L): the rows of gy (M, L) added up by their keys, which rise; row m is gy[order[m]]."""
    return _plan(layout(gy), layout(keys), layout(order), places, forced())(gy, keys, order)


def reduced(name: str, x: Array, axes: tuple[int, ...], factor: Array | None = None) -> Array:
    """The reduction of this name of floats, of x or of x times a factor, over axes that stay as 1.

    "sum", "mean", "max", "min"; of x alone also "prod", "norm1" (the sum of |x|), "norm2" and "amax" (the largest |x|).
    """
    y = reduce_axes.reduced(name, x, axes, factor)
    if y is not None:
        return y
    rows, shape = reduce_axes.rows_of(x if factor is None else x * factor, axes)
    return reduced(name, rows, (1,)).reshape(shape)
