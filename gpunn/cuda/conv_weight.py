"""Variants of the convolutions' gradients of weight and bias: sums over all pixels, split among blocks.

A call with `Conv.bias` gives both gradients. The last block of each tile adds up what the others left, in fixed order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gpunn.cuda import conv_tensor_weight
from gpunn.cuda.conv_tiled import MOST_TAPS, NARROW
from gpunn.cuda.conv_tiles import Pass, Tile, better, grad_weight, width
from gpunn.cuda.conv_variants import (
    ANY,
    DEPTHWISE,
    GATHER,
    LARGE,
    THREADS,
    TILED,
    Launches,
    Predicate,
    depthwise_width,
    few,
    per_group,
    refuse_any,
    refuse_depthwise,
    refuse_odd,
)
from gpunn.cuda.dtypes import accumulate, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.problem import Columns, Conv
from gpunn.cuda.reduce import sum_parts
from gpunn.cuda.split import split
from gpunn.cuda.variants import Variant

MOST_BLOCKS = (
    1056  # eight on each of an H200's 132 multiprocessors; fixed, so that split sums have one order everywhere
)
DEPTH_A_PART = 128  # pixels below which a part is not worth its own block
BIAS_PARTS = 64
BIAS = "conv2d/naive_grad_bias"


# ---------------------------------------------------------------- tiles
class Row(NamedTuple):
    """A variant by its tile of filters and columns (r,s,c)."""

    name: str
    kernel: str
    takes: str
    refusal: Predicate
    tile: Tile


def _shares(wide: float, single: float) -> dict[Pass, tuple[float, float]]:
    return {grad_weight: (wide, single)}


def _refuse_narrow(job: Conv) -> str:
    taps, filters = math.prod(job.win.size), per_group(job)[1]
    if taps > MOST_TAPS:
        return f"the window has {taps} positions, more than {MOST_TAPS}"
    return f"{filters} filters are more tiles than a grid's 65535" if filters > 65535 * 16 else refuse_any(job)


# Blocks that a multiprocessor holds, and shares of FFMA: kernels/resources.json and sass.json, sm_90.
ROWS = (
    Row("tiled128", "tiled", LARGE, refuse_odd, Tile(128, 128, 8, 8, 1, _shares(0.77, 0.77))),
    Row("tiled64", "tiled", TILED, refuse_odd, Tile(64, 64, 8, 8, 6, _shares(0.68, 0.68))),
    Row("narrow32x64", "narrow", NARROW, _refuse_narrow, Tile(32, 64, 4, 8, 8, _shares(0.430, 0.378))),
    Row("narrow16x64", "narrow", NARROW, _refuse_narrow, Tile(16, 64, 4, 4, 9, _shares(0.290, 0.249))),
    Row("narrow32x32", "narrow", NARROW, _refuse_narrow, Tile(32, 32, 4, 4, 10, _shares(0.303, 0.269))),
    Row("gather", "tiled", GATHER, refuse_any, Tile(64, 64, 8, 8, 6, _shares(0.49, 0.49))),
)


def _width(job: Conv, one: Row) -> int:
    """Elements that are fetched at once."""
    if one.name == "gather":
        return 1
    return min(width(job, channels) for channels in per_group(job))


def _tiles(job: Conv, tile: Tile) -> int:
    (filters,), columns = grad_weight(job)[1:3]
    return max(1, blocks(filters, tile.rows) * blocks(columns, tile.columns) * job.groups)


def _parts(job: Conv, tile: Tile) -> int:
    """Parts of the pixels: as the model of an H200 has it, the fewer the better where it is nearly the same."""
    pixels, tiles = grad_weight(job).depth, _tiles(job, tile)
    most = max(1, min(pixels // DEPTH_A_PART, blocks(MOST_BLOCKS, tiles)))
    return min(range(1, most + 1), key=lambda parts: tile.time(tiles, pixels, parts, 1) * (1 + parts / 1000))


def _cost(job: Conv, one: Row) -> float:
    wide, single = one.tile.share[grad_weight]
    share = wide if _width(job, one) > 1 else single
    return one.tile.time(_tiles(job, one.tile), grad_weight(job).depth, _parts(job, one.tile), share)


def _avoid(mine: Row) -> Predicate:
    """What another tile should do sooner, or naive: few filters."""

    def avoid(job: Conv) -> str:
        if reason := few(per_group(job)[1]):
            return reason
        room = {one.name: one.tile.room(_tiles(job, one.tile), _parts(job, one.tile)) for one in ROWS}
        return better(mine.name, {one.name: _cost(job, one) for one in ROWS if not one.refusal(job)}, room)

    return avoid


# ---------------------------------------------------------------- launches
def sum_columns(job: Columns) -> tuple[Launch, ...]:
    """gb: column sums of gy, in parts of its rows."""
    parts, across = max(1, min(BIAS_PARTS, job.M // 64)), blocks(job.K, 32)
    partial, tickets = None, None
    if parts > 1:
        partial, tickets = Scratch("columns", (parts, job.K), accumulate(job.dtype)), Tickets(across)
    args = ("gy", partial, "gb", tickets, parts, job.M, job.K)
    return (Launch(BIAS, storage_macros(job.dtype), (across * parts,), (256,), args),)


def with_bias(job: Conv, *launches: Launch) -> tuple[Launch, ...]:
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
        return with_bias(job, first)

    return plan


def _variant(family: str, mine: Row) -> Variant:
    """Tiles of filters and columns, in parts of the pixels, which the last block of each tile adds up."""
    kernel, tile = f"{family}/{mine.kernel}_grad_weight", mine.tile

    def plan(job: Conv) -> tuple[Launch, ...]:
        (filters,), columns = grad_weight(job)[1:3]
        parts = split(_parts(job, tile), _tiles(job, tile), tile.rows, tile.columns)
        macros = {**storage_macros(job.dtype), **tile.macros, "VEC": _width(job, mine)}
        if mine.kernel == "narrow":
            macros |= {"TM": tile.high, "TN": tile.wide}
        grid = (blocks(columns, tile.columns) * parts.count, blocks(filters, tile.rows), job.groups)
        args = ("gy", "x", "gw", "gb" if job.bias else None, *parts, job)
        return (Launch(kernel, macros, grid, (tile.threads,), args),)

    def shared(job: Conv) -> int:
        sides = tile.rows + tile.columns
        if mine.kernel == "narrow":  # two buffers, and two tables of 32 pixels
            return 4 * 2 * 8 * sides + 2 * 32 * 16
        return 4 * 2 * max(8, 2 * _width(job, mine)) * sides

    return Variant(mine.name, (kernel,), mine.takes, plan, mine.refusal, shared, _avoid(mine))


def _depthwise(job: Conv) -> tuple[Launch, ...]:
    width, taps = depthwise_width(job), math.prod(job.win.size)
    across, pixels = blocks(job.x[1], 32 * width), job.y[0] * math.prod(job.y[2:])
    parts = max(1, min(blocks(MOST_BLOCKS // 2, across * taps), pixels // 64, 65535))
    partial = Scratch("parts", (parts, math.prod(job.w)), accumulate(job.dtype))
    macros, args = {**storage_macros(job.dtype), "VEC": width}, ("gy", "x", partial, job)
    first = Launch("conv2d/depthwise_grad_weight", macros, (across, taps, parts), (256,), args)
    return with_bias(job, first, sum_parts(partial, "gw", job.dtype))


# ---------------------------------------------------------------- rows
GRAD_WEIGHT = (
    Variant(
        "depthwise", ("conv2d/depthwise_grad_weight", "reduce/sum_parts", BIAS), DEPTHWISE,
        _depthwise, refuse_depthwise,
    ),
    *conv_tensor_weight.GRAD_WEIGHT,
    *[_variant("conv2d", one) for one in ROWS],
    Variant("naive", ("conv2d/naive_grad_weight", BIAS), ANY, _naive("conv2d")),
)  # fmt: skip
GRAD_WEIGHT_3D = (
    *conv_tensor_weight.GRAD_WEIGHT_3D,
    *[_variant("conv3d", one) for one in ROWS],
    Variant("naive", ("conv3d/naive_grad_weight", BIAS), ANY, _naive("conv3d")),
)
GRAD_BIAS = (Variant("naive", (BIAS,), "every size and dtype", sum_columns),)
