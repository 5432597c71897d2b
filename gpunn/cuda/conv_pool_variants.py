"""The convolution that pools its own outputs: what it takes, how the work is shared among blocks, its launch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import Variant
from gpunn.window import Pooling

SHARED = 48 * 1024  # what every device gives a block unasked; several blocks then share a multiprocessor
THREADS, ENOUGH = 512, 128  # the most of a block, and so many that it hides its own waits
BLOCKS = 198  # three for every two of an H200's 132 multiprocessors
FILTERS = (4, 8, 12, 16, 20)  # of a block
TAPS, TERMS = 7, 512  # the largest window; longer sums are the tiled kernels' business


@dataclass(frozen=True, kw_only=True)
class ConvPool(Conv):
    """A 2-d convolution whose output y is activated and pooled; ``wanted``: there will be a backward."""

    pool: Pooling
    wanted: bool

    @property
    def keeps_a(self) -> bool:
        """Whether backward needs the activated output: a mean hides it, and a slope asks for it."""
        return self.wanted and self.pool.kind == "avg" and bool(self.activation)

    @property
    def keeps_index(self) -> bool:
        return self.wanted and self.pool.kind == "max"

    @property
    def pooled(self) -> tuple[int, int]:
        """Height and width of the result."""
        height, width = self.pool.out(self.y[2:])
        return height, width

    @property
    def letters(self) -> dict[str, int]:
        return {**super().letters, "L": math.prod(self.pooled), "M": self.pool.win.positions}

    @property
    def struct(self) -> dict[str, int]:
        (u, v), (step_h, step_w) = self.pooled, self.pool.win.stride
        window = dict(zip(("window_h", "window_w"), self.pool.win.size, strict=True))
        pooling = {"U": u, "V": v, "step_h": step_h, "step_w": step_w, "average": int(self.pool.kind == "avg")}
        return {**super().struct, **window, **pooling, "flat": int(self.pool.flat)}

    def __str__(self) -> str:
        return f"{super().__str__()}, {self.pool}"


class Share(NamedTuple):
    """A block's rows of the result, filters, rows of the convolution's output, threads of one part of the channels."""

    rows: int
    filters: int
    tile_rows: int
    cols: int  # of the convolution's output, an even number
    threads: int
    shared: int  # bytes
    cost: float  # of all blocks, in instructions, the more where multiprocessors are left idle


def shares(job: ConvPool) -> Iterator[Share]:
    """Every way to share the work that fits a block."""
    (n, c, *_), (k, _, r, s), (u, _) = job.x, job.w, job.pooled
    p, q = job.y[2:]
    size, step = job.pool.win.size[0], job.pool.win.stride[0]
    cols = blocks(q, 2) * 2
    for rows in range(1, u + 1):
        bands = blocks(u, rows)
        # The last block's rows go on to the end of the output; the others' as far as their windows and strides.
        tall = max(p - (bands - 1) * rows * step, 0 if bands == 1 else max(rows * step, (rows - 1) * step + size))
        tile = blocks(tall, 2) * 2
        patch = (tile + r - 1) * (cols + 2 * (s // 2))
        for filters in FILTERS:
            threads, floats = tile * cols * filters // 16, c * (patch + r * s * filters) + tile * cols * filters
            if threads > THREADS or 4 * floats > SHARED:
                continue
            count = n * bands * blocks(k, filters)
            work = threads * c * (17 * r * s + 18) + 12 * c * (patch + r * s * filters)
            yield Share(rows, filters, tile, cols, threads, 4 * floats, count * work * max(1.0, BLOCKS / max(count, 1)))


def best_share(job: ConvPool) -> Share:
    """The one that costs least; of several the smallest block."""
    return min(shares(job), key=lambda one: (one.cost, one))


def _refuse(job: ConvPool) -> str:
    win, pool = job.win, job.pool.win
    if job.dtype == "float64":
        return "float64: sums are kept in float"
    if job.groups > 1 or set(win.stride) != {1} or set(win.dilation) != {1}:
        return f"groups {job.groups}, {win}: one group, stride 1 and no dilation are taken"
    if max(win.size) > TAPS:
        return f"a window of {win} has more than {TAPS} rows or columns"
    if any(pool.padding) or set(pool.dilation) != {1} or pool.positions > 256:
        return f"{job.pool}: no padding, no dilation and at most 256 positions are taken"
    reach = [(out - 1) * step + size for out, step, size in zip(job.pooled, pool.stride, pool.size, strict=True)]
    if any(end > n for end, n in zip(reach, job.y[2:], strict=True)):
        return "a window hangs over the edge"
    if job.x[0] * job.pooled[0] > INDEX_LIMIT:
        return f"{job.x[0]} images of {job.pooled[0]} rows are more than a grid's {INDEX_LIMIT} blocks"
    if blocks(job.w[0], FILTERS[0]) > 65535:
        return f"{job.w[0]} filters are more than a grid's 65535 blocks"
    return "" if next(shares(job), None) else f"a row of y needs more than {SHARED} bytes or {THREADS} threads"


def _avoid(job: ConvPool) -> str:
    terms = math.prod(job.w[1:])
    if terms > TERMS:
        return f"sums of {terms} terms are no LeNet's: tiles take them"
    return "" if math.prod(job.win.size) > 1 else "1x1: a plain product"


def _plan(job: ConvPool) -> tuple[Launch, ...]:
    share = best_share(job)
    bands, (k, c, r, s) = blocks(job.pooled[0], share.rows), job.w
    parts = max(1, min(c, ENOUGH // share.threads, 8))
    taps = {"CHANNELS": c, "TAPS_H": r, "TAPS_W": s, "FILTERS": share.filters, "INDEX": "unsigned char"}
    kept = ("a" if job.keeps_a else None, "y", "index" if job.keeps_index else None)
    struct = {**job.struct, "rows": share.rows, "tile_rows": share.tile_rows, "parts": parts}
    grid, threads = (job.x[0] * bands, blocks(k, share.filters)), blocks(share.threads * parts, 32) * 32
    args, macros = ("x", "weight", "bias", *kept, struct), {**storage_macros(job.dtype), **taps}
    return (Launch("conv2d/pooled_forward", macros, grid, (threads,), args, share.shared),)


FUSED = Variant(
    "fused",
    ("conv2d/pooled_forward",),
    "float32, float16, bfloat16; stride 1, windows up to 7x7 and whole, a row of the result in 48 KB",
    _plan,
    _refuse,
    avoid=_avoid,
)
