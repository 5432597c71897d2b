"""Variants of forward and grad_input on Hopper's tensor cores, by wgmma (sm_90a): a row a tile and precision.

kernels/conv2d/wgmma.cuh multiplies. Of the tiles in one precision that one runs which an H200 should do soonest: a
stage of 128 bytes of depth takes as long as its products, or as its operands' ways through shared memory. Of floats a
launch before rounds the weights to TF32, or splits them, and lays grad_input's along their depth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.conv_tensor import too_short
from gpunn.cuda.conv_tiles import MULTIPROCESSORS, Pass, better, completed, forward, grad_input
from gpunn.cuda.conv_variants import Predicate, refuse_odd
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, SIZES, refuse_cores, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch
from gpunn.cuda.problem import Conv
from gpunn.cuda.split import Split, split
from gpunn.cuda.variants import Variant

MOST_TAPS = 32  # bits of a row's mask in kernels/conv2d/wgmma.cuh
FEWEST_COLUMNS = 32  # half of the narrowest tile
ROW, ALIGNMENT = 128, 1024  # bytes of a stage's row; what the swizzle's area begins on
EDGE = 4  # stages that a block spends before and behind its main loop
MOST_PARTS = 64  # of the depth
MEET = 2000  # clocks by which the last of a tile's blocks is late
PART = 8 * 1.755e9 / 3e12  # clocks for one sum of a part: written and read by 3 TB/s
READY = "conv2d/wgmma_weight"  # rounds or splits weights, 32 filters x 32 channels of a position a block


class Tile(NamedTuple):
    """A block's rows and columns, its stages in shared memory, and numbers there for one of B: 2 of three TF32."""

    rows: int
    columns: int
    stages: int
    limbs: int = 1

    @property
    def threads(self) -> int:
        return self.rows * 2

    @property
    def tables(self) -> int:
        """Bytes of static shared memory: three numbers a row, two a tap, and where floats' barrier lies."""
        return 12 * self.rows + 8 * MOST_TAPS + 128

    @property
    def dynamic(self) -> int:
        """Bytes asked for at the launch, for stages, then for the sums."""
        stages = self.stages * ROW * (self.rows + self.limbs * self.columns)
        return max(stages, 4 * self.rows * (self.columns + 8)) + ALIGNMENT

    @property
    def macros(self) -> dict[str, int]:
        return {"BM": self.rows, "BN": self.columns, "STAGES": self.stages}

    @property
    def clocks(self) -> int:
        """Of a multiprocessor, for one stage: 2048 products a clock of 16 bits, 128 bytes a clock of shared memory."""
        times = 2 * self.limbs - 1  # products of each number
        read = self.rows // 64 * (64 + times * self.columns)  # four pieces of 32 bytes deep, by each warpgroup
        return max(times * self.rows * self.columns // 32, read + self.rows + self.limbs * self.columns)

    def time(self, tiles: int, stages: int, parts: int) -> float:
        """Clocks of the multiprocessor with the most blocks, and the parts' way into memory and into one sum."""
        most = blocks(tiles * parts, MULTIPROCESSORS) * (blocks(stages, parts) + EDGE) * float(self.clocks)
        if parts == 1:
            return most
        sums = self.rows * self.columns
        return most + PART * parts * tiles * sums + MEET + min(parts, 2 * math.isqrt(parts) + 2) * sums / 16

    def parts(self, tiles: int, stages: int) -> int:
        """Parts of the depth: what takes least, the fewer the better where it is nearly the same."""
        most = max(1, min(stages // 2, MOST_PARTS))
        return min(range(1, most + 1), key=lambda parts: self.time(tiles, stages, parts) * (1 + parts / 1000))

    def best(self, tiles: int, stages: int) -> float:
        """Clocks in so many parts."""
        return self.time(tiles, stages, self.parts(tiles, stages))

    def split(self, tiles: int, stages: int) -> Split:
        """What a kernel of so many tiles takes of its parts, whose sums lie as threads hold them."""
        made = split(self.parts(tiles, stages), tiles, self.rows, self.columns)
        if made.count == 1:
            return made
        return made._replace(parts=Scratch("parts", (made.count, tiles, self.rows * self.columns), "float32"))


def grid(job: Conv, product: Pass, tile: Tile) -> tuple[int, int]:
    """Tiles of a group and class of pixels, and such slices: pixels of a class are those alike modulo the stride."""
    _, pixels, columns, _ = product(job)
    stride = (1, 1) if product is forward else job.win.stride
    down = pixels[0] * math.prod([blocks(n, s) for n, s in zip(pixels[2:], stride, strict=True)])
    return blocks(down, tile.rows) * blocks(columns, tile.columns), job.groups * math.prod(stride)


def _work(job: Conv, product: Pass, tile: Tile) -> tuple[int, int]:
    """Tiles, and stages of each; at a stride on average."""
    stride = 1 if product is forward else math.prod(job.win.stride)
    stages = blocks(math.prod(job.win.size) * product(job).depth * SIZES[job.dtype], ROW * stride)
    return max(1, math.prod(grid(job, product, tile))), stages


TILES = (Tile(128, 256, 4), Tile(128, 128, 4), Tile(128, 64, 4), Tile(64, 64, 5))
SPLIT = (Tile(128, 128, 4, 2), Tile(128, 64, 3, 2), Tile(64, 64, 4, 2))  # three TF32's: two sums a place in registers


def tiles(precision: str) -> tuple[Tile, ...]:
    """Those of a precision."""
    return SPLIT if precision == "3xtf32" else TILES


class Row(NamedTuple):
    """A variant: tile and precision."""

    tile: Tile
    precision: str

    @property
    def name(self) -> str:
        return f"wgmma_{self.precision}_{self.tile.rows}x{self.tile.columns}"


ROWS = tuple([Row(tile, precision) for precision in CORES_READ for tile in tiles(precision)])


def refuse(precision: str) -> Predicate:
    """What no kernel with these products takes."""

    def refusal(job: Conv) -> str:
        if reason := refuse_cores(precision, job.dtype, job.precision):
            return reason
        if reason := refuse_odd(job):
            return reason
        packs = max(map(math.prod, (job.x, job.y))) * SIZES[job.dtype] // 16
        return f"{packs} packs of 16 bytes are numbered in 32 bits" if packs > INDEX_LIMIT else ""

    return refusal


def _refuse(product: Pass, precision: str) -> Predicate:
    def refusal(job: Conv) -> str:
        if reason := refuse(precision)(job):
            return reason
        if (taps := math.prod(job.win.size)) > MOST_TAPS:
            return f"the window has {taps} positions, more than {MOST_TAPS}"
        slices = job.groups * (1 if product is forward else math.prod(job.win.stride))
        return "" if slices <= 65535 else f"{slices} groups and stride classes are above a grid's 65535"

    return refusal


def _avoid(product: Pass, mine: Row) -> Predicate:
    def avoid(job: Conv) -> str:
        if (columns := product(job).columns) < FEWEST_COLUMNS:
            return f"{columns} columns fill less than half of a tile"
        if reason := too_short(job, product, mine.precision):
            return reason
        kin = [one for one in ROWS if one.precision == mine.precision]
        costs = {one.name: one.tile.best(*_work(job, product, one.tile)) for one in kin}
        room = {one.name: -float(one.tile.rows * one.tile.columns) for one in kin}
        return better(mine.name, costs, room)

    return avoid


def _ready(job: Conv, product: Pass, mine: Row) -> Launch:
    """Weights for TF32's unit."""
    tile, limbs = 32, mine.tile.limbs
    filters, channels = job.w[0] // job.groups, job.w[1]
    grid = (blocks(filters, tile) * blocks(channels, tile) * math.prod(job.win.size) * job.groups,)
    macros = {
        **storage_macros(job.dtype),
        "PRECISION": CORES_MACRO[mine.precision],
        "ACROSS": int(product is grad_input),
    }
    return Launch(READY, macros, grid, (256,), ("weight", Scratch("ready", (limbs, *job.w), "float32"), job))


def _variant(product: Pass, mine: Row) -> Variant:
    kernel, tile = f"conv2d/wgmma_{product.__name__}", mine.tile
    floats = CORES_READ[mine.precision] == "float32"

    def plan(job: Conv) -> tuple[Launch, ...]:
        parts, (tiles, slices) = tile.split(*_work(job, product, tile)), grid(job, product, tile)
        macros = {**storage_macros(job.dtype), "PRECISION": CORES_MACRO[mine.precision], **tile.macros}
        before = (_ready(job, product, mine),) if floats else ()
        source, weight, *others = product(job).operands
        args = completed(kernel, source, weight, before[0].args[1] if before else None, *others, *parts, job)
        return (*before, Launch(kernel, macros, (tiles * parts.count, slices), (tile.threads,), args, tile.dynamic))

    takes = f"{CORES_READ[mine.precision]}; C/groups and K/groups multiples of 16 bytes, up to 32 taps"
    return Variant(
        mine.name, (kernel, READY) if floats else (kernel,), takes,
        plan, _refuse(product, mine.precision), lambda job: tile.tables + tile.dynamic, _avoid(product, mine),
        mine.precision, dynamic=True,
    )  # fmt: skip


FORWARD = tuple([_variant(forward, row) for row in ROWS])
GRAD_INPUT = tuple([_variant(grad_input, row) for row in ROWS])
