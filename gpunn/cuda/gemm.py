"""Variants of the matrix product: what each takes, when another is the better choice, and its launches.

The choice is a function of sizes alone, and ours are the only kernels: cuBLAS, which no graph may hold, would add in
another order, and a captured step is to equal an eager one bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.products import LinearBackward, Product
from gpunn.cuda.variants import Variant

TARGET_BLOCKS = 264  # two on each of an H200's 132 multiprocessors; fixed, so that split sums have one order everywhere
STEP = {128: 8, 64: 16, 32: 16}  # BK: the depth of a step
BLOCK = {128: 256, 64: 128, 32: 64}  # threads
DEPTH_A_PART = {128: 256, 64: 64, 32: 32}  # below which a part is not worth its own block
PITCH_LIMIT = 2**24  # elements from row to row, so that offsets inside a tile fit into 32 bits
ACTIVATIONS = {None: 0, "relu": 1, "tanh": 2}  # as in kernels/gemm/geometry.cuh
THREADS = 128

Job: TypeAlias = Product | LinearBackward


def products(job: Job) -> tuple[Product, ...]:
    """The products of one launch: all have one ``a``."""
    return (job,) if isinstance(job, Product) else job.products


def tiles(job: Job, tile: int) -> int:
    """Tiles of all products and batches."""
    return sum([blocks(one.M, tile) * blocks(one.columns, tile) * one.G for one in products(job)])


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


def shares(job: Job, tile: int) -> list[tuple[int, int]]:
    """(parts, depth of a part) of each product: as many parts as fill the device, none of them empty."""
    found, each_step, wanted = [], step(job, tile), blocks(TARGET_BLOCKS, tiles(job, tile))
    for one in products(job):
        parts = max(1, min(wanted, one.K // DEPTH_A_PART[tile]))
        each = blocks(blocks(one.K, parts), each_step) * each_step
        found.append((max(1, blocks(one.K, max(each, 1))), each))
    return found


# ---------------------------------------------------------------- what they take
def _refuse_tiled(job: Job) -> str:
    """What no kernel with 32-bit offsets takes."""
    for one in products(job):
        if max(one.M, one.columns, one.K) > INDEX_LIMIT:
            return f"{max(one.M, one.columns, one.K)} rows, columns or depth are numbered in 32 bits"
        for side in (one.a, one.b):
            pitch = side.line if side.deep else side.depth
            if pitch >= PITCH_LIMIT:
                return f"rows {pitch} elements apart are more than {PITCH_LIMIT} in a tile's 32-bit offsets"
            if max(side.outer, side.inner) > INDEX_LIMIT:
                return f"batches {max(side.outer, side.inner)} elements apart do not fit into 32 bits"
    most = sum([blocks(one.M, 32) * blocks(one.columns, 32) * one.G for one in products(job)])
    return "" if most < 2**31 // 2 else f"{most} tiles are more than a grid's blocks"


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
    """What leaves most of a tile empty, or most of the device idle."""

    def avoid(job: Job) -> str:
        least = min([min(one.M, one.columns) for one in products(job)])
        if least < tile * 3 // 4:
            return f"{least} rows or columns would leave a {tile}-wide tile half empty"
        parts = max([one.K // DEPTH_A_PART[tile] for one in products(job)])
        count = tiles(job, tile) * max(parts, 1)
        return "" if count >= 132 else f"{count} tiles and parts would leave multiprocessors idle"

    return avoid


# ---------------------------------------------------------------- launches
def _struct(one: Product, parts: int, each: int) -> dict[str, int]:
    """struct Product of kernels/gemm/geometry.cuh."""
    sides = {"a": one.a, "b": one.b}
    return {
        "M": one.M, "N": one.N, "K": one.K, "ones": int(one.ones), "batches": one.G, "inner": one.inner,
        "parts": parts, "each": each,
        **{f"deep_{name}": int(side.deep) for name, side in sides.items()},
        **{f"pitch_{name}": side.line if side.deep else side.depth for name, side in sides.items()},
        **{f"outer_{name}": side.outer for name, side in sides.items()},
        **{f"inner_{name}": side.inner for name, side in sides.items()},
    }  # fmt: skip


def operands(job: Job) -> tuple[str, str | None, str | None, list[tuple[str | None, str | None]], str | None]:
    """The names of a, bias, y, (b, c) of each product, and of gb."""
    if isinstance(job, Product):
        return "a", "bias", None, [("b", "c")], None
    pairs: list[tuple[str | None, str | None]] = []
    if job.gx is not None:
        pairs.append(("weight", "gx"))
    if job.gw is not None:
        pairs.append(("x", "gw") if job.gw.N else ("gy", None))
    gb = "gb" if job.gw is not None and job.gw.ones else None
    return "gy", None, "y" if job.activation else None, pairs, gb


def _tiled(tile: int) -> Callable[[Job], tuple[Launch, ...]]:
    """One launch: a block a tile and part of every product."""

    def plan(job: Job) -> tuple[Launch, ...]:
        a, bias, y, pairs, gb = operands(job)
        found, counts = shares(job, tile), [tiles(one, tile) for one in products(job)]
        grid = sum([count * parts for count, (parts, _) in zip(counts, found, strict=True)])
        split = any([parts > 1 for parts, _ in found])
        parts = Scratch("parts", (grid, tile * tile), accumulate(job.dtype)) if split else None
        tickets = Tickets(sum(counts)) if split else None
        structs = [_struct(one, *share) for one, share in zip(products(job), found, strict=True)]
        (b, c), (b2, c2) = (*pairs, (None, None))[:2]
        first, second = (*structs, dict.fromkeys(structs[0], 0))[:2]
        args = (a, b, bias, y, c, b2, c2, gb, parts, tickets, first, second, ACTIVATIONS[job.activation])
        macros = {**storage_macros(job.dtype), "BM": tile, "BN": tile, "BK": step(job, tile), "VEC": width(job)}
        macros["LAYOUT"] = loop(job, tile)
        return (Launch("gemm/tiled", macros, (grid,), (BLOCK[tile],), args),)

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
    Variant(
        "tile128", ("gemm/tiled",), "float32; 16-byte accesses; enough rows and columns",
        _refuse_large, _tiled(128), _buffers(128), _avoid(128),
    ),
    Variant(
        "tile64", ("gemm/tiled",), "float32, or 16-byte accesses; rows not too far apart", _refuse_medium, _tiled(64),
        _buffers(64), _avoid(64),
    ),
    Variant(
        "tile32", ("gemm/tiled",), "every dtype; rows not too far apart", _refuse_tiled, _tiled(32),
        _buffers(32),
    ),
    Variant("naive", ("gemm/naive",), "every size, stride and dtype", lambda job: "", _naive),
)  # fmt: skip
