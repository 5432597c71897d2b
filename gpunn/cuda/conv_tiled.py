"""Variants of forward and grad_input that multiply tiles: square ones, and narrow ones for layers of few filters.

Each row knows its tile; of those that take a problem the one runs that an H200 should do soonest (`Tile.cost`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gpunn.cuda import conv_patch, conv_tensor
from gpunn.cuda.conv_tiles import Pass, Tile, better, forward, grad_input, width
from gpunn.cuda.conv_variants import (
    DEPTHWISE_FORWARD,
    DEPTHWISE_GRAD_INPUT,
    GATHER,
    LADDER,
    LARGE,
    NAIVE_3D,
    NAIVE_GRAD_INPUT,
    TILED,
    Predicate,
    few,
    refuse_any,
    refuse_odd,
)
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.split import split
from gpunn.cuda.variants import Variant

MOST_TAPS = 32  # bits of a pixel's mask in narrow.cuh
MOST_PARTS = 64  # of the depth; of more a block would read for longer than it multiplies
NARROW = "float32, float16, bfloat16; windows of up to 32 positions, best with 4 to 32 filters (channels, backwards)"

# Blocks that a multiprocessor holds, and shares of FFMA: kernels/resources.json and sass.json, sm_90.
SQUARE128 = Tile(128, 128, 8, 8, 1, {forward: (0.88, 0.88), grad_input: (0.88, 0.88)}, flat=False)
SQUARE64 = Tile(64, 64, 8, 8, 6, {forward: (0.85, 0.85), grad_input: (0.85, 0.85)}, flat=False)
GATHER64 = Tile(64, 64, 8, 8, 6, {forward: (0.55, 0.55), grad_input: (0.32, 0.32)})
NARROW128X32 = Tile(128, 32, 8, 8, 4, dict.fromkeys((forward, grad_input), (0.71, 0.62)), most_parts=MOST_PARTS)
NARROW256X16 = Tile(256, 16, 8, 8, 4, dict.fromkeys((forward, grad_input), (0.69, 0.54)), most_parts=MOST_PARTS)
NARROW64X32 = Tile(64, 32, 4, 8, 7, dict.fromkeys((forward, grad_input), (0.61, 0.54)), most_parts=MOST_PARTS)
NARROW64X16 = Tile(64, 16, 4, 4, 9, dict.fromkeys((forward, grad_input), (0.50, 0.41)), most_parts=MOST_PARTS)


class Row(NamedTuple):
    """A variant by its tile."""

    name: str
    style: str  # of its kernel's name
    takes: str
    tile: Tile


ROWS = (
    Row("tiled128", "tiled", LARGE, SQUARE128),
    Row("tiled64", "tiled", TILED, SQUARE64),
    Row("narrow128", "narrow", NARROW, NARROW128X32),
    Row("narrow256", "narrow", NARROW, NARROW256X16),
    Row("narrow64x32", "narrow", NARROW, NARROW64X32),
    Row("narrow64x16", "narrow", NARROW, NARROW64X16),
    Row("gather", "gather", GATHER, GATHER64),
)


def _with_fewer(name: str) -> tuple[Row, ...]:
    """The rows, of which one has four blocks on a multiprocessor: its places are one axis more in registers."""
    return tuple([one._replace(tile=one.tile._replace(held=4)) if one.name == name else one for one in ROWS])


def _refuse(product: Pass, style: str) -> Predicate:
    def refusal(job: Conv) -> str:
        stride = math.prod(job.win.stride)
        if style == "tiled":
            if product is grad_input and job.groups * stride > 65535:
                return f"{job.groups} groups x {stride} stride classes is above a grid's 65535"
            return refuse_odd(job)
        if style == "narrow" and math.prod(job.win.size) > MOST_TAPS:
            return f"the window has {math.prod(job.win.size)} positions, more than {MOST_TAPS}"
        if style == "narrow" and product(job).columns > 65535 * 16:
            return f"{product(job).columns} columns are more tiles than a grid's 65535"
        if style == "narrow" and product is grad_input and stride > 1:
            return f"stride is {job.win.stride}: a pixel's taps lie apart in gy"
        return refuse_any(job)

    return refusal


def _avoid(product: Pass, mine: Row, rows: Sequence[Row]) -> Predicate:
    """What another tile should do sooner, or naive: few columns, or fetches that are mostly zeros."""

    def avoid(job: Conv) -> str:
        if reason := few(product(job).columns):
            return reason
        if mine.style == "gather" and product is grad_input and math.prod(job.win.stride) > 4:
            return f"at stride {job.win.stride} most fetches would be zeros"
        taking = [one for one in rows if not _refuse(product, one.style)(job)]
        room = {one.name: one.tile.room(one.tile.count(job, product), one.tile.parts(job, product)) for one in taking}
        return better(mine.name, {one.name: one.tile.cost(job, product) for one in taking}, room)

    return avoid


def _variant(family: str, product: Pass, mine: Row, rows: Sequence[Row]) -> Variant:
    kernel, tile = f"{family}/{mine.style}_{product.__name__}", mine.tile

    def plan(job: Conv) -> tuple[Launch, ...]:
        operands, pixels, columns, depth = product(job)
        stride = (1,) * job.win.rank if tile.classes(job, product) == 1 else job.win.stride
        down = blocks(pixels[0] * math.prod([blocks(n, s) for n, s in zip(pixels[2:], stride, strict=True)]), tile.rows)
        across, deep, macros = blocks(columns, tile.columns), job.groups * math.prod(stride), storage_macros(job.dtype)
        if mine.style != "narrow":
            args = (*operands, job)
            return (Launch(kernel, {**macros, **tile.macros}, (down, across, deep), (tile.threads,), args),)
        parts = split(tile.parts(job, product), down * across * deep, tile.rows, tile.columns)
        macros = {**macros, **tile.macros, "VEC": width(job, depth)}
        args = (*operands, *parts, job)
        return (Launch(kernel, macros, (down * parts.count, across, deep), (tile.threads,), args),)

    def shared(job: Conv) -> int:
        sides = tile.rows + tile.columns
        if mine.style == "narrow":  # two buffers, and two tables of places
            return 2 * 8 * (4 * (sides + 4) + 16 // width(job, product(job).depth))
        return 4 * 2 * (8 if mine.style == "gather" else 2 * pack(job.dtype)) * sides

    return Variant(
        mine.name, (kernel,), mine.takes, plan, _refuse(product, mine.style), shared, _avoid(product, mine, rows)
    )


def _variants(family: str, product: Pass, rows: Sequence[Row] = ROWS) -> tuple[Variant, ...]:
    return tuple([_variant(family, product, one, rows) for one in rows])


# ---------------------------------------------------------------- rows
FORWARD = (
    DEPTHWISE_FORWARD,
    *conv_tensor.FORWARD,
    *conv_patch.FORWARD,
    *_variants("conv2d", forward),
    *LADDER,
)
GRAD_INPUT = (
    DEPTHWISE_GRAD_INPUT,
    *conv_tensor.GRAD_INPUT,
    *conv_patch.GRAD_INPUT,
    *_variants("conv2d", grad_input),
    NAIVE_GRAD_INPUT,
)
CONV3D = {
    "forward": (
        *conv_tensor.CONV3D["forward"],
        *_variants("conv3d", forward, _with_fewer("gather")),
        NAIVE_3D["forward"],
    ),
    "grad_input": (
        *conv_tensor.CONV3D["grad_input"],
        *_variants("conv3d", grad_input, _with_fewer("tiled64")),
        NAIVE_3D["grad_input"],
    ),
}
