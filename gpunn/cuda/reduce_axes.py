"""Sums, means and extremes over axes as kernels/reduce/axes.cu makes them: one launch each."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import source, structs
from gpunn.cuda.axes import apart, is_wide, joined, new_in_axes, order_of
from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.elementwise import AXES, is_taken
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import KEPT, Launch, Layout, Plan, Scratch, Tickets, layout
from gpunn.cuda.problem import Reduction
from gpunn.cuda.variants import Asked, Operation, Variant, forced

THREADS = 256
BLOCKS = 1056  # that an H200 holds at once, eight on each of 132 multiprocessors
AT_ONCE = 4  # accesses of a thread, the least that a part should be
NAMES = {"sum": 0, "mean": 0, "max": 1, "min": 2}


# ---------------------------------------------------------------- variants
def _refuse_wide(job: Reduction) -> str:
    if not job.aligned:
        return "an array does not start on a multiple of 16 bytes"
    return "" if job.wide else "neighbours in memory do not come in multiples of 16 bytes"


def _share(job: Reduction, width: int) -> tuple[int, int, int, int, int]:
    """Accesses or elements kept and reduced, lanes of a block, tiles, parts."""
    kept, reduced = job.L // (width if job.columns else 1), job.J // (1 if job.columns else width)
    lanes = 1
    while lanes < 32 and lanes < (kept if job.columns else reduced):
        lanes *= 2
    if not job.columns and reduced >= THREADS and blocks(kept, THREADS // lanes) < BLOCKS // 4:
        lanes = THREADS  # few long rows: a block each
    tiles = blocks(kept, lanes if job.columns else THREADS // lanes)
    members = THREADS // lanes if job.columns else lanes
    parts = max(1, min(blocks(BLOCKS, tiles), reduced // (AT_ONCE * members)))
    return kept, reduced, lanes, tiles, parts


def _launch(job: Reduction, width: int) -> tuple[Launch, ...]:
    kept, reduced, lanes, tiles, parts = _share(job, width)
    made = np.zeros((), structs.layout(source.read("reduce/axes").text, "Axes", {}).dtype)
    for name, walk, inner in (("kept", job.kept, job.columns), ("reduced", job.reduced, not job.columns)):
        sizes, x, factor = map(list, zip(*walk, strict=True))
        if inner:
            sizes[0], x[0], factor[0] = sizes[0] // width, x[0] * width, factor[0] * width
        for field, values in (("size", sizes), ("x", x), ("factor", factor)):
            made[f"{name}_{field}"][: len(values)] = values
        made[f"{name}_rank"] = len(walk)
    made["kept"], made["reduced"], made["lanes"], made["J"] = kept, reduced, lanes, parts
    made["what"] = NAMES[job.function]
    shared = (None, None)
    if parts > 1:
        shared = Scratch("parts", (parts, job.L), np.float64), Tickets(tiles)
    args = ("x", "factor", "y", *shared, made[()], float(job.J if job.function == "mean" else 1))
    macros = {**storage_macros(job.dtype), "VEC": width, "COLUMNS": int(job.columns)}
    return (Launch("reduce/axes", macros, (tiles * parts,), (THREADS,), args),)


WIDE = "arrays that are one along the innermost axis of x's memory, in multiples of 16 bytes"
REDUCE = Operation(
    "reduce.axes",
    Variant("vector", ("reduce/axes",), WIDE, _refuse_wide, lambda job: _launch(job, pack(job.dtype))),
    Variant("element", ("reduce/axes",), "every stride", lambda job: "", lambda job: _launch(job, 1)),
)


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _plan(name: str, given: tuple, beside: tuple | None, axes: tuple[int, ...], asked: Asked) -> Plan | None:
    x, factor = Layout(*given), None if beside is None else Layout(*beside)
    if not is_taken(x) or (factor is not None and not (is_taken(factor) and factor.dtype == x.dtype)):
        return None
    inputs = {"x": x, "factor": factor}
    check_devices(REDUCE.name, **{name: found for name, found in inputs.items() if found is not None})
    order = order_of([x], x.shape)
    strides = [apart(x, x.shape), apart(factor, x.shape)]
    kept = joined(x.shape, tuple([axis for axis in order if axis not in axes]), strides)
    reduced = joined(x.shape, tuple([axis for axis in order if axis in axes]), strides)
    if max(len(kept), len(reduced)) > AXES:
        return None
    inner = next((axis for axis in reversed(order) if x.shape[axis] != 1), None)
    columns = inner is not None and inner not in axes
    first, *rest = (*kept, *reduced) if columns else (*reduced, *kept)
    wide = first[1] == 1 and is_wide((first, *rest), pack(x.dtype.name))
    shape = tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    aligned = x.aligned and (factor is None or factor.aligned)
    terms = math.prod([x.shape[axis] for axis in axes])
    job = Reduction(x.dtype.name, aligned, math.prod(shape), x.size, terms, name, kept, reduced, columns, wide)
    return REDUCE.plan(job, inputs, {"y": new_in_axes(shape, x.dtype, order)}, empty=not job.L)


def reduced(name: str, x: Array, axes: tuple[int, ...], factor: Array | None = None) -> Array | None:
    """The "sum", "mean", "max" or "min" of x, times a factor, over axes that stay as 1; None: no kernel takes it."""
    beside: Any = None if factor is None else layout(factor)
    plan = _plan(name, layout(x), beside, axes, forced())
    return None if plan is None else plan(x, factor)
