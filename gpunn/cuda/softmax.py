"""Softmax and its logarithm on CUDA and emulated arrays: the twin of gpunn.cpu.softmax. Outputs keep memory order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_axes, memory_order, new_in_axes
from gpunn.cuda.plans import KEPT, Launch, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.rows import THREADS, stack_of, team_of
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced


@dataclass(frozen=True)
class Scores(Problem):
    """M rows of C scores each, of which softmax or its logarithm is taken; in memory as (M/L, C, L)."""

    M: int
    C: int
    L: int
    log: bool


# ---------------------------------------------------------------- variants
def _width(job: Scores) -> int:
    """Elements an access: 16 bytes where what is closest in memory is a multiple of that, else one."""
    wide = pack(job.dtype)
    return wide if job.aligned and (job.C if job.L == 1 else job.L) % wide == 0 else 1


def _launch(job: Scores, name: str, arrays: tuple[str, ...]) -> tuple[Launch, ...]:
    width = _width(job)
    macros = {**storage_macros(job.dtype), "VEC": width, "ACROSS": int(job.L > 1)}
    if job.L == 1:
        team = team_of(job.C // width, job.dtype, width)
        threads = max(THREADS, team)
        grid = blocks(job.M, threads // team)
    else:
        team, threads = stack_of(job.C, job.L // width, job.dtype, width)
        grid = job.M // job.L * blocks(job.L // width, threads // team)
    args = (*arrays, job.M, job.C, job.L, team, int(job.log))
    return (Launch(f"row/softmax_{name}", macros, (grid,), (threads,), args),)


ROWS = "every axis, length and dtype; 16-byte accesses where sizes and alignment allow"
FORWARD = Operation(
    "softmax.forward",
    Variant("row", ("row/softmax_forward",), ROWS, lambda job: _launch(job, "forward", ("x", "y"))),
)
BACKWARD = Operation(
    "softmax.backward",
    Variant("row", ("row/softmax_backward",), ROWS, lambda job: _launch(job, "backward", ("gy", "y", "gx"))),
)


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _plan(x: tuple, gy: tuple | None, axis: int, log: bool, asked: Asked) -> Plan:
    """Forward of x, or backward of forward's result x, in whose memory order all arrays are."""
    operation, order = FORWARD if gy is None else BACKWARD, memory_order(Layout(*x))
    first, above = in_axes(Layout(*x), order), None if gy is None else in_axes(Layout(*gy), order)
    inputs = {"x": first} if above is None else {"gy": above, "y": first}
    dtype = check_arrays(operation.name, **inputs)
    made = new_in_axes(first.shape, first.dtype, order)
    C = first.shape[axis] if first.shape else 1
    L = math.prod([first.shape[one] for one in order[order.index(axis) + 1 :]]) if first.shape else 1
    aligned = all(a.aligned for a in inputs.values())
    job = Scores(dtype, aligned, first.size // max(C, 1), C, L, log)
    return operation.plan(job, inputs, {"y" if above is None else "gx": made}, empty=not first.size)


# ---------------------------------------------------------------- the twin's functions
def forward(x: Array, axis: int, log: bool) -> Array:
    """exp(x) / sum of exp(x) along the axis, or its logarithm; the limit where scores are infinite."""
    return _plan(layout(x), None, axis, log, forced())(x)


def backward(gy: Array, y: Array, axis: int, log: bool) -> Array:
    """gx, from forward's result."""
    return _plan(layout(y), layout(gy), axis, log, forced())(gy, y)
