"""Sampling at the places of a grid on CUDA and emulated arrays: one launch forward, two back at most.

The images' gradient is not scattered, whose sums would depend on the order of threads: each pixel looks for the places
that read it, among those whose bounds meet its tile, which the launch before has found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, new
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.grids import PADDINGS

THREADS = 256  # a block; places of a block's bounds, and pixels of a tile
PLANES = 4  # that a thread takes of row-major images
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}  # elements that a place reads along an axis
TILES = {2: (1, 16, 16), 3: (4, 8, 8)}  # as in kernels/grid_sample/grad_input.cu


@dataclass(frozen=True)
class Sampled(Problem):
    """N images of C channels of D x H x W pixels, each read at L places; ``needs``: which gradients are wanted."""

    N: int
    C: int
    D: int
    H: int
    W: int
    L: int
    rank: int
    taps: int
    padding: int
    align_corners: bool
    nhwc: bool
    needs: tuple[bool, bool] = (False, False)

    @property
    def struct(self) -> dict[str, int]:
        return {**self.letters, "padding": self.padding, "align_corners": int(self.align_corners)}

    @property
    def letters(self) -> dict[str, int]:
        return {**super().letters, "TAPS": self.taps, "RANK": self.rank}

    @property
    def width(self) -> int:
        """Channels an access: 16 bytes of them where they are neighbours and fill them."""
        wide = pack(self.dtype)
        return wide if self.nhwc and self.aligned and self.C % wide == 0 else 1

    @property
    def each(self) -> int:
        """Channels that a thread takes: those of an access, or some planes."""
        return self.width if self.nhwc or self.C < PLANES else PLANES


@dataclass(frozen=True)
class Base(Problem):
    """D x H x W pixels, whose places are wanted."""

    D: int
    H: int
    W: int
    rank: int
    align_corners: bool

    @property
    def letters(self) -> dict[str, int]:
        return {**super().letters, "RANK": self.rank}

    @property
    def struct(self) -> dict[str, int]:
        return {**self.letters, "align_corners": int(self.align_corners)}


# ---------------------------------------------------------------- variants
def _launch(job: Sampled, name: str, count: int, args: tuple[Any, ...], width: int, each: int) -> Launch:
    macros = {**storage_macros(job.dtype), "RANK": job.rank, "TAPS": job.taps}
    macros |= {"NHWC": int(job.nhwc), "VEC": width, "EACH": each}
    return Launch(f"grid_sample/{name}", macros, (count,), (THREADS,), (*args, job))


def _forward(job: Sampled) -> tuple[Launch, ...]:
    items = job.N * blocks(job.C, job.each) * job.L
    return (_launch(job, "forward", blocks(items, THREADS), ("x", "grid", "y"), job.width, job.each),)


def _backward(job: Sampled) -> tuple[Launch, ...]:
    of_x, of_grid = job.needs
    chunks = blocks(job.L, THREADS)
    bounds = Scratch("bounds", (job.N, chunks, job.rank, 2), np.int32) if of_x else None
    slopes = ("gy", "x", "grid", "ggrid") if of_grid else (None, None, "grid", None)
    launches = [_launch(job, "grad_grid", job.N * chunks, (*slopes, bounds), 1, 1)]
    if of_x:
        tiles = math.prod(map(blocks, (job.D, job.H, job.W), TILES[job.rank]))
        count = job.N * blocks(job.C, job.each) * tiles
        launches.append(_launch(job, "grad_input", count, ("gy", "grid", bounds, "gx"), job.width, job.each))
    return tuple(launches)


def _base(job: Base) -> tuple[Launch, ...]:
    macros = {**storage_macros(job.dtype), "RANK": job.rank}
    return (Launch("grid_sample/base", macros, (blocks(job.D * job.H * job.W, THREADS),), (THREADS,), ("base", job)),)


FORWARD = Operation(
    "grid_sample.forward",
    Variant("thread", ("grid_sample/forward",), "every mode, padding and size", _forward),
)
BACKWARD = Operation(
    "grid_sample.backward",
    Variant(
        "thread",
        ("grid_sample/grad_input", "grid_sample/grad_grid"),
        "every mode, padding and size",
        _backward,
    ),
)


BASE = Operation("grid_sample.base", Variant("thread", ("grid_sample/base",), "every size and dtype", _base))


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _forward_plan(given: tuple, places: tuple, how: tuple[str, str, bool], asked: Asked) -> Plan:
    x, grid, job = _job(FORWARD.name, Layout(*given), Layout(*places), how)
    shape = (job.N, job.C, *grid.shape[1:-1])
    return FORWARD.plan(job, {"x": x, "grid": grid}, {"y": new(shape, x.dtype, job.nhwc)}, empty=not math.prod(shape))


@lru_cache(KEPT)
def _backward_plan(
    above: tuple, given: tuple, places: tuple, how: tuple[str, str, bool], needs: tuple[bool, bool], asked: Asked
) -> Plan:
    x, grid, job = _job(BACKWARD.name, Layout(*given), Layout(*places), how, needs)
    gy = in_order(Layout(*above), job.nhwc)
    check_arrays(BACKWARD.name, x=x, gy=gy)
    aligned = job.aligned and gy.aligned
    outputs = {"gx": new(x.shape, x.dtype, job.nhwc), "ggrid": Output(grid.shape, grid.dtype)}
    wanted = {name: output for (name, output), need in zip(outputs.items(), needs, strict=True) if need}
    inputs = {"gy": gy, "x": x, "grid": grid}
    return BACKWARD.plan(Sampled(**{**vars(job), "aligned": aligned}), inputs, wanted, empty=not gy.size)


@lru_cache(KEPT)
def _base_plan(like: tuple, sizes: tuple[int, ...], align_corners: bool, asked: Asked) -> Plan:
    given, shape = Layout(*like), (math.prod(sizes), len(sizes) + 1)
    dtype = check_arrays(BASE.name, theta=given)
    check_index(BASE.name, **{"one grid": shape})
    depth, height, width = (1, *sizes)[-3:]
    job = Base(dtype, True, depth, height, width, len(sizes), align_corners)
    return BASE.plan(job, {"theta": given}, {"base": Output(shape, given.dtype)})


def _job(
    name: str, given: Layout, places: Layout, how: tuple[str, str, bool], needs: tuple[bool, bool] = (False, False)
) -> tuple[Layout, Layout, Sampled]:
    """x and the grid as the kernels read them, and the checked problem."""
    mode, padding, align_corners = how
    nhwc = given.channels_last and not given.row_major
    x, grid = in_order(given, nhwc), in_order(places, False)
    dtype, rank = check_arrays(name, x=x, grid=grid), len(x.shape) - 2
    n, c, *sizes = x.shape
    count = math.prod(grid.shape[1:-1])
    check_index(name, **{"one sample of x": x.shape[1:], "one sample of y": (c, count), "one grid": grid.shape[1:]})
    depth, height, width = (1, *sizes)[-3:]
    options = rank, TAPS[mode], PADDINGS.index(padding), align_corners, nhwc, needs
    return x, grid, Sampled(dtype, x.aligned, n, c, depth, height, width, count, *options)


# ---------------------------------------------------------------- the twin's functions
def forward(x: Array, grid: Array, mode: str, padding: str, align_corners: bool) -> Array:
    """y (N, C, *places) of x (N, C, *sizes) at grid (N, *places, axes), in x's memory order."""
    return _forward_plan(layout(x), layout(grid), (mode, padding, align_corners), forced())(x, grid)


def backward(
    gy: Array, x: Array, grid: Array, mode: str, padding: str, align_corners: bool, needs: tuple[bool, bool]
) -> tuple[Array | None, Array | None]:
    """Gradients gx and ggrid, each where it is needed; a pixel's sum in the order of places."""
    how = mode, padding, align_corners
    found = _backward_plan(layout(gy), layout(x), layout(grid), how, needs, forced())(gy, x, grid)
    if all(needs):
        return found
    return (found, None) if needs[0] else (None, found)


def base(theta: Array, sizes: tuple[int, ...], align_corners: bool) -> Array:
    """(places, axes + 1): where each pixel of an image of these sizes lies, the last axis first, and 1; as theta is."""
    return _base_plan(layout(theta), sizes, align_corners, forced())(theta)
