"""What the launches of tiled matrix products share: their sizes, what no kernel takes, and the launch itself."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from gpunn.cuda.checks import INDEX_LIMIT
from gpunn.cuda.dtypes import accumulate, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.products import LinearBackward, Product

TARGET_BLOCKS = 264  # two on each of an H200's 132 multiprocessors; fixed, so that split sums have one order everywhere
ACTIVATIONS = {None: 0, "relu": 1, "tanh": 2}  # as in kernels/elementwise/epilogue.cuh

Job: TypeAlias = Product | LinearBackward
Share: TypeAlias = tuple[int, int]  # parts of a product's depth, and the depth of one


class Tile(NamedTuple):
    """Rows and columns of a block, depth of a step, and the depth below which a part is not worth its own block."""

    rows: int
    columns: int
    step: int
    least: int

    @property
    def macros(self) -> dict[str, int]:
        return {"BM": self.rows, "BN": self.columns}


def products(job: Job) -> tuple[Product, ...]:
    """The products of one launch: all have one ``a``."""
    return (job,) if isinstance(job, Product) else job.products


def tiles(job: Job, tile: Tile) -> int:
    """Tiles of all products and batches."""
    return sum([blocks(one.M, tile.rows) * blocks(one.columns, tile.columns) * one.G for one in products(job)])


def shares(job: Job, tile: Tile) -> list[Share]:
    """(parts, depth of a part) of each product: as many parts as fill the device, none of them empty."""
    found, wanted = [], blocks(TARGET_BLOCKS, tiles(job, tile))
    for one in products(job):
        parts = max(1, min(wanted, one.K // tile.least))
        each = blocks(blocks(one.K, parts), tile.step) * tile.step
        found.append((max(1, blocks(one.K, max(each, 1))), each))
    return found


def refuse_far(job: Job, pitch_limit: int) -> str:
    """What no kernel with 32-bit offsets takes: rows, ``pitch_limit`` elements apart at least, among them."""
    for one in products(job):
        if max(one.M, one.columns, one.K) > INDEX_LIMIT:
            return f"{max(one.M, one.columns, one.K)} rows, columns or depth are numbered in 32 bits"
        for side in (one.a, one.b):
            pitch = side.line if side.deep else side.depth
            if pitch >= pitch_limit:
                return f"rows {pitch} elements apart are more than {pitch_limit} in a tile's 32-bit offsets"
            if max(side.outer, side.inner) > INDEX_LIMIT:
                return f"batches {max(side.outer, side.inner)} elements apart do not fit into 32 bits"
    most = sum([blocks(one.M, 32) * blocks(one.columns, 32) * one.G for one in products(job)])
    return "" if most < 2**31 // 2 else f"{most} tiles are more than a grid's blocks"


def avoid(job: Job, tile: Tile) -> str:
    """What leaves most of a tile empty, or most of the device idle."""
    for name, side, size in (("rows", "M", tile.rows), ("columns", "columns", tile.columns)):
        least = min([getattr(one, side) for one in products(job)])
        if least < size * 3 // 4:
            return f"{least} {name} would leave a {tile.rows}x{tile.columns} tile half empty"
    parts = max([one.K // tile.least for one in products(job)])
    count = tiles(job, tile) * max(parts, 1)
    return "" if count >= 132 else f"{count} tiles and parts would leave multiprocessors idle"


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


def launch(
    kernel: str, job: Job, tile: Tile, threads: int, macros: dict[str, object], shared_bytes: int = 0
) -> tuple[Launch, ...]:
    """One launch: a block a tile and part of every product."""
    a, bias, y, pairs, gb = operands(job)
    found, counts = shares(job, tile), [tiles(one, tile) for one in products(job)]
    grid = sum([count * parts for count, (parts, _) in zip(counts, found, strict=True)])
    split = any([parts > 1 for parts, _ in found])
    parts = Scratch("parts", (grid, tile.rows * tile.columns), accumulate(job.dtype)) if split else None
    tickets = Tickets(sum(counts)) if split else None
    structs = [_struct(one, *share) for one, share in zip(products(job), found, strict=True)]
    (b, c), (b2, c2) = (*pairs, (None, None))[:2]
    first, second = (*structs, dict.fromkeys(structs[0], 0))[:2]
    args = (a, b, bias, y, c, b2, c2, gb, parts, tickets, first, second, ACTIVATIONS[job.activation])
    all_macros = {**storage_macros(job.dtype), **tile.macros, **macros}
    return (Launch(kernel, all_macros, (grid,), (threads,), args, shared_bytes),)
