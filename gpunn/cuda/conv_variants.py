"""Launchers of the 2-d convolutions that go through shared memory, and of depthwise ones: what each takes, its grid."""

from __future__ import annotations

import math
from typing import Any

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks, empty, kernel
from gpunn.cuda.layout import contiguous
from gpunn.cuda.problem import Conv
from gpunn.cuda.reduce import sum_parts
from gpunn.cuda.variants import Variant

TARGET_BLOCKS = 264  # two on each of an H200's 132 multiprocessors; fixed, so that split sums have one order everywhere
DEPTH_A_PART = 256  # pixels below which a part of grad_weight is not worth its own block


def per_group(job: Conv) -> tuple[int, int]:
    """(C/groups, K/groups)."""
    return job.w[1], job.w[0] // job.groups


# ---------------------------------------------------------------- what they take
def _refuse_any(job: Conv) -> str:
    """What no kernel with 32-bit pixel numbers and float sums takes."""
    if job.dtype == "float64":
        return "float64: sums are kept in float"
    if max(per_group(job)) > 65535 * 64:
        return f"{max(per_group(job))} channels a group are more tiles than a grid's 65535"
    return _too_many_pixels(job) or ("" if job.groups <= 4096 else f"{job.groups} groups")


def _too_many_pixels(job: Conv) -> str:
    pixels = max(shape[0] * math.prod(shape[2:]) for shape in (job.x, job.y))
    return f"{pixels} pixels are numbered in 32 bits" if pixels > INDEX_LIMIT else ""


def _refuse_unaligned(job: Conv) -> str:
    width = pack(job.dtype)
    for name, count in zip(("C/groups", "K/groups"), per_group(job), strict=True):
        if count % width:
            return f"{name} = {count} is no multiple of {width}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def refuse_tiled(pass_: str) -> Any:
    """The predicate of the kernels with 16-byte accesses."""

    def refusal(job: Conv) -> str:
        if reason := _refuse_any(job) or _refuse_unaligned(job):
            return reason
        classes = job.groups * math.prod(job.win.stride)
        if pass_ == "grad_input" and classes > 65535:
            return f"{job.groups} groups x {math.prod(job.win.stride)} stride classes is above a grid's 65535"
        return ""

    return refusal


def avoid_tiled(pass_: str, tile: int) -> Any:
    """What fills less than half of a step or of a tile. 128x128 pays where it also fills the device once."""

    def avoid(job: Conv) -> str:
        depth, filters = per_group(job)
        columns, deep = (depth, filters) if pass_ == "grad_input" else (filters, depth)
        if pass_ != "grad_weight" and deep < 2 * pack(job.dtype):
            return f"{deep} channels would leave half of each step of {2 * pack(job.dtype)} empty"
        if tile == 128 and columns < 96:
            return f"{columns} columns would leave a 128-wide tile half empty"
        if tile == 128 and pass_ != "grad_weight":
            pixels = job.y if pass_ == "forward" else job.x
            tiles = blocks(pixels[0] * math.prod(pixels[2:]), 128) * blocks(columns, 128) * job.groups
            return "" if tiles >= 132 else f"{tiles} tiles would leave multiprocessors idle"
        return _few(columns) if tile == 64 else ""

    return avoid


def avoid_gather(pass_: str) -> Any:
    """Element-wise fetching is no use where a tile would stay empty or most fetches would be zeros."""

    def avoid(job: Conv) -> str:
        depth, filters = per_group(job)
        if pass_ == "grad_input" and math.prod(job.win.stride) > 4:
            return f"at stride {job.win.stride} most fetches would be zeros"
        return _few(depth if pass_ == "grad_input" else filters)

    return avoid


def _few(columns: int) -> str:
    return f"{columns} columns would leave a tile empty" if columns < 4 else ""


def refuse_depthwise(pass_: str) -> Any:
    """The predicate of the depthwise kernels, of which grad_weight numbers its pixels."""

    def refusal(job: Conv) -> str:
        if not job.groups == job.x[1] == job.w[0] or job.groups == 1:
            return f"groups = {job.groups}, C = {job.x[1]}, K = {job.w[0]} are not equal and above 1"
        if math.prod(job.win.size) > 65535:
            return "the window has more than 65535 positions"
        return _too_many_pixels(job) if pass_ == "grad_weight" else ""

    return refusal


# ---------------------------------------------------------------- launches
def _tap_major(w: Any, pass_: str) -> Any:
    """w (K, C/groups, R, S) as (R, S, depth, columns) of the pass."""
    return contiguous(w.transpose((2, 3, 1, 0) if pass_ == "forward" else (2, 3, 0, 1)))


def _tile_macros(job: Conv, tile: int) -> dict[str, object]:
    return {**storage_macros(job.dtype), "BM": tile, "BN": tile}


def run_gemm(pass_: str, style: str, tile: int) -> Any:
    """The launcher of forward or grad_input, ``style`` tiled or gather."""

    def run(job: Conv, source: Any, w: Any, *rest: Any) -> None:
        depth, filters = per_group(job)
        columns, pixels = (filters, job.y) if pass_ == "forward" else (depth, job.x)
        classes = math.prod(job.win.stride) if (pass_, style) == ("grad_input", "tiled") else 1
        size = pixels[2:] if classes == 1 else [blocks(n, s) for n, s in zip(pixels[2:], job.win.stride, strict=True)]
        grid = (blocks(pixels[0] * math.prod(size), tile), blocks(columns, tile), job.groups * classes)
        launch = kernel(f"conv2d/{style}_{pass_}", **_tile_macros(job, tile))
        launch(grid, (tile * tile // 64,), source, _tap_major(w, pass_), *rest, job.struct)

    return run


def run_grad_weight(tile: int, wide: bool) -> Any:
    """The launcher of grad_weight: parts of the pixels, then their sum in order."""

    def run(job: Conv, gy: Any, x: Any, gw: Any) -> None:
        depth, filters = per_group(job)
        pixels, columns = job.y[0] * math.prod(job.y[2:]), math.prod(job.win.size) * depth
        tiles = blocks(columns, tile) * blocks(filters, tile) * job.groups
        parts = max(1, min(blocks(TARGET_BLOCKS, tiles), pixels // DEPTH_A_PART, 65535 // job.groups))
        partial = empty(gy, (parts, job.w[0], columns), "float32")
        launch = kernel(
            "conv2d/tiled_grad_weight", **_tile_macros(job, tile), VEC=pack(job.dtype) if wide else 1
        )
        grid = (blocks(columns, tile), blocks(filters, tile), job.groups * parts)
        launch(grid, (tile * tile // 64,), gy, x, partial, parts, job.struct)
        total = empty(gy, (job.w[0], *job.win.size, depth), gy.dtype)
        sum_parts(partial, total)
        gw[...] = total.transpose((0, 3, 1, 2))

    return run


def _depthwise_width(job: Conv) -> int:
    width = pack(job.dtype)
    return width if job.aligned and job.x[1] % width == 0 else 1


def run_depthwise(pass_: str) -> Any:
    """The launcher of a depthwise forward or grad_input: 16 bytes of channels a thread where they allow it."""

    def run(job: Conv, source: Any, w: Any, *rest: Any) -> None:
        width, out = _depthwise_width(job), rest[-1]
        launch = kernel(f"conv2d/depthwise_{pass_}", **storage_macros(job.dtype), VEC=width)
        taps = contiguous(w[:, 0].transpose((1, 2, 0)))
        launch((blocks(out.size // width, 128),), (128,), source, taps, *rest, job.struct)

    return run


def run_depthwise_weight(job: Conv, gy: Any, x: Any, gw: Any) -> None:
    """The launcher of a depthwise grad_weight."""
    width, taps = _depthwise_width(job), math.prod(job.win.size)
    across, pixels = blocks(job.x[1], 32 * width), job.y[0] * math.prod(job.y[2:])
    parts = max(1, min(blocks(2 * TARGET_BLOCKS, across * taps), pixels // 64, 65535))
    partial = empty(gy, (parts, taps, job.x[1]), "float64" if job.dtype == "float64" else "float32")
    launch = kernel("conv2d/depthwise_grad_weight", **storage_macros(job.dtype), VEC=width)
    launch((across, taps, parts), (256,), gy, x, partial, job.struct)
    total = empty(gy, (*job.win.size, job.x[1]), gy.dtype)
    sum_parts(partial, total)
    gw[...] = total.transpose((2, 0, 1))[:, None]


# ---------------------------------------------------------------- rows
TAKES_TILED = "float32, float16, bfloat16; C/groups and K/groups multiples of a 16-byte access"
TAKES_GATHER = "float32, float16, bfloat16; first layers (C <= 4) and channel counts that 16-byte accesses cannot take"
TAKES_DEPTHWISE = "groups = C = K"


def _shared(tile: int, wide: bool) -> Any:
    """Bytes of shared memory a block: two buffers of the depth of one step."""
    return lambda job: 4 * 2 * (2 * pack(job.dtype) if wide else 8) * 2 * tile


def rows(pass_: str) -> tuple[Variant, ...]:
    """The variants of a pass before naive, in order of preference."""
    weight = pass_ == "grad_weight"
    name = f"conv2d/{{}}_{pass_}"
    depthwise = run_depthwise_weight if weight else run_depthwise(pass_)
    sources = (name.format("depthwise"),)
    found = [Variant("depthwise", sources, TAKES_DEPTHWISE, refuse_depthwise(pass_), None, run=depthwise)]
    for tile in (128, 64):
        run = run_grad_weight(tile, True) if weight else run_gemm(pass_, "tiled", tile)
        takes = TAKES_TILED + ("; enough rows and columns" if tile == 128 else "")
        source, shared = name.format("tiled"), _shared(tile, True)
        row = Variant(
            f"tiled{tile}", (source,), takes, refuse_tiled(pass_), None, shared, avoid_tiled(pass_, tile), run
        )
        found.append(row)
    run = run_grad_weight(64, False) if weight else run_gemm(pass_, "gather", 64)
    source, shared = name.format("tiled" if weight else "gather"), _shared(64, False)
    found.append(Variant("first_layer", (source,), TAKES_GATHER, _refuse_any, None, shared, avoid_gather(pass_), run))
    return tuple(found)
