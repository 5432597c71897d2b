"""Variants of the matrix product: what each takes, when another is the better choice, and its launches.

The choice is a function of sizes alone, and ours are the only kernels: cuBLAS, which no graph may hold, would add in
another order, and a captured step is to equal an eager one bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunn.cuda import gemm_launch
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.gemm_launch import ACTIVATIONS, Job, Share, Tile, operands, products
from gpunn.cuda.gemm_tensor import TENSOR_ROWS
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.products import Product
from gpunn.cuda.variants import Variant

STEP = {128: 8, 64: 16, 32: 16}  # BK: the depth of a step
BLOCK = {128: 256, 64: 128, 32: 64}  # threads
DEPTH_A_PART = {128: 256, 64: 64, 32: 32}  # below which a part is not worth its own block
PITCH_LIMIT = 2**24  # elements from row to row, so that offsets inside a tile fit into 32 bits
THREADS = 128


def width(job: Job) -> int:
    """Elements in one access."""
    return pack(job.dtype) if job.aligned else 1


def loop(job: Job, tile: int) -> int:
    """The macro LAYOUT: large products of float32 have a loop of their own, others one that takes any operands."""
    if not isinstance(job, Product) or tile == 32 or width(job) != 4:
        return -1
    return job.a.deep + 2 * job.b.deep


def step(job: Job, tile: int) -> int:
    """The depth of a step: two 16-byte accesses at least, and of small tiles twice as much where registers allow."""
    twice = (tile, width(job)) == (32, 4) or (tile == 64 and loop(job, tile) >= 0)
    return max(STEP[tile] * (2 if twice else 1), 2 * pack(job.dtype))


def tile_of(job: Job, tile: int) -> Tile:
    """A square tile as it multiplies this job."""
    return Tile(tile, tile, step(job, tile), DEPTH_A_PART[tile])


def tiles(job: Job, tile: int) -> int:
    """Tiles of all products and batches."""
    return gemm_launch.tiles(job, tile_of(job, tile))


def shares(job: Job, tile: int) -> list[Share]:
    """(parts, depth of a part) of each product."""
    return gemm_launch.shares(job, tile_of(job, tile))


# ---------------------------------------------------------------- what they take
def _refuse_tiled(job: Job) -> str:
    """What no kernel with 32-bit offsets takes."""
    return gemm_launch.refuse_far(job, PITCH_LIMIT)


def _refuse_large(job: Job) -> str:
    """What the largest tile does not take."""
    if job.dtype != "float32":
        return f"{job.dtype}: its tiles are of float32"
    return _refuse_tiled(job) or ("" if job.aligned else "16-byte accesses do not fit the arrays")


def _refuse_medium(job: Job) -> str:
    """What the middle one does not take: elements one at a time, but of float32."""
    if job.dtype != "float32" and not job.aligned:
        return f"{job.dtype}: 16-byte accesses do not fit the arrays"
    return _refuse_tiled(job)


def _avoid(tile: int) -> Callable[[Job], str]:
    return lambda job: gemm_launch.avoid(job, tile_of(job, tile))


# ---------------------------------------------------------------- launches
def _tiled(tile: int) -> Callable[[Job], tuple[Launch, ...]]:
    def plan(job: Job) -> tuple[Launch, ...]:
        macros: dict[str, object] = {"BK": step(job, tile), "VEC": width(job), "LAYOUT": loop(job, tile)}
        return gemm_launch.launch("gemm/tiled", job, tile_of(job, tile), BLOCK[tile], macros)

    return plan


def _naive(job: Job) -> tuple[Launch, ...]:
    """A launch a product, one thread an element."""
    a, bias, y, pairs, gb = operands(job)
    launches = []
    for one, (b, c) in zip(products(job), pairs, strict=True):
        sides: Sequence[Any] = (one.a.line, one.a.depth, one.b.depth, one.b.line, one.inner)
        batch = (one.a.outer, one.a.inner, one.b.outer, one.b.inner)
        sizes = (one.G, one.M, one.N, one.K)
        args = (a, b, bias, y, c, gb if one.ones else None, *sizes, *sides, *batch, ACTIVATIONS[job.activation])
        grid = (blocks(one.G * one.M * one.columns, THREADS),)
        launches.append(Launch("gemm/naive", storage_macros(job.dtype), grid, (THREADS,), args))
    return tuple(launches)


def _buffers(tile: int) -> Callable[[Job], int]:
    """Bytes of shared memory a block."""
    return lambda job: 2 * step(job, tile) * 2 * tile * accumulate(job.dtype).itemsize + 1


ROWS = (
    *TENSOR_ROWS,
    Variant(
        "tile128", ("gemm/tiled",), "float32; 16-byte accesses; enough rows and columns",
        _tiled(128), _refuse_large, _buffers(128), _avoid(128),
    ),
    Variant(
        "tile64", ("gemm/tiled",), "float32, or 16-byte accesses; rows not too far apart",
        _tiled(64), _refuse_medium, _buffers(64), _avoid(64),
    ),
    Variant(
        "tile32", ("gemm/tiled",), "every dtype; rows not too far apart",
        _tiled(32), _refuse_tiled, _buffers(32),
    ),
    Variant("naive", ("gemm/naive",), "every size, stride and dtype", _naive),
)  # fmt: skip
