"""Local response normalisation on CUDA and emulated arrays: the twin of gpunn.cpu.local_response_norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.rows import THREADS
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced


@dataclass(frozen=True)
class Channels(Problem):
    """N samples of C channels and L positions, each divided by what ``before`` + 1 + ``after`` channels make."""

    N: int
    C: int
    L: int
    nhwc: bool
    before: int
    after: int
    scale: float
    beta: float
    k: float

    @property
    def struct(self) -> dict[str, int]:
        return {**self.letters, "before": self.before, "after": self.after}


def _launch(job: Channels, name: str, arrays: tuple[str, ...]) -> tuple[Launch, ...]:
    wide = pack(job.dtype)
    width = wide if job.aligned and (job.C if job.nhwc else job.L) % wide == 0 else 1
    macros = {**storage_macros(job.dtype), "VEC": width, "NHWC": int(job.nhwc)}
    grid = (blocks(job.N * job.C * job.L // width, THREADS),)
    args = (*arrays, job, job.scale, job.beta, job.k)
    return (Launch(f"row/local_response_{name}", macros, grid, (THREADS,), args),)


PACKS = "either memory order, every size and dtype; 16-byte accesses where sizes and alignment allow"
FORWARD = Operation(
    "local_response_norm.forward",
    Variant(
        "element",
        ("row/local_response_forward",),
        PACKS,
        lambda job: _launch(job, "forward", ("x", "y", "slope")),
    ),
)
BACKWARD = Operation(
    "local_response_norm.backward",
    Variant(
        "element",
        ("row/local_response_backward",),
        PACKS,
        lambda job: _launch(job, "backward", ("gy", "x", "slope", "gx")),
    ),
)


def _problem(name: str, x: Layout, size: int, numbers: tuple[float, float, float], /, **more: Layout) -> Channels:
    """The checked problem of arrays in x's memory order."""
    dtype = check_arrays(name, x=x, **more)
    check_index(name, **{"one sample of x": x.shape[1:]})
    aligned, nhwc = all(a.aligned for a in (x, *more.values())), not is_row_major(x)
    n, c, *spatial = x.shape
    alpha, beta, k = numbers
    sides = min(size // 2, max(c, 1)), min((size - 1) // 2, max(c, 1))
    return Channels(dtype, aligned, n, c, math.prod(spatial), nhwc, *sides, alpha / size, beta, k)


@lru_cache(KEPT)
def _forward_plan(x: tuple, size: int, numbers: tuple[float, float, float], asked: Asked) -> Plan:
    first = in_order(Layout(*x), not is_row_major(Layout(*x)))
    job = _problem(FORWARD.name, first, size, numbers)
    outputs = {
        "y": new(first.shape, first.dtype, job.nhwc),
        "slope": new(first.shape, accumulate(job.dtype), job.nhwc),
    }
    return FORWARD.plan(job, {"x": first}, outputs, empty=not first.size)


@lru_cache(KEPT)
def _backward_plan(
    gy: tuple, x: tuple, slope: tuple, size: int, numbers: tuple[float, float, float], asked: Asked
) -> Plan:
    nhwc = not is_row_major(Layout(*x))
    first, above, kept = (in_order(Layout(*a), nhwc) for a in (x, gy, slope))
    job = _problem(BACKWARD.name, first, size, numbers, gy=above)
    inputs = {"gy": above, "x": first, "slope": kept}
    return BACKWARD.plan(job, inputs, {"gx": new(first.shape, first.dtype, nhwc)}, empty=not first.size)


# ---------------------------------------------------------------- the twin's functions
def forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """y = x / divisor^beta of x (N, C, *), and what backward takes: divisor^(-beta - 1)."""
    return _forward_plan(layout(x), size, (alpha, beta, k), forced())(x)


def backward(gy: Array, x: Array, kept: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """gx, from what forward kept."""
    return _backward_plan(layout(gy), layout(x), layout(kept), size, (alpha, beta, k), forced())(gy, x, kept)
