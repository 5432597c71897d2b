"""Variants of the convolutions' gradients of weight and bias: sums over all pixels, split among blocks.

A call with `Conv.bias` gives both gradients. The last block of each tile adds up what the others left, in fixed order.
"""

from __future__ import annotations

import math

from gpunn.cuda.conv_variants import (
    ANY,
    DEPTHWISE,
    GATHER,
    LARGE,
    THREADS,
    TILED,
    Launches,
    buffers,
    depthwise_width,
    few,
    gather_buffers,
    per_group,
    refuse_any,
    refuse_depthwise,
    refuse_odd,
    row,
    takes_all,
    tile_macros,
)
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.problem import Columns, Conv
from gpunn.cuda.reduce import sum_parts
from gpunn.cuda.variants import Variant

TARGET_BLOCKS = 264  # two on each of an H200's 132 multiprocessors; fixed, so that split sums have one order everywhere
ADDED_AT_ONCE = 8  # parts that one block adds up about as fast as two rounds of blocks do
DEPTH_A_PART = 256  # pixels below which a part is not worth its own block
BIAS_PARTS = 64
BIAS = "conv2d/naive_grad_bias"


# ---------------------------------------------------------------- what they take
def _avoid_wide_filters(job: Conv) -> str:
    columns = per_group(job)[1]
    return f"{columns} columns would leave a 128-wide tile half empty" if columns < 96 else ""


def _avoid_few_filters(job: Conv) -> str:
    return few(per_group(job)[1])


# ---------------------------------------------------------------- launches
def sum_columns(job: Columns) -> tuple[Launch, ...]:
    """gb: column sums of gy, in parts of its rows."""
    parts, across = max(1, min(BIAS_PARTS, job.M // 64)), blocks(job.K, 32)
    partial, tickets = None, None
    if parts > 1:
        partial, tickets = Scratch("columns", (parts, job.K), accumulate(job.dtype)), Tickets(across)
    args = ("gy", partial, "gb", tickets, parts, job.M, job.K)
    return (Launch(BIAS, storage_macros(job.dtype), (across * parts,), (32, 8), args),)


def _with_bias(job: Conv, *launches: Launch) -> tuple[Launch, ...]:
    """These launches, and where it is asked for one more for gb."""
    if not job.bias:
        return launches
    pixels = job.y[0] * math.prod(job.y[2:])
    return *launches, *sum_columns(Columns(job.dtype, job.aligned, pixels, job.w[0]))


def _naive(family: str) -> Launches:
    """One warp a weight."""

    def plan(job: Conv) -> tuple[Launch, ...]:
        grid = (blocks(32 * math.prod(job.w), THREADS),)
        args = ("gy", "x", "gw", job)
        first = Launch(f"{family}/naive_grad_weight", storage_macros(job.dtype), grid, (THREADS,), args)
        return _with_bias(job, first)

    return plan


def _fan(parts: int) -> int:
    """How many parts a block adds up: all of a few, else the root, so that sums and sums of sums are as many."""
    return parts if parts <= ADDED_AT_ONCE else math.isqrt(parts - 1) + 1


def _split(tile: int, wide: bool) -> Launches:
    """Tiles of filters and columns, in parts of the pixels."""

    def plan(job: Conv) -> tuple[Launch, ...]:
        depth, filters = per_group(job)
        pixels, columns = job.y[0] * math.prod(job.y[2:]), math.prod(job.win.size) * depth
        tiles = blocks(columns, tile) * blocks(filters, tile) * job.groups
        parts = max(1, min(blocks(TARGET_BLOCKS, tiles), pixels // DEPTH_A_PART))
        fan = _fan(parts)
        partial, tickets = None, None
        if parts > 1:
            partial = Scratch("parts", (parts, tiles, tile * tile + tile), "float32")
            tickets = Tickets(tiles * (1 + blocks(parts, fan)))
        macros = {**tile_macros(job, tile), "VEC": pack(job.dtype) if wide else 1}
        grid = (blocks(columns, tile) * parts, blocks(filters, tile), job.groups)
        args = ("gy", "x", "gw", "gb" if job.bias else None, partial, tickets, parts, fan, job)
        return (Launch("conv2d/tiled_grad_weight", macros, grid, (tile * tile // 64,), args),)

    return plan


def _depthwise(job: Conv) -> tuple[Launch, ...]:
    width, taps = depthwise_width(job), math.prod(job.win.size)
    across, pixels = blocks(job.x[1], 32 * width), job.y[0] * math.prod(job.y[2:])
    parts = max(1, min(blocks(2 * TARGET_BLOCKS, across * taps), pixels // 64, 65535))
    partial = Scratch("parts", (parts, math.prod(job.w)), accumulate(job.dtype))
    macros, args = {**storage_macros(job.dtype), "VEC": width}, ("gy", "x", partial, job)
    first = Launch("conv2d/depthwise_grad_weight", macros, (across, taps, parts), (256,), args)
    return _with_bias(job, first, sum_parts(partial, "gw", job.dtype))


# ---------------------------------------------------------------- rows
GRAD_WEIGHT = (
    row(
        "depthwise", "conv2d/depthwise_grad_weight", DEPTHWISE, refuse_depthwise, _depthwise,
        also=("reduce/sum_parts", BIAS),
    ),
    row(
        "tiled128", "conv2d/tiled_grad_weight", LARGE, refuse_odd, _split(128, True),
        buffers(128), _avoid_wide_filters,
    ),
    row("tiled64", "conv2d/tiled_grad_weight", TILED, refuse_odd, _split(64, True), buffers(64), _avoid_few_filters),
    row(
        "gather", "conv2d/tiled_grad_weight", GATHER, refuse_any, _split(64, False),
        gather_buffers, _avoid_few_filters,
    ),
    row("naive", "conv2d/naive_grad_weight", ANY, takes_all, _naive("conv2d"), also=(BIAS,)),
)  # fmt: skip
GRAD_WEIGHT_3D = (row("naive", "conv3d/naive_grad_weight", ANY, takes_all, _naive("conv3d"), also=(BIAS,)),)
GRAD_BIAS = (Variant("naive", (BIAS,), "every size and dtype", lambda job: "", sum_columns),)
