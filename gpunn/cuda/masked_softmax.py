"""Softmax of attention's scores, scaled and masked on the way, on CUDA and emulated arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.cuda.checks import check_arrays, check_devices
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scalar
from gpunn.cuda.problem import Problem
from gpunn.cuda.rows import THREADS, team_of
from gpunn.cuda.signature import Layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.layout import contiguous


@dataclass(frozen=True)
class Masked(Problem):
    """M rows of C scores, of G heads of L queries each, masked by booleans, by numbers of a dtype, or "" not at all.

    ``steps``: the mask's elements from one image, head, query and key to the next.
    """

    M: int
    C: int
    G: int
    L: int
    causal: bool
    mask: str
    steps: tuple[int, ...]

    @property
    def struct(self) -> dict[str, int]:
        named = dict(zip(("image", "head", "query", "key"), self.steps, strict=True))
        return {**self.letters, **named, "causal": int(self.causal)}


def _launch(job: Masked) -> tuple[Launch, ...]:
    width = pack(job.dtype) if job.aligned and job.C % pack(job.dtype) == 0 else 1
    team = team_of(job.C // width, job.dtype, width)
    threads, macros = max(THREADS, team), storage_macros(job.dtype)
    macros |= {"MASK": "unsigned char" if job.mask == "bool" else macros["ACC"]}
    args = ("x", "mask", "y", job.M, job.C, job, team, "scale")
    grid = (blocks(job.M, threads // team),)
    return (Launch("row/masked_softmax", {**macros, "VEC": width}, grid, (threads,), args),)


ROWS = "every length and dtype; 16-byte accesses where sizes and alignment allow"
FORWARD = Operation("softmax.masked", Variant("row", ("row/masked_softmax",), ROWS, _launch))


@lru_cache(KEPT)
def _plan(x: tuple, mask: tuple | None, causal: bool, asked: Asked) -> Plan:
    scores, beside = in_order(Layout(*x), False), None if mask is None else Layout(*mask)
    dtype = check_arrays(FORWARD.name, x=scores)
    check_devices(FORWARD.name, x=scores, mask=beside)
    *_, L, C = scores.shape
    G = scores.shape[-3] if len(scores.shape) > 2 else 1
    steps = (0, 0, 0, 0) if beside is None else tuple([step // beside.dtype.itemsize for step in beside.strides])
    kind = "" if beside is None else "bool" if beside.dtype == np.uint8 else beside.dtype.name
    job = Masked(dtype, scores.aligned, scores.size // max(C, 1), C, G, L, causal, kind, steps)
    inputs = {"x": scores, "mask": beside, "scale": Scalar(np.float64 if dtype == "float64" else np.float32)}
    return FORWARD.plan(job, inputs, {"y": Output(scores.shape, scores.dtype)}, empty=not scores.size)


def forward(x: Array, mask: Array | None, causal: bool, scale: float) -> Array:
    """softmax(scale x + mask) of x (..., L, S) along its last axis; 0 in a row of nothing but -inf.

    mask: broadcast to x; bool, True where a key may be seen, or added. causal: row i sees keys 0 to i.
    """
    wide = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    spread = None if mask is None else _spread(mask, x.shape, wide)
    plan = _plan(*layouts(x, spread), causal, forced())
    return plan(x, spread, wide.type(scale))


def _spread(mask: Array, shape: tuple[int, ...], wide: np.dtype) -> Array:
    """The mask as (images, heads, L, S), repeated by strides of 0 where it can be."""
    mask = contiguous(mask.view(np.uint8) if mask.dtype == bool else mask.astype(wide, copy=False))
    spread = array_module(mask).broadcast_to(mask, shape)
    if len(shape) > 4:
        return spread.reshape(math.prod(shape[:-3]), *shape[-3:])
    return spread[(None,) * (4 - len(shape))]
