"""Variants of forward and grad_input of few or odd channels on tensor cores: first layers, LeNet's 6 and 10 filters.

kernels/conv2d/patch.cuh multiplies: a block keeps its filters and, rectangle after rectangle of pixels, the patch of
the source under it in shared memory, all of them whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.conv_tensor import EVERYWHERE, MOST_TAPS, RESERVED, SHARED, too_short
from gpunn.cuda.conv_tiles import MULTIPROCESSORS, Pass, better, forward, grad_input
from gpunn.cuda.conv_variants import Predicate, few, refuse_any, refuse_odd
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, SIZES, pack, refuse_cores, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import Variant

ROWS = 128  # pixels of a rectangle
LOG_WIDTHS = (5, 4, 3)  # of 32, 16 or 8 columns
FEWEST_TERMS = 16  # of a sum of three TF32: floats add up every 8
MOST_EMPTY = 0.5  # of the depth, filled up to an mma's
FETCHED = 256  # products in the time of an element's way into shared memory: some twelve instructions of a warp


class Patch(NamedTuple):
    """What kernels/conv2d/patch.cuh has of the same name: a window's runs, the patch under a rectangle of pixels."""

    runs: int
    run: int
    rows: int
    width: int
    copies: int
    rectangles: int

    @property
    def filled(self) -> int:
        return blocks(self.run, 2) * 2

    def depth(self, size: int) -> int:
        """All runs, filled up to whole mma's."""
        return blocks(self.runs * self.filled, 32 // size) * (32 // size)

    @property
    def pitch(self) -> int:
        """Elements from a row to the next."""
        return self.width // 2 * 2 + 2

    def bytes(self, size: int) -> int:
        """Of shared memory."""
        return self.copies * (blocks(self.rows * self.pitch, 128 // size) * 128 + 64)


def patch(job: Conv, product: Pass, log_wide: int) -> Patch:
    """Of 2^log_wide columns of pixels."""
    pixels, depth = product(job).pixels, product(job).depth
    (R, S), dilation = job.win.size, job.win.dilation
    stride = job.win.stride if product is forward else (1, 1)
    wide, high = 1 << log_wide, ROWS >> log_wide
    runs, run = (R, S * depth) if dilation[1] == 1 or S == 1 else (R * S, depth)
    rows = (high - 1) * stride[0] + (R - 1) * dilation[0] + 1
    width = ((wide - 1) * stride[1] + (S - 1) * dilation[1] + 1) * depth
    rectangles = pixels[0] * blocks(pixels[2], high) * blocks(pixels[3], wide)
    return Patch(runs, run, rows, width, 1 + stride[1] * depth % 2, rectangles)


def narrowest(job: Conv, product: Pass, bytes_of: Callable[[int], int]) -> int:
    """By which the rectangles are the fewest, then those whose patch is the smallest, of what fits everywhere."""

    def key(log_wide: int) -> tuple[int, int]:
        found = patch(job, product, log_wide)
        return found.rectangles, found.rows * found.width

    return min([n for n in LOG_WIDTHS if bytes_of(n) + RESERVED <= EVERYWHERE] or LOG_WIDTHS, key=key)


def refuse_odd_pairs(job: Conv, channels: int) -> str:
    """Pairs of the patch are read at once: taps apart by an odd number of channels would put them on odd places."""
    S, dilation = job.win.size[1], job.win.dilation[1]
    if S > 1 and dilation > 1 and channels * dilation % 2:
        return f"{channels} channels and a dilation of {dilation} put pairs of them on odd places"
    return ""


class Row(NamedTuple):
    """A variant: columns of its tile, and precision."""

    columns: int
    precision: str

    @property
    def name(self) -> str:
        return f"{self.precision}_patch{self.columns}"

    @property
    def warp_columns(self) -> int:
        """Of a warp, which has 32 rows. Three products have sums of their own: half as many."""
        return min(self.columns, 32) if self.precision == "3xtf32" else self.columns

    @property
    def threads(self) -> int:
        return ROWS // 32 * (self.columns // self.warp_columns) * 32

    def bytes(self, job: Conv, product: Pass, log_wide: int) -> int:
        """Of shared memory: the filters, a number a pair of the depth, the patch or the sums."""
        size, found = SIZES[job.dtype], patch(job, product, log_wide)
        depth = found.depth(size)
        sums = ROWS * (self.columns + 8) * 4
        return self.columns * (depth * size + 16) + 2 * depth + max(sums, found.bytes(size))

    def log_wide(self, job: Conv, product: Pass) -> int:
        """Of its rectangles' columns."""
        return narrowest(job, product, partial(self.bytes, job, product))

    def resident(self, job: Conv, product: Pass) -> int:
        """Blocks of an H200 that run side by side: by shared memory, and by their registers."""
        held = min(SHARED // (self.bytes(job, product, self.log_wide(job, product)) + RESERVED), 1024 // self.threads)
        return MULTIPROCESSORS * max(1, held)

    def cost(self, job: Conv, product: Pass) -> float:
        """Products of the multiprocessor with the most rectangles, and the patches' way into shared memory."""
        found = patch(job, product, self.log_wide(job, product))
        tiles = found.rectangles * blocks(product(job).columns, self.columns) * job.groups
        products = float(ROWS * self.columns * found.depth(SIZES[job.dtype]))
        return blocks(tiles, MULTIPROCESSORS) * (products + FETCHED * found.rows * found.width)


PATCHES = tuple([Row(columns, precision) for precision in CORES_READ for columns in (64, 32, 16)])


def refuse(precision: str) -> Predicate:
    """What no kernel with these products takes."""

    def refusal(job: Conv) -> str:
        if reason := refuse_cores(precision, job.dtype, job.precision) or refuse_any(job):
            return reason
        elements = max(map(math.prod, (job.x, job.y)))
        return "" if elements <= INDEX_LIMIT else f"{elements} elements are more than {INDEX_LIMIT} for so few blocks"

    return refusal


def _refuse(product: Pass, mine: Row) -> Predicate:
    def refusal(job: Conv) -> str:
        if reason := refuse(mine.precision)(job):
            return reason
        if product is grad_input and math.prod(job.win.stride) > 1:
            return f"stride is {job.win.stride}: a pixel's taps lie apart in gy"
        if reason := refuse_odd_pairs(job, product(job).depth):
            return reason
        need = mine.bytes(job, product, mine.log_wide(job, product)) + RESERVED
        if need > EVERYWHERE:
            return f"filters and patch are {need} bytes of shared memory, more than {EVERYWHERE}"
        across = job.groups * blocks(product(job).columns, mine.columns)
        return "" if across <= 65535 else f"{across} tiles of filters are more than a grid's 65535"

    return refusal


def _avoid(product: Pass, mine: Row) -> Predicate:
    kin = [one for one in PATCHES if one.precision == mine.precision]

    def avoid(job: Conv) -> str:
        if reason := few(product(job).columns) or too_short(job, product, mine.precision, FEWEST_TERMS):
            return reason
        if not refuse_odd(job) and math.prod(job.win.size) <= MOST_TAPS:
            return "accesses of 16 bytes take these channels"
        found = patch(job, product, mine.log_wide(job, product))
        empty = 1 - found.runs * found.run / found.depth(SIZES[job.dtype])
        if empty > MOST_EMPTY:
            return f"{empty:.0%} of the depth would be filled up with zeros"
        costs = {one.name: one.cost(job, product) for one in kin if not _refuse(product, one)(job)}
        return better(mine.name, costs, {one.name: float(one.columns) for one in kin})

    return avoid


def _variant(product: Pass, mine: Row) -> Variant:
    kernel = f"conv2d/patch_{product.__name__}"

    def plan(job: Conv) -> tuple[Launch, ...]:
        operands, _, columns, _ = product(job)
        log_wide = mine.log_wide(job, product)
        across = job.groups * blocks(columns, mine.columns)
        down = min(patch(job, product, log_wide).rectangles, blocks(mine.resident(job, product), across))
        wide = job.aligned and columns % pack(job.dtype) == 0
        macros = {"PRECISION": CORES_MACRO[mine.precision], "BM": ROWS, "BN": mine.columns, "WM": 32}
        macros |= {"WN": mine.warp_columns, "VEC": pack(job.dtype) if wide else 1}
        macros = {**storage_macros(job.dtype), **macros}
        dynamic = mine.bytes(job, product, log_wide)
        return (Launch(kernel, macros, (down, across), (mine.threads,), (*operands, job, log_wide), dynamic),)

    def shared(job: Conv) -> int:
        return mine.bytes(job, product, mine.log_wide(job, product))

    takes = f"{CORES_READ[mine.precision]}; few or odd channels, whose filters and patch fit shared memory"
    if product is grad_input:
        takes += "; stride 1"
    return Variant(
        mine.name, (kernel,), takes, plan, _refuse(product, mine), shared, _avoid(product, mine), mine.precision,
        dynamic=True,
    )  # fmt: skip


FORWARD = tuple([_variant(forward, one) for one in PATCHES])
GRAD_INPUT = tuple([_variant(grad_input, one) for one in PATCHES])
