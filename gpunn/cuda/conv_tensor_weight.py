"""Variants of the convolutions' gradient of the weight on tensor cores (mma.sync, sm_80 and later), each tile a row.

Rows of the product are a group's filters, columns the taps' channels, depth the pixels, split among blocks in parts of
which the last block of each tile adds up all. A model of an H200 chooses the tile and the number of parts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.conv_tensor import too_few
from gpunn.cuda.conv_tiles import MULTIPROCESSORS, better, grad_weight
from gpunn.cuda.conv_variants import Predicate, per_group, refuse_odd
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, SIZES, refuse_cores, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.split import split
from gpunn.cuda.variants import Variant

MOST_BITS = 31  # of a pixel's mask in tensor/weight.cuh: the window's sizes together
MOST_PARTS = 1024
FEWEST_TERMS = 24  # of a sum of three TF32: floats add up every 16
STAGE_DEPTH = {2: 64, 4: 32}  # pixels of a stage, by bytes an element: 128 bytes of each filter and column

# Of an H200: FLOP a second that mma.sync reaches at the best, bytes a second that blocks fetch through L2 and that they
# write (measured on prototypes, 2026-11-26), clocks a second, instructions a clock of a multiprocessor.
MULTIPLIED = {"bf16": 300e12, "fp16": 300e12, "tf32": 150e12, "3xtf32": 50e12}
FETCHED, WRITTEN, CLOCK, ISSUED = 5e12, 3e12, 1.755e9, 4
EDGE = 4  # stages that a block spends before and behind its main loop


class Tile(NamedTuple):
    """Filters and columns of a block and of a warp, stages, blocks a multiprocessor, warp instructions a product.

    ``instructions`` are those of the main loop over those that multiply: 1 / share of kernels/sass.json, sm_90.
    """

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    stages: int
    held: int
    instructions: dict[str, float]

    @property
    def threads(self) -> int:
        return 32 * self.rows // self.warp_rows * self.columns // self.warp_columns

    @property
    def macros(self) -> dict[str, int]:
        warp = {"WM": self.warp_rows, "WN": self.warp_columns, "STAGES": self.stages, "HELD": self.held}
        return {"BM": self.rows, "BN": self.columns, **warp}

    def count(self, job: Conv) -> int:
        """Tiles, of one part."""
        (filters,), columns = grad_weight(job)[1:3]
        return max(1, blocks(filters, self.rows) * blocks(columns, self.columns) * job.groups)

    def shared(self, job: Conv) -> tuple[int, int]:
        """Bytes that the launch gives: the stages, or the sums; and of the tables of pixels."""
        size = SIZES[job.dtype]
        stages = self.stages * STAGE_DEPTH[size] * (self.rows + self.columns) * size
        return max(stages, 4 * self.rows * (self.columns + 1)), 16 * STAGE_DEPTH[size]

    def stage(self, job: Conv, precision: str) -> float:
        """Seconds of a multiprocessor for one stage of one block: of products, fetches or instructions."""
        size, depth = SIZES[job.dtype], STAGE_DEPTH[SIZES[job.dtype]]
        products = self.rows * self.columns * depth
        issued = products / (16 * 8 * 32 / size) * (3 if precision == "3xtf32" else 1) * self.instructions[precision]
        return max(
            products * MULTIPROCESSORS / MULTIPLIED[precision] * 2,
            depth * (self.rows + self.columns) * size * MULTIPROCESSORS / FETCHED,
            issued / (CLOCK * ISSUED),
        )

    def seconds(self, job: Conv, precision: str, parts: int) -> float:
        """Waves of blocks that run side by side, each of its stages; and the parts' way through memory."""
        depth = STAGE_DEPTH[SIZES[job.dtype]]
        stages = blocks(blocks(grad_weight(job).depth, parts), depth) + EDGE
        waves = blocks(self.count(job) * parts, MULTIPROCESSORS * self.held) * self.held
        through = 8 * parts * math.prod(job.w) / WRITTEN if parts > 1 else 0
        return waves * stages * self.stage(job, precision) + through

    def parts(self, job: Conv, precision: str) -> int:
        """Parts of the pixels: what takes least, the fewer the better where it is nearly the same."""
        pixels, tiles = grad_weight(job).depth, self.count(job)
        most = pixels // (2 * STAGE_DEPTH[SIZES[job.dtype]])
        most = max(1, min(most, MOST_PARTS, blocks(2 * MULTIPROCESSORS * self.held, tiles)))
        return min(range(1, most + 1), key=lambda parts: self.seconds(job, precision, parts) * (1 + parts / 1000))


def _instructions(bf16: float, tf32: float, three: float) -> dict[str, float]:
    return {"bf16": bf16, "fp16": bf16, "tf32": tf32, "3xtf32": three}


TILES = {
    "128x128": Tile(128, 128, 64, 64, 3, 2, _instructions(2.4, 3.3, 3.6)),
    "64x128": Tile(64, 128, 32, 64, 3, 2, _instructions(3.4, 4.7, 3.6)),
    "64x64": Tile(64, 64, 32, 32, 4, 3, _instructions(4.5, 6.1, 4.4)),
    "32x128": Tile(32, 128, 32, 32, 3, 3, _instructions(4.8, 6.6, 4.4)),
    "16x192": Tile(16, 192, 16, 64, 2, 4, _instructions(6.6, 9.1, 4.8)),
}


def tile_of(precision: str, name: str) -> Tile:
    """The tile by its name. Three products split their fragments: a large tile wants twice the warps for them."""
    wide = precision == "3xtf32" and name == "128x128"
    return TILES[name]._replace(warp_rows=32, held=1) if wide else TILES[name]


# ---------------------------------------------------------------- what they take
def _refuse(precision: str, tile: Tile) -> Predicate:
    def refusal(job: Conv) -> str:
        if reason := refuse_cores(precision, job.dtype, job.precision):
            return reason
        if reason := refuse_odd(job):
            return reason
        if (positions := sum(job.win.size)) > MOST_BITS:
            return f"the window's sizes together are {positions}, more than {MOST_BITS} bits of a mask"
        if blocks(per_group(job)[1], tile.rows) > 65535:
            return f"{per_group(job)[1]} filters are more tiles than a grid's 65535"
        units = math.prod(job.x) * SIZES[job.dtype] // 16
        return f"x's {units} times 16 bytes are numbered in 32 bits" if units > INDEX_LIMIT else ""

    return refusal


def _avoid(precision: str, tiles: tuple[str, ...], mine: str) -> Predicate:
    """What another of the tiles should do sooner."""

    def avoid(job: Conv) -> str:
        if reason := too_few(grad_weight(job).depth, precision, FEWEST_TERMS):
            return reason
        costs, room = {}, {}
        for name in tiles:
            tile = tile_of(precision, name)
            if not _refuse(precision, tile)(job):
                costs[_name(precision, name)] = tile.seconds(job, precision, tile.parts(job, precision))
                room[_name(precision, name)] = tile.count(job) * tile.rows * tile.columns
        return better(_name(precision, mine), costs, room)

    return avoid


# ---------------------------------------------------------------- rows
def _name(precision: str, tile: str) -> str:
    return f"{precision}_{tile}"


def _variant(family: str, precision: str, tiles: tuple[str, ...], name: str) -> Variant:
    kernel, tile = f"{family}/tensor_grad_weight", tile_of(precision, name)

    def plan(job: Conv) -> tuple[Launch, ...]:
        (filters,), columns = grad_weight(job)[1:3]
        parts = split(tile.parts(job, precision), tile.count(job), tile.rows, tile.columns)
        macros = {**storage_macros(job.dtype), "PRECISION": CORES_MACRO[precision], **tile.macros}
        macros["BK"] = STAGE_DEPTH[SIZES[job.dtype]]
        grid = (blocks(columns, tile.columns) * parts.count, blocks(filters, tile.rows), job.groups)
        args = ("gy", "x", "gw", "gb" if job.bias else None, *parts, job)
        return (Launch(kernel, macros, grid, (tile.threads,), args, tile.shared(job)[0]),)

    taken = CORES_READ[precision] + (" where TF32 is asked for" if precision == "tf32" else "")
    takes = f"{taken}; C/groups and K/groups multiples of a 16-byte access; tiles of {name} filters x columns"
    return Variant(
        _name(precision, name), (kernel,), takes, plan, _refuse(precision, tile), lambda job: sum(tile.shared(job)),
        _avoid(precision, tiles, name), precision, dynamic=True,
    )  # fmt: skip


def _variants(family: str, *tiles: str) -> tuple[Variant, ...]:
    return tuple([_variant(family, precision, tiles, name) for precision in CORES_READ for name in tiles])


GRAD_WEIGHT = _variants("conv2d", *TILES)
GRAD_WEIGHT_3D = _variants("conv3d", "64x128", "64x64")
