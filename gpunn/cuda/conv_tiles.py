"""Tiles of the convolutions' products, and which of them an H200 does soonest: rows of pixels, columns of channels.

The model in short; gpunn/verify/occupancy.py has it at length and compares it with a card. A tile takes its places
times the depth that it walks, over the share of multiply-adds in its main loop. A multiprocessor holds so many blocks
and multiplies the better the more warps there are. The last wave costs what it holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gpunn.cuda import source
from gpunn.cuda.dtypes import pack
from gpunn.cuda.kernel import blocks
from gpunn.cuda.problem import Conv

MULTIPROCESSORS = 132  # an H200's; fixed, so that split sums have one order everywhere
LANE_GROUPS, WARPS = 4, 1.5  # of a multiprocessor; what leaves half of its lanes waiting
AS_GOOD = 1.048  # times the least cost: the model tells no better
EDGE = 2  # steps that a block spends before and behind its main loop


class Product(NamedTuple):
    """A pass as one matrix product a group: a row an output pixel, a column an output channel, depth times the taps."""

    operands: tuple[str, ...]
    pixels: tuple[int, ...]  # the output's shape
    columns: int
    depth: int

    @property
    def rows(self) -> int:
        """Pixels of all samples."""
        return self.pixels[0] * math.prod(self.pixels[2:])


def completed(kernel: str, *args: Any) -> tuple[Any, ...]:
    """Arguments of a launch: what the kernel takes behind these is for what nobody asks, null pointers and zeros."""
    return (*args, *[None if one.pointer else 0 for one in source.read(kernel).parameters[len(args) :]])


def forward(job: Conv) -> Product:
    """y: a row a pixel of y, depth over the input channels of a group."""
    return Product(("x", "weight", "bias", "residual", "y"), job.y, job.w[0] // job.groups, job.w[1])


def grad_input(job: Conv) -> Product:
    """gx: a row a pixel of x, depth over the output channels of a group."""
    return Product(("gy", "weight", "gx"), job.x, job.w[1], job.w[0] // job.groups)


def grad_weight(job: Conv) -> Product:
    """gw: a row a filter of a group, a column a tap's channel, depth over the pixels of y."""
    pixels = job.y[0] * math.prod(job.y[2:])
    return Product(("gy", "x", "gw"), (job.w[0] // job.groups,), job.w[1] * math.prod(job.win.size), pixels)


Pass = Callable[[Conv], Product]


def width(job: Conv, depth: int) -> int:
    """Elements of the depth that are fetched at once: 16 bytes' worth, or 1."""
    return pack(job.dtype) if job.aligned and depth % pack(job.dtype) == 0 else 1


class Tile(NamedTuple):
    """A block's rows and columns, a thread's, blocks that a multiprocessor holds, the share of multiply-adds.

    ``share`` is of fetches of 16 bytes and of single elements; a table of each pass.
    """

    rows: int
    columns: int
    high: int
    wide: int
    held: int
    share: Mapping[Pass, tuple[float, float]]
    flat: bool = True  # whether the depth is one axis; else each tap's channels are filled up to steps
    most_parts: int = 1  # of the depth

    @property
    def threads(self) -> int:
        return self.places // (self.high * self.wide)

    @property
    def places(self) -> int:
        return self.rows * self.columns

    @property
    def macros(self) -> dict[str, int]:
        square = {"BM": self.rows, "BN": self.columns}
        return square if self.rows == self.columns else {**square, "TM": self.high, "TN": self.wide}

    def classes(self, job: Conv, product: Pass) -> int:
        """Kinds of pixels that have tiles of their own: of those by their place modulo the stride."""
        return 1 if self.flat or product is forward else math.prod(job.win.stride)

    def count(self, job: Conv, product: Pass) -> int:
        """Tiles, of one part."""
        found, kinds = product(job), self.classes(job, product)
        return blocks(blocks(found.rows, kinds), self.rows) * kinds * blocks(found.columns, self.columns) * job.groups

    def parts(self, job: Conv, product: Pass) -> int:
        """Parts of the depth: enough for eight warps a multiprocessor, each of a few steps."""
        if self.most_parts == 1:
            return 1
        steps = blocks(product(job).depth * math.prod(job.win.size), 8)
        full = 8 * MULTIPROCESSORS * 32 // self.threads
        return max(1, min(full // max(1, self.count(job, product)), steps // 8, self.most_parts))

    def cost(self, job: Conv, product: Pass) -> float:
        """Time, in a unit of its own."""
        depth = product(job).depth
        taps, parts = math.prod(job.win.size), self.parts(job, product)
        step = 8 if self.flat else 2 * pack(job.dtype)
        walked = taps * depth if self.flat else taps * blocks(depth, step) * step / self.classes(job, product)
        wide, single = self.share[product]
        share = wide if width(job, depth) > 1 else single
        return self.time(self.count(job, product), walked, parts, share, step)

    def room(self, tiles: int, parts: int) -> float:
        """Places of all multiprocessors while the one with the most blocks has its: what should not be wasted."""
        return blocks(tiles * parts, MULTIPROCESSORS) * MULTIPROCESSORS / parts * self.places

    def time(self, tiles: int, depth: float, parts: int, share: float, step: int = 8) -> float:
        """Of so many tiles, each of them in parts of the depth, in a unit of its own."""
        steps = math.ceil(depth / parts / step - 1e-9) + EDGE
        full, rest = divmod(tiles * parts, self.held * MULTIPROCESSORS)
        last, warps = blocks(rest, MULTIPROCESSORS), self.threads // 32
        waves = full * self.held / _rate(self.held * warps) + (last / _rate(last * warps) if last else 0)
        return self.places * steps * step / share * waves


def _rate(warps: int) -> float:
    """What is left of a multiprocessor's rate with so many warps."""
    return warps / (LANE_GROUPS * blocks(warps, LANE_GROUPS)) * warps / (warps + WARPS)


def better(mine: str, costs: Mapping[str, float], room: Mapping[str, float]) -> str:
    """Which tile should be taken in place of mine, "" if none: of the best ones that which wastes the least room."""
    if mine not in costs:
        return ""  # it is refused anyway
    least = min(costs.values())
    best = min([name for name in costs if costs[name] <= AS_GOOD * least], key=room.__getitem__)
    return "" if best == mine else f"{best} should take {costs[best] / costs[mine]:.2f} of its time"
