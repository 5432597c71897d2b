"""Variants of the gradient of the weight of few or odd channels on tensor cores, each tile a row.

Rows of the product are (r,s,c), columns filters, depth the pixels, in rectangles whose patch of x lies in shared
memory; parts of them are split among blocks, of which the last of each tile adds up all. gb is a launch of its own.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from gpunn.cuda.conv_patch import FETCHED, LOG_WIDTHS, Patch, narrowest, patch, refuse, refuse_odd_pairs
from gpunn.cuda.conv_tensor import EVERYWHERE, RESERVED, SHARED, too_few
from gpunn.cuda.conv_tensor_weight import MOST_BITS, MOST_PARTS
from gpunn.cuda.conv_tiles import MULTIPROCESSORS, better, forward, grad_weight
from gpunn.cuda.conv_variants import Predicate, few, per_group, refuse_odd
from gpunn.cuda.conv_weight import BIAS, with_bias
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, SIZES, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.split import split
from gpunn.cuda.variants import Variant

PIXELS = 128  # of a rectangle


class Row(NamedTuple):
    """A variant: rows (r,s,c) and columns, filters, of its tile, and precision."""

    rows: int
    columns: int
    precision: str

    @property
    def name(self) -> str:
        return f"{self.precision}_patch{self.rows}x{self.columns}"

    @property
    def warp_columns(self) -> int:
        """Of a warp, which has 32 rows. Three products have sums of their own: half as many."""
        return min(self.columns, 32) if self.precision == "3xtf32" else self.columns

    @property
    def threads(self) -> int:
        return self.rows // 32 * (self.columns // self.warp_columns) * 32

    def bytes(self, job: Conv, log_wide: int) -> int:
        """Of shared memory: gy, a place a pixel, the patch and a window of zeros, or the sums."""
        size, found = SIZES[job.dtype], patch(job, forward, log_wide)
        (R, S), dilation = job.win.size, job.win.dilation
        reach = (R - 1) * dilation[0] * found.pitch + ((S - 1) * dilation[1] + 1) * job.w[1] + 1
        pitch = self.columns * size + (16 if size == 2 else 32)
        return max(PIXELS * (pitch + 4) + found.bytes(size) + reach * size, 4 * self.rows * (self.columns + 1))

    def tiles(self, job: Conv) -> int:
        """Of one part."""
        return blocks(_depth(job), self.rows) * blocks(per_group(job)[1], self.columns) * job.groups

    def log_wide(self, job: Conv) -> int:
        """Of its rectangles' columns."""
        return narrowest(job, forward, partial(self.bytes, job))

    def parts(self, job: Conv) -> int:
        """Parts of the rectangles: what an H200 holds side by side, by shared memory and registers."""
        log_wide = self.log_wide(job)
        held = min(SHARED // (self.bytes(job, log_wide) + RESERVED), 768 // self.threads)
        parts = MULTIPROCESSORS * max(1, held) // max(1, self.tiles(job))
        return max(1, min(parts, patch(job, forward, log_wide).rectangles, MOST_PARTS))

    def cost(self, job: Conv) -> float:
        """Products of the multiprocessor with the most blocks, and the rectangles' ways into shared memory."""
        found, parts = patch(job, forward, self.log_wide(job)), self.parts(job)
        turns = blocks(found.rectangles, parts) * blocks(parts * self.tiles(job), MULTIPROCESSORS)
        fetched = FETCHED * (found.rows * found.width + PIXELS * self.columns / pack(job.dtype))
        return turns * (PIXELS * self.rows * self.columns + fetched)


def _depth(job: Conv) -> int:
    """Rows: a window's elements, runs of them filled up to pairs."""
    found: Patch = patch(job, forward, LOG_WIDTHS[0])
    return found.runs * found.filled


TILES = ((160, 64), (64, 64), (160, 32), (32, 32))
ROWS = tuple([Row(*tile, precision) for precision in CORES_READ for tile in TILES])


def _refuse(mine: Row) -> Predicate:
    def refusal(job: Conv) -> str:
        if reason := refuse(mine.precision)(job):
            return reason
        if reason := refuse_odd_pairs(job, job.w[1]):
            return reason
        need = mine.bytes(job, mine.log_wide(job)) + RESERVED
        if need > EVERYWHERE:
            return f"gy and patch are {need} bytes of shared memory, more than {EVERYWHERE}"
        across = blocks(per_group(job)[1], mine.columns)
        return "" if across <= 65535 else f"{across} tiles of filters are more than a grid's 65535"

    return refusal


def _avoid(mine: Row) -> Predicate:
    kin = [one for one in ROWS if one.precision == mine.precision]

    def avoid(job: Conv) -> str:
        if reason := few(per_group(job)[1]) or too_few(grad_weight(job).depth, mine.precision):
            return reason
        if not refuse_odd(job) and sum(job.win.size) <= MOST_BITS:
            return "accesses of 16 bytes take these channels"
        costs = {one.name: one.cost(job) for one in kin if not _refuse(one)(job)}
        return better(mine.name, costs, {one.name: float(one.rows * one.columns) for one in kin})

    return avoid


def _variant(mine: Row) -> Variant:
    def plan(job: Conv) -> tuple[Launch, ...]:
        filters, log_wide, tiles = per_group(job)[1], mine.log_wide(job), max(1, mine.tiles(job))
        parts = split(mine.parts(job), tiles, mine.rows, mine.columns)
        wide = job.aligned and filters % pack(job.dtype) == 0
        macros = {"PRECISION": CORES_MACRO[mine.precision], "BM": mine.rows, "BN": mine.columns, "WM": 32}
        macros |= {"WN": mine.warp_columns, "BK": PIXELS, "VEC": pack(job.dtype) if wide else 1}
        macros = {**storage_macros(job.dtype), **macros}
        grid = (blocks(_depth(job), mine.rows) * parts.count, blocks(filters, mine.columns), job.groups)
        args = ("gy", "x", "gw", *parts, job, log_wide)
        launch = Launch("conv2d/patch_grad_weight", macros, grid, (mine.threads,), args, mine.bytes(job, log_wide))
        return with_bias(job, launch)

    takes = f"{CORES_READ[mine.precision]}; few or odd channels, whose patch fits shared memory"
    return Variant(
        mine.name, ("conv2d/patch_grad_weight", BIAS), takes, plan, _refuse(mine),
        lambda job: mine.bytes(job, mine.log_wide(job)), _avoid(mine), mine.precision, dynamic=True,
    )  # fmt: skip


GRAD_WEIGHT = tuple([_variant(one) for one in ROWS])
