"""Pooling through shared memory: how images are cut into blocks, and what a block's arrays take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gpunn.cuda.dtypes import SIZES, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Pool

WORDS = "any channels and either memory order, rows of windows that fit into shared memory"
FITS = 48 * 1024 - 256  # bytes of shared memory that every device gives a block
WANTED = 24 * 1024  # of which as many are filled as leave a multiprocessor eight blocks or more
FEWEST = 528  # blocks that a batch of small images is cut into, four a multiprocessor of an H200
MOST = 256  # threads of a block
WARP = 32


def in_one_order(job: Pool) -> Pool:
    """The same pooling of channels-last memory: row-major memory is that of N*C images of one channel."""
    return job if job.nhwc else replace(job, N=job.N * job.C, C=1, nhwc=True)


def refuse(job: Pool) -> str:
    """Why no block can take rows of windows."""
    if job.win.rank == 3:
        return "windows are 3-d"
    if set(job.win.dilation) != {1}:
        return f"windows are dilated ({job.win})"
    mine = in_one_order(job)
    if mine.N >= 2**31:
        return f"{mine.N} planes are beyond 2^31"
    need = max(sum(_bytes(mine, 1, backward)) for backward in (False, True))
    return "" if need <= FITS else f"a row of windows needs {need} bytes of shared memory, beyond {FITS}"


def _bytes(job: Pool, rows: int, backward: bool, images: int = 1) -> tuple[int, ...]:
    """Of each array of a block, in the kernel's order: x, y, index; backward: gy, index, y or x, gx."""
    size, stride, above = SIZES[job.dtype], job.struct["stride_h"], job.Q * job.C
    if backward:
        outs = (job.P if job.flat else min(rows + blocks(job.R, stride) - 1, job.P)) * above
        ins = min(rows * stride, job.H) * job.W * job.C * size
        counts = outs * size, outs * job.letters["I"], max(outs * size, ins) if job.activation else 0, ins
    else:
        ins = job.H if images > 1 else min((rows - 1) * stride + job.R, job.H)
        counts = ins * job.W * job.C * size, rows * above * size, rows * above * job.letters["I"]
    return tuple([_even(images * count + 16) for count in counts])  # 16: they begin as far past 16 bytes as in memory


def _even(size: int) -> int:
    return blocks(size, 16) * 16


def _cut(job: Pool, down: int, backward: bool) -> tuple[int, int]:
    """Rows of a block, and images where it takes all of their rows."""
    rows, most = 1, FITS if job.flat else WANTED  # row-major windows are read by each block anew
    while rows < down and sum(_bytes(job, rows + 1, backward)) <= most:
        rows += 1
    bands = blocks(down, rows)
    if bands > 1:
        return blocks(down, bands), 1
    each = sum(_bytes(job, down, backward, 2)) // 2
    return down, max(1, min(WANTED // each, job.N // FEWEST))


def plan(source: str, args: tuple[Any, ...]) -> Callable[[Pool], tuple[Launch, ...]]:
    """A block owns rows of an image or several images, and a thread columns of them."""
    backward = args[-1] == "gx"

    def planned(job: Pool) -> tuple[Launch, ...]:
        mine = in_one_order(job)
        how = mine.struct
        down = blocks(mine.H + how["pad_h"], how["stride_h"]) if backward else mine.P
        rows, images = _cut(mine, down, backward)
        columns = mine.W * mine.C if backward else mine.Q * mine.C * (how["stride_w"] if mine.C > 1 else 1)
        # Whole warps own a row where few of their lanes stay idle: two rows in one meet in banks of shared memory.
        padded = blocks(columns, WARP) * WARP
        lanes = min(padded if 4 * columns >= 3 * padded else columns, MOST)
        threads = blocks(max(1, min(rows * images, MOST // lanes)) * lanes, WARP) * WARP
        sizes = _bytes(mine, rows, backward, images)
        starts = [sum(sizes[:i]) for i in range(4)]
        cut = {"rows": rows, "images": images, "lanes": lanes, "second": starts[1], "third": starts[2]}
        macros: dict[str, object] = {**storage_macros(job.dtype), "NHWC": 1, "VEC": 1}
        if "index" in args:
            macros["INDEX"] = "unsigned char" if job.win.positions <= 256 else "unsigned short"
        grid = (blocks(mine.N, images) * blocks(down, rows),)
        given = tuple([None if arg == "index" and not job.wanted else arg for arg in args])
        launch = (*given, mine, {**cut, "last": starts[3] if backward else 0})
        return (Launch(source, macros, grid, (threads,), launch, sum(sizes)),)

    return planned
