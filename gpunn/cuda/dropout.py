"""Dropping at random on CUDA and emulated arrays: the twin of gpunn.cpu.dropout. One launch forward, one back.

The mask is a function of the draw, made anew by each launch, so that none is stored or copied to the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Plan, Scalar
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.random import Draw

THREADS = 256
WORDS = "seed", "stream", "counter"  # where the numbers begin: a Draw


@dataclass(frozen=True)
class Drop(Problem):
    """Dropout of (N, C, L), all of it N where memory is in logical order; ``group`` elements share a number."""

    N: int
    C: int
    L: int
    nhwc: bool
    group: int
    p: float


# ---------------------------------------------------------------- variants
def _launch(job: Drop, each: int) -> tuple[Launch, ...]:
    size = job.N * job.C * job.L
    scale = 0.0 if job.p == 1 else 1 / (1 - job.p)
    # A number is below p 2^32 exactly where it is below the next whole number.
    args = ("x", "y", size, job.C, job.L, job.group, scale, math.ceil(job.p * 2**32), *WORDS, "fed")
    macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "EACH": each}
    return (Launch("random/dropout", macros, (blocks(blocks(size, each), THREADS),), (THREADS,), args),)


def _no_four(job: Drop) -> str:
    if job.nhwc or job.group > 1:
        return "neighbours in memory have no neighbouring numbers"
    return "" if job.aligned else "memory is not on multiples of 16 bytes"


FILE = ("random/dropout",)
FOUR = "memory in logical order, a number an element: four of them a thread, which are one block of Philox"
DROP = Operation(
    "dropout.drop",
    Variant("four", FILE, FOUR, lambda job: _launch(job, 4), _no_four),
    Variant("element", FILE, "either memory order, numbers shared by channels, samples or all",
            lambda job: _launch(job, 1)),
)  # fmt: skip


# ---------------------------------------------------------------- the twin's function
@lru_cache(KEPT)
def _plan(x: tuple, numbers: int, p: float, fed: tuple | None, asked: Asked) -> Plan:
    """The plan for x and a mask of so many numbers, each shared by as many elements; fed: a replay's draw."""
    below = Layout(*x)
    shape, nhwc = below.shape, len(below.shape) > 2 and not is_row_major(below)
    below = in_order(below, nhwc)
    check_arrays(DROP.name, x=below)
    sizes = (shape[0], shape[1], math.prod(shape[2:])) if nhwc else (below.size, 1, 1)
    job = Drop(below.dtype.name, below.aligned, *sizes, nhwc, below.size // max(numbers, 1), p)
    inputs: dict[str, Layout | Scalar | None] = {"x": below, **dict.fromkeys(WORDS, Scalar(np.int64))}
    inputs["fed"] = None if fed is None else Layout(*fed)
    return DROP.plan(job, inputs, {"y": new(shape, below.dtype, nhwc)}, empty=not below.size)


def drop(x: Array, mask_shape: tuple[int, ...], p: float, draw: Draw | Array) -> tuple[Array, Callable[[Array], Array]]:
    """x, each element 0 with probability p, else times 1 / (1 - p); and the function that does so to a gradient.

    The mask has a number of `draw` for each of its elements, in logical order, and is broadcast to x. A draw that each
    replay of a graph is fed with is an array of its three numbers.
    """
    fed = None if isinstance(draw, Draw) else draw
    words = map(np.int64, draw.signed if isinstance(draw, Draw) else (0, 0, 0))
    given, numbers, key = (*words, fed), math.prod(mask_shape), None if fed is None else layout(fed)

    def masked(values: Array) -> Array:
        return _plan(layout(values), numbers, p, key, forced())(values, *given)

    return masked(x), masked
