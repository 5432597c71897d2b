"""Variants of the gradient of a convolution's weight on Hopper's tensor cores, by wgmma (sm_90a), in 16 bits.

Rows of the product are a group's filters, columns the taps' channels, depth the pixels, in parts of which the last
block of each tile adds up all. gb, where it is asked for, is a launch of its own.
"""

from __future__ import annotations

from gpunn.cuda.conv_tiles import better, grad_weight
from gpunn.cuda.conv_weight import BIAS, with_bias
from gpunn.cuda.conv_wgmma import FEWEST_COLUMNS, TILES, Row, Tile, refuse
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import Variant

STEP = 64  # pixels of a stage


def _work(job: Conv, tile: Tile) -> tuple[int, int]:
    """Tiles, and stages of each."""
    (filters,), columns, pixels = grad_weight(job)[1:]
    return max(1, blocks(filters, tile.rows) * blocks(columns, tile.columns) * job.groups), blocks(pixels, STEP)


def _refuse(mine: Row):
    def refusal(job: Conv) -> str:
        if reason := refuse(mine.precision)(job):
            return reason
        filters, pixels = job.w[0] // job.groups, grad_weight(job).depth
        if filters > 65535 * mine.tile.rows:
            return f"{filters} filters are more tiles than a grid's 65535"
        return f"{pixels} pixels are numbered in 32 bits" if pixels > 2**31 - 2**16 else ""

    return refusal


def _avoid(mine: Row):
    def avoid(job: Conv) -> str:
        if (filters := job.w[0] // job.groups) < FEWEST_COLUMNS:
            return f"{filters} filters fill less than half of a tile"
        costs = {Row(tile, mine.precision).name: tile.best(*_work(job, tile)) for tile in TILES}
        room = {Row(tile, mine.precision).name: -float(tile.rows * tile.columns) for tile in TILES}
        return better(mine.name, costs, room)

    return avoid


def _variant(mine: Row) -> Variant:
    tile = mine.tile

    def plan(job: Conv) -> tuple[Launch, ...]:
        (filters,), columns = grad_weight(job)[1:3]
        parts = tile.split(*_work(job, tile))
        grid = (blocks(columns, tile.columns) * parts.count, blocks(filters, tile.rows), job.groups)
        macros = {**storage_macros(job.dtype), "PRECISION": CORES_MACRO[mine.precision], **tile.macros}
        args = ("gy", "x", "gw", *parts, job)
        launch = Launch("conv2d/wgmma_grad_weight", macros, grid, (tile.threads,), args, tile.dynamic)
        return with_bias(job, launch)

    takes = f"{CORES_READ[mine.precision]}; C/groups and K/groups multiples of 8"
    return Variant(
        mine.name, ("conv2d/wgmma_grad_weight", BIAS), takes,
        plan, _refuse(mine), lambda job: tile.dynamic, _avoid(mine), mine.precision, dynamic=True,
    )  # fmt: skip


GRAD_WEIGHT = tuple([_variant(Row(tile, precision)) for precision in ("bf16", "fp16") for tile in TILES])
