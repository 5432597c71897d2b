"""Variants of the convolutions, but for weights and biases: what each takes, when another is better, its launches.

Weights lie in memory as K, R, S, C/groups. Rows stand in order of preference; the last takes every problem.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.conv_tiles import Pass, forward, grad_input
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import Variant

THREADS = 128
DEPTHWISE_THREADS, PIXELS = 256, 4  # a block's threads, a thread's pixels

Predicate = Callable[[Conv], str]
Launches = Callable[[Conv], tuple[Launch, ...]]


def per_group(job: Conv) -> tuple[int, int]:
    """(C/groups, K/groups)."""
    return job.w[1], job.w[0] // job.groups


# ---------------------------------------------------------------- what they take
def refuse_any(job: Conv) -> str:
    """What no kernel with 32-bit pixel numbers and float sums takes."""
    if job.dtype == "float64":
        return "float64: sums are kept in float"
    if max(per_group(job)) > 65535 * 64:
        return f"{max(per_group(job))} channels a group are more tiles than a grid's 65535"
    return _too_many_pixels(job) or ("" if job.groups <= 4096 else f"{job.groups} groups")


def _too_many_pixels(job: Conv) -> str:
    pixels = max([shape[0] * math.prod(shape[2:]) for shape in (job.x, job.y)])
    return f"{pixels} pixels are numbered in 32 bits" if pixels > INDEX_LIMIT else ""


def refuse_odd(job: Conv) -> str:
    """What kernels with 16-byte accesses do not take."""
    if reason := refuse_any(job):
        return reason
    width = pack(job.dtype)
    for name, count in zip(("C/groups", "K/groups"), per_group(job), strict=True):
        if count % width:
            return f"{name} = {count} is no multiple of {width}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _refuse_rungs(job: Conv) -> str:
    """What the rungs between naive and tiled do not take."""
    filters = per_group(job)[1]
    if filters > 65535 * 16 or job.groups > 65535:
        return f"{filters} filters of {job.groups} groups are more tiles than a grid's 65535"
    return _too_many_pixels(job)


def _avoid_rungs(job: Conv) -> str:
    return "a rung of the ladder from naive to tiled, there to be read: use_variant alone takes it"


def few(columns: int) -> str:
    """Why not to take a tile for so few columns."""
    return f"{columns} columns would leave a tile empty" if columns < 4 else ""


def refuse_depthwise(job: Conv) -> str:
    """What kernels of one filter a channel do not take."""
    if not job.groups == job.x[1] == job.w[0] or job.groups == 1:
        return f"groups = {job.groups}, C = {job.x[1]}, K = {job.w[0]} are not equal and above 1"
    if math.prod(job.win.size) > 65535:
        return "the window has more than 65535 positions"
    if job.x[1] > 65535 * 32:
        return f"{job.x[1]} channels are more columns than a grid's 65535"
    return _too_many_pixels(job)


# ---------------------------------------------------------------- launches
def _naive(family: str, product: Pass) -> Launches:
    """One thread an output element."""

    def plan(job: Conv) -> tuple[Launch, ...]:
        operands, pixels, *_ = product(job)
        grid = (blocks(math.prod(pixels), THREADS),)
        name = f"{family}/naive_{product.__name__}"
        return (Launch(name, storage_macros(job.dtype), grid, (THREADS,), (*operands, job)),)

    return plan


def _rung(name: str, tile: int, side: int) -> Launches:
    """``conv2d/<name>_forward``: a block of side x side threads does tile x tile sums."""

    def plan(job: Conv) -> tuple[Launch, ...]:
        operands, pixels, columns, _ = forward(job)
        grid = (blocks(pixels[0] * math.prod(pixels[2:]), tile), blocks(columns, tile), job.groups)
        return (Launch(f"conv2d/{name}_forward", storage_macros(job.dtype), grid, (side, side), (*operands, job)),)

    return plan


def depthwise_width(job: Conv) -> int:
    """Channels that a thread moves at once: 16 bytes' worth, or 1."""
    width = pack(job.dtype)
    return width if job.aligned and job.x[1] % width == 0 else 1


def _depthwise(product: Pass) -> Launches:
    """Blocks of up to 32 columns of channels; a thread has a column, 16 bytes where they allow it, of four pixels."""

    def plan(job: Conv) -> tuple[Launch, ...]:
        operands, pixels, *_ = product(job)
        width = depthwise_width(job)
        columns = job.x[1] // width
        lanes = min(32, 1 << (columns - 1).bit_length())
        grid = (blocks(math.prod(pixels) // job.x[1], DEPTHWISE_THREADS // lanes * PIXELS), blocks(columns, lanes))
        name, macros = f"conv2d/depthwise_{product.__name__}", {**storage_macros(job.dtype), "VEC": width}
        return (Launch(name, macros, grid, (DEPTHWISE_THREADS,), (*operands, job, lanes)),)

    return plan


def buffers(tile: int) -> Callable[[Conv], int]:
    """Bytes of shared memory a block: two buffers of one step's depth, of 16-byte accesses or of 8 elements."""
    return lambda job: 4 * 2 * 2 * pack(job.dtype) * 2 * tile


# ---------------------------------------------------------------- rows
TILED = "float32, float16, bfloat16; C/groups and K/groups multiples of a 16-byte access"
LARGE = TILED + "; enough rows and columns"
GATHER = "float32, float16, bfloat16; first layers (C <= 4) and channel counts that 16-byte accesses cannot take"
DEPTHWISE = "groups = C = K"
RUNG = "every geometry, dtype and group count, where asked for: a rung of the ladder from naive to tiled"
ANY = "every geometry, dtype and group count"


DEPTHWISE_FORWARD = Variant(
    "depthwise", ("conv2d/depthwise_forward",), DEPTHWISE, _depthwise(forward), refuse_depthwise
)
DEPTHWISE_GRAD_INPUT = Variant(
    "depthwise", ("conv2d/depthwise_grad_input",), DEPTHWISE, _depthwise(grad_input), refuse_depthwise
)
LADDER = (
    Variant(
        "blocked", ("conv2d/blocked_forward",), RUNG, _rung("blocked", 64, 8), _refuse_rungs,
        lambda job: 2 * 8 * 68 * accumulate(job.dtype).itemsize, _avoid_rungs,
    ),
    Variant(
        "shared", ("conv2d/shared_forward",), RUNG, _rung("shared", 16, 16), _refuse_rungs,
        lambda job: (16 * 16 + 16 * 17) * accumulate(job.dtype).itemsize, _avoid_rungs,
    ),
    Variant("naive", ("conv2d/naive_forward",), ANY, _naive("conv2d", forward)),
)  # fmt: skip
NAIVE_GRAD_INPUT = Variant("naive", ("conv2d/naive_grad_input",), ANY, _naive("conv2d", grad_input))
NAIVE_3D = {
    product.__name__: Variant("naive", (f"conv3d/naive_{product.__name__}",), ANY, _naive("conv3d", product))
    for product in (forward, grad_input)
}
