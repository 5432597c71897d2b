"""Reductions over axes as kernels/reduce/axes.cu and extremes.cu make them: one launch each."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import source, structs
from gpunn.cuda.axes import apart, is_wide, joined, new_in_axes, order_of
from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.elementwise import AXES, is_taken, refuse_wide
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch, Tickets
from gpunn.cuda.problem import Reduction
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.layout import contiguous

THREADS = 256
BLOCKS = 1056  # that an H200 holds at once, eight on each of 132 multiprocessors
AT_ONCE = 4  # accesses of a thread, the least that a part should be
NAMES = {"sum": 0, "mean": 0, "max": 1, "min": 2, "norm1": 3, "norm2": 4, "amax": 5, "prod": 6}  # axes.cuh's


# ---------------------------------------------------------------- variants
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


def _axes(job: Reduction, width: int) -> tuple[np.ndarray, int, int]:
    """What kernels are told of the axes; tiles, and parts of each."""
    kept, reduced, lanes, tiles, parts = _share(job, width)
    made = np.zeros((), structs.layout(source.read("reduce/axes").text, "Axes", {}).dtype)
    for name, walk, inner in (("kept", job.kept, job.columns), ("reduced", job.reduced, not job.columns)):
        sizes, x, other = map(list, zip(*walk, strict=True))
        if inner:
            sizes[0], x[0], other[0] = sizes[0] // width, x[0] * width, other[0] * width
        for field, values in (("size", sizes), ("x", x), ("other", other)):
            made[f"{name}_{field}"][: len(values)] = values
        made[f"{name}_rank"] = len(walk)
    made["kept"], made["reduced"], made["lanes"], made["J"] = kept, reduced, lanes, parts
    made["what"] = NAMES[job.function]
    return made[()], tiles, parts


def _launch(job: Reduction, width: int) -> tuple[Launch, ...]:
    axes, tiles, parts = _axes(job, width)
    joined = (Scratch("parts", (parts, job.L), np.float64), Tickets(tiles)) if parts > 1 else (None, None)
    args = ("x", "factor", "y", *joined, axes, float(job.J if job.function == "mean" else 1))
    macros = {**storage_macros(job.dtype), "VEC": width, "COLUMNS": int(job.columns)}
    return (Launch("reduce/axes", macros, (tiles * parts,), (THREADS,), args),)


def _seek(job: Reduction, width: int) -> tuple[Launch, ...]:
    axes, tiles, parts = _axes(job, width)
    joined = None, None, None
    if parts > 1:
        found = [Scratch(name, (parts, job.L), dtype) for name, dtype in (("parts", np.float64), ("at", np.int64))]
        joined = *found, Tickets(tiles)
    macros = {**storage_macros(job.dtype), "VEC": width, "COLUMNS": int(job.columns)}
    return (Launch("reduce/extremes", macros, (tiles * parts,), (THREADS,), ("x", "y", "places", *joined, axes)),)


WIDE = "arrays that are one along the innermost axis of x's memory, in multiples of 16 bytes"
REDUCE = Operation(
    "reduce.axes",
    Variant("vector", ("reduce/axes",), WIDE, lambda job: _launch(job, pack(job.dtype)), refuse_wide),
    Variant("element", ("reduce/axes",), "every stride", lambda job: _launch(job, 1)),
)
EXTREME = Operation(
    "reduce.extreme",
    Variant("vector", ("reduce/extremes",), WIDE, lambda job: _seek(job, pack(job.dtype)), refuse_wide),
    Variant("element", ("reduce/extremes",), "every stride", lambda job: _seek(job, 1)),
)


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _plan(name: str, given: tuple, beside: tuple | None, axes: tuple[int, ...], asked: Asked) -> Plan | None:
    x, factor = Layout(*given), None if beside is None else Layout(*beside)
    if not is_taken(x) or (factor is not None and not (is_taken(factor) and factor.dtype == x.dtype)):
        return None
    inputs = {"x": x, "factor": factor}
    check_devices(REDUCE.name, **{name: found for name, found in inputs.items() if found is not None})
    job = _problem(name, x, axes, apart(factor, x.shape))
    if job is None:
        return None
    job = replace(job, aligned=x.aligned and (factor is None or factor.aligned))
    return REDUCE.plan(job, inputs, {"y": _made(x, axes, x.dtype)}, empty=not job.L)


@lru_cache(KEPT)
def _extreme_plan(name: str, given: tuple, axes: tuple[int, ...], asked: Asked) -> Plan | None:
    x = Layout(*given)
    steps, each = [0] * len(x.shape), 1  # from a place to the next along each axis that is reduced
    for axis in reversed(axes):
        steps[axis], each = each, each * x.shape[axis]
    job = _problem(name, x, axes, steps, places=True) if is_taken(x) else None
    if job is None:
        return None
    outputs = {"y": _made(x, axes, x.dtype), "places": _made(x, axes, np.dtype(np.int64))}
    return EXTREME.plan(job, {"x": x}, outputs, empty=not job.L)


def _problem(name: str, x: Layout, axes: tuple[int, ...], other: list[int], places: bool = False) -> Reduction | None:
    """The problem of x and what goes along with it, a factor or places; None with more axes than kernels walk along."""
    order, strides = order_of([x], x.shape), [apart(x, x.shape), other]
    kept = joined(x.shape, tuple([axis for axis in order if axis not in axes]), strides)
    reduced = joined(x.shape, tuple([axis for axis in order if axis in axes]), strides)
    if max(len(kept), len(reduced)) > AXES:
        return None
    inner = next((axis for axis in reversed(order) if x.shape[axis] != 1), None)
    columns = inner is not None and inner not in axes
    first, *rest = [axis[:2] if places else axis for axis in ((*kept, *reduced) if columns else (*reduced, *kept))]
    wide = first[1] == 1 and is_wide((first, *rest), pack(x.dtype.name))
    results = math.prod([n for axis, n in enumerate(x.shape) if axis not in axes])
    terms = math.prod([x.shape[axis] for axis in axes])
    return Reduction(x.dtype.name, x.aligned, results, results * terms, terms, name, kept, reduced, columns, wide)


def _made(x: Layout, axes: tuple[int, ...], dtype: np.dtype) -> Output:
    """Memory for one number of each result, in the order of x's."""
    shape = tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    return new_in_axes(shape, dtype, order_of([x], x.shape))


def reduced(name: str, x: Array, axes: tuple[int, ...], factor: Array | None = None) -> Array | None:
    """The reduction of this name of x, times a factor, over axes that stay as 1; None: no kernel takes it."""
    beside: Any = None if factor is None else layout(factor)
    plan = _plan(name, layout(x), beside, axes, forced())
    return None if plan is None else plan(x, factor)


def extreme(name: str, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """The "max" or "min" of floats over axes that stay as 1, and its place among them: of equal ones the first."""
    plan = _extreme_plan(name, layout(x), axes, forced())
    if plan is not None:
        return plan(x)
    rows, shape = rows_of(x, axes)
    y, places = extreme(name, rows, (1,))
    return y.reshape(shape), places.reshape(shape)


def rows_of(x: Array, axes: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """A copy in which each result has a row of its own, which kernels take; and the shape of the results."""
    kept = tuple([axis for axis in range(x.ndim) if axis not in axes])
    sizes = [math.prod([x.shape[axis] for axis in some]) for some in (kept, axes)]
    shape = tuple([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    return contiguous(x.transpose(*kept, *axes)).reshape(sizes), shape
