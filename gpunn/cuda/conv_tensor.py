"""Variants of forward and grad_input on tensor cores, by mma.sync (sm_80 and later): a row a tile and precision.

kernels/tensor/implicit.cuh multiplies; of the tiles that take a problem in one precision that one runs which an H200
should do soonest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.conv_tiles import Pass, Tile, better, completed, forward, grad_input
from gpunn.cuda.conv_variants import Predicate, refuse_odd
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, SIZES, refuse_cores, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import Variant

MOST_TAPS = 32  # bits of a row's mask in kernels/tensor/implicit.cuh
FEWEST_TERMS = 48  # of a sum of three TF32: from 48 on its error is 0.2 to 1.5 times float's (kernels/README.md)
SHARED, RESERVED = 227 * 1024, 1024  # an H200's bytes for blocks; what the driver keeps of each
EVERYWHERE = 99 * 1024  # bytes of a block that sm_86, 89 and 120 have, too


class Cores(NamedTuple):
    """A block's tile, a warp's part of it, stages of ``row`` bytes of depth in shared memory."""

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    stages: int
    row: int = 128

    @property
    def threads(self) -> int:
        return self.rows // self.warp_rows * (self.columns // self.warp_columns) * 32

    def macros(self, size: int, product: Pass) -> dict[str, int]:
        """Of elements of ``size`` bytes."""
        warp = {"WM": self.warp_rows, "WN": self.warp_columns}
        return {"BM": self.rows, "BN": self.columns, **warp, "STAGES": self.fitted(size, product), "ROW": self.row}

    @property
    def tables(self) -> int:
        """Bytes of static shared memory: three numbers a row, two a tap."""
        return 12 * self.rows + 8 * MOST_TAPS

    def stage(self, size: int, product: Pass) -> int:
        """Bytes of a stage: rows along the depth, but for grad_input's weights, whose rows are padded."""
        pitch = self.columns * size + (16 if size == 2 else 32)
        return self.rows * self.row + (self.columns * self.row if product is forward else self.row // size * pitch)

    def fitted(self, size: int, product: Pass) -> int:
        """Stages: of four one less where that lets the tile fit every architecture."""
        many = self.stages > 3 and self.stages * self.stage(size, product) + self.tables > EVERYWHERE
        return self.stages - many

    def dynamic(self, size: int, product: Pass) -> int:
        """Bytes asked for at the launch, for the stages, then for the sums."""
        stages = self.fitted(size, product) * self.stage(size, product)
        return max(stages, self.rows * (self.columns + 8) * 4)

    def shared(self, size: int, product: Pass) -> int:
        """Bytes of shared memory a block."""
        return self.tables + self.dynamic(size, product)

    def cost(self, job: Conv, product: Pass, share: float) -> float:
        """Time, in a unit of its own: conv_tiles' model, with the share of matrix instructions in the main loop."""
        _, pixels, columns, depth = product(job)
        size, stride = SIZES[job.dtype], 1 if product is forward else math.prod(job.win.stride)
        held = max(1, SHARED // (self.shared(size, product) + RESERVED))
        tile = Tile(self.rows, self.columns, self.warp_rows // 8, self.warp_columns // 4, held, {})
        down = blocks(blocks(pixels[0] * math.prod(pixels[2:]), stride), self.rows) * stride
        tiles = down * blocks(columns, self.columns) * job.groups
        return tile.time(tiles, math.prod(job.win.size) * depth / stride, 1, share, self.row // size)


# Tile -> the share of matrix instructions in 16 bits, TF32 and three TF32 (kernels/sass.json, sm_90); 0: not made, of
# three TF32 since 255 registers are too few.
TILES = {
    Cores(256, 128, 64, 64, 3): (0.49, 0.33, 0),
    Cores(128, 128, 64, 64, 3): (0.44, 0.30, 0),
    Cores(128, 128, 64, 32, 3): (0, 0, 0.29),
    Cores(128, 64, 64, 32, 4): (0.33, 0.22, 0),
    Cores(64, 64, 32, 32, 4): (0.25, 0.16, 0.23),
    Cores(128, 32, 32, 32, 4): (0.23, 0.16, 0.23),
    Cores(256, 16, 64, 16, 2): (0.18, 0.12, 0.19),
}


class Row(NamedTuple):
    """A variant: tile and precision."""

    cores: Cores
    precision: str
    share: float

    @property
    def name(self) -> str:
        return f"{self.precision}_{self.cores.rows}x{self.cores.columns}"


ROWS = tuple([
    Row(cores, precision, share)
    for precision, at in (("bf16", 0), ("fp16", 0), ("tf32", 1), ("3xtf32", 2))
    for cores, shares in TILES.items()
    if (share := shares[at])
])  # fmt: skip


def _refuse(product: Pass, precision: str) -> Predicate:
    def refusal(job: Conv) -> str:
        if reason := refuse_cores(precision, job.dtype, job.precision):
            return reason
        if reason := refuse_odd(job):
            return reason
        if (taps := math.prod(job.win.size)) > MOST_TAPS:
            return f"the window has {taps} positions, more than {MOST_TAPS}"
        packs = max(map(math.prod, (job.x, job.y))) * SIZES[job.dtype] // 16
        if packs > INDEX_LIMIT:
            return f"{packs} packs of 16 bytes are numbered in 32 bits"
        slices = job.groups * (1 if product is forward else math.prod(job.win.stride))
        return "" if slices <= 65535 else f"{slices} groups and stride classes are above a grid's 65535"

    return refusal


def too_short(job: Conv, product: Pass, precision: str, fewest: int = FEWEST_TERMS) -> str:
    """Why floats should be multiplied as floats: three TF32 err by 2^-23, which a sum's own error hides."""
    return too_few(product(job).depth * math.prod(job.win.size), precision, fewest)


def too_few(terms: int, precision: str, fewest: int = FEWEST_TERMS) -> str:
    """The same of a sum of so many products."""
    if precision != "3xtf32" or terms >= fewest:
        return ""
    return f"in a sum of {terms} products three TF32 may err by more than twice float's error"


def _avoid(product: Pass, mine: Row, rows: Iterable[Row]) -> Predicate:
    """What another tile should do sooner; of those that fit everywhere another such, since one of them must be left."""
    kin = [one for one in rows if one.precision == mine.precision]

    def avoid(job: Conv) -> str:
        small = [one for one in kin if one.cores.shared(SIZES[job.dtype], product) <= EVERYWHERE]
        among = small if mine in small else kin
        if reason := too_short(job, product, mine.precision):
            return reason
        costs = {one.name: one.cores.cost(job, product, one.share) for one in among}
        room = {one.name: float(one.cores.rows * one.cores.columns) for one in among}
        return better(mine.name, costs, room)

    return avoid


def _variant(family: str, product: Pass, mine: Row, rows: Iterable[Row]) -> Variant:
    kernel, cores = f"{family}/tensor_{product.__name__}", mine.cores

    def plan(job: Conv) -> tuple[Launch, ...]:
        operands, pixels, columns, _ = product(job)
        stride = (1,) * job.win.rank if product is forward else job.win.stride
        down = pixels[0] * math.prod([blocks(n, s) for n, s in zip(pixels[2:], stride, strict=True)])
        grid = (blocks(down, cores.rows) * blocks(columns, cores.columns), job.groups * math.prod(stride))
        size = SIZES[job.dtype]
        macros = {"PRECISION": CORES_MACRO[mine.precision], **cores.macros(size, product)}
        macros = {**storage_macros(job.dtype), **macros}
        args = completed(kernel, *operands, job)
        return (Launch(kernel, macros, grid, (cores.threads,), args, cores.dynamic(size, product)),)

    def shared(job: Conv) -> int:
        return cores.shared(SIZES[job.dtype], product)

    takes = f"{CORES_READ[mine.precision]}; C/groups and K/groups multiples of 16 bytes, windows of up to 32 positions"
    return Variant(
        mine.name, (kernel,), takes, plan, _refuse(product, mine.precision), shared, _avoid(product, mine, rows),
        precision=mine.precision, dynamic=True,
    )  # fmt: skip


# conv3d's
SOLID = tuple(
    [row for row in ROWS if (row.cores.rows, row.cores.columns) in ((128, 64), (64, 64), (128, 32), (256, 16))]
)
FORWARD = tuple([_variant("conv2d", forward, one, ROWS) for one in ROWS])
GRAD_INPUT = tuple([_variant("conv2d", grad_input, one, ROWS) for one in ROWS])
CONV3D = {
    "forward": tuple([_variant("conv3d", forward, one, SOLID) for one in SOLID]),
    "grad_input": tuple([_variant("conv3d", grad_input, one, SOLID) for one in SOLID]),
}
