"""Adaptive pooling's variants: one output for all pixels, which many threads share, or windows with a thread each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.problem import Problem
from gpunn.cuda.variants import Operation, Variant
from gpunn.window import size_text

THREADS = 128
BLOCK, FLIGHT = 256, 4  # as in kernels/pool/global.cuh
# Threads that fill an H200 of 132 multiprocessors, and blocks; fixed, so that sums have one order everywhere.
FULL, TARGET_BLOCKS = 132 * 1024, 528
INDEX = {1: "unsigned char", 2: "unsigned short", 4: "int"}  # by bytes
ANY = "either memory order, every size and dtype"


@dataclass(frozen=True)
class Adaptive(Problem):
    """An adaptive pooling of any rank; ``nhwc`` says which memory order x has, ``wanted`` whether y has an index."""

    x: tuple[int, ...]
    out: tuple[int, ...]
    nhwc: bool
    wanted: bool = True

    @property
    def y(self) -> tuple[int, ...]:
        return (*self.x[:2], *self.out)

    @property
    def inputs(self) -> int:
        return math.prod(self.x)

    @property
    def outputs(self) -> int:
        return math.prod(self.y)

    @property
    def pixels(self) -> int:
        return math.prod(self.x[2:])

    @property
    def letters(self) -> dict[str, int]:
        """A, R and S are those of the largest window; axes that x lacks are 1."""
        largest = [max([-(-(p + 1) * n // o) - p * n // o for p in range(o)]) if n else 0
                   for n, o in zip(self.x[2:], self.out, strict=True)]  # fmt: skip
        axes = zip(("DHW", "ARS", "OPQ"), (self.x[2:], largest, self.out), strict=True)
        named = {one: n for letters, sizes in axes for one, n in zip(letters, (1, 1, *sizes)[-3:], strict=True)}
        width = index_width(math.prod(largest))
        return {**super().letters, "N": self.x[0], "C": self.x[1], **named, "L": self.pixels, "I": width}


def index_width(positions: int) -> int:
    """Bytes of the smallest index that counts so many positions."""
    return 1 if positions <= 256 else 2 if positions <= 65536 else 4


def index_type(width: int) -> np.dtype:
    """NumPy's type of an index of so many bytes."""
    return np.dtype({1: np.uint8, 2: np.uint16, 4: np.int32}[width])


Planned: TypeAlias = Callable[[Adaptive], tuple[Launch, ...]]


def index_dtype(job: Adaptive) -> np.dtype:
    """The smallest that holds a place in the largest window."""
    return index_type(job.letters["I"])


def _macros(job: Adaptive, width: int, args: tuple[Any, ...]) -> dict[str, object]:
    macros: dict[str, object] = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "VEC": width}
    return {**macros, "INDEX": INDEX[job.letters["I"]]} if "index" in args or None in args else macros


def _given(job: Adaptive, names: tuple[str, ...]) -> tuple[str | None, ...]:
    """The operands by name; no index where none is wanted."""
    return tuple([None if name == "index" and not job.wanted else name for name in names])


# ---------------------------------------------------------------- one output
def _width(job: Adaptive) -> int:
    """Elements an access: 16 bytes where the fastest axis is a multiple of that, else one."""
    wide = pack(job.dtype)
    return wide if job.aligned and (job.x[1] if job.nhwc else job.pixels) % wide == 0 else 1


def _walk(job: Adaptive, width: int, least: int) -> tuple[tuple[int, int], int, int]:
    """(grid, columns, rows) of kernels/pool/global.cuh: so many pixels a thread at least."""
    (n, c), packs = job.x[:2], job.pixels if job.nhwc else job.pixels // width
    columns, rows = 1, 1
    while job.nhwc and columns < 32 and columns * width < c:
        columns *= 2
    while not job.nhwc and rows < 32 and 2 * rows <= packs:  # a warp's lanes side by side
        rows *= 2
    owners = n * c // width if job.nhwc else n * c
    while rows * columns < BLOCK and 2 * rows * least <= packs and owners * rows < FULL:
        rows *= 2
    images = BLOCK // (rows * columns)
    across = blocks(n, images) * blocks(c, columns * width) if job.nhwc else blocks(n * c, images)
    parts = max(1, min(blocks(TARGET_BLOCKS, across), packs // (rows * least)))
    return (across, parts), columns, rows


def _geometry(job: Adaptive, parts: int, columns: int, rows: int) -> dict[str, int]:
    return {**job.struct, "J": parts, "columns": columns, "rows": rows}


def _global_forward(source: str, kept: tuple[str, ...]) -> Planned:
    def plan(job: Adaptive) -> tuple[Launch, ...]:
        width = _width(job)
        grid, columns, rows = _walk(job, width, FLIGHT)
        shape = grid[1], job.x[0] * job.x[1]
        types = {"parts": accumulate(job.dtype), "places": np.dtype(np.int32)}
        scratch = [Scratch(name, shape, types[name]) if grid[1] > 1 else None for name in kept]
        operands = ("x", "y", "index") if "places" in kept else ("x", "y")
        tickets = Tickets(grid[0]) if grid[1] > 1 else None
        args = (*_given(job, operands), *scratch, tickets, _geometry(job, grid[1], columns, rows))
        macros = _macros(job, width, operands)
        return (Launch(source, macros, grid, (BLOCK,), args),)

    return plan


def _global_backward(operands: tuple[str | None, ...]) -> Planned:
    def plan(job: Adaptive) -> tuple[Launch, ...]:
        width = _width(job) if job.nhwc else pack(job.dtype)
        grid, columns, rows = _walk(job, width, 7)  # each row reads gy: a seventh of what it writes, at most
        if not job.nhwc:
            grid, columns, rows = (blocks(job.inputs, BLOCK * FLIGHT * width), 1), 1, 1
        args = (*operands, _geometry(job, grid[1], columns, rows))
        return (Launch("pool/global_backward", _macros(job, width, operands), grid, (BLOCK,), args),)

    return plan


def _refuse_global(job: Adaptive) -> str:
    return "" if set(job.out) == {1} else f"the output is {size_text(job.out)}, not {size_text([1] * len(job.out))}"


# ---------------------------------------------------------------- windows
def _refuse_vector(job: Adaptive) -> str:
    if not job.nhwc:
        return "x is not channels-last"
    if job.x[1] % pack(job.dtype):
        return f"C = {job.x[1]} is no multiple of {pack(job.dtype)}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _windows(name: str, operands: tuple[str, ...], one: Planned, main: str) -> Operation:
    """``pool.adaptive_<name>``: of one output, with 16-byte accesses, and for everything."""
    source = f"pool/adaptive_{name}"

    def row(wide: bool) -> Planned:
        def plan(job: Adaptive) -> tuple[Launch, ...]:
            width, items = pack(job.dtype) if wide else 1, job.inputs if operands[-1] == "gx" else job.outputs
            grid, args = (blocks(items // width, THREADS),), (*_given(job, operands), job)
            return (Launch(source, _macros(job, width, operands), grid, (THREADS,), args),)

        return plan

    takes = "channels-last, channels a multiple of a 16-byte access"
    return Operation(
        f"pool.adaptive_{name}",
        Variant("global", (main,), "one output", one, _refuse_global),
        Variant("vector", (source,), takes, row(True), _refuse_vector),
        Variant("naive", (source,), ANY, row(False)),
    )


MEAN, BEST, BACK = "pool/global_avg_forward", "pool/global_max_forward", "pool/global_backward"
AVG_FORWARD = _windows("avg_forward", ("x", "y"), _global_forward(MEAN, ("parts",)), MEAN)
AVG_BACKWARD = _windows("avg_backward", ("gy", "gx"), _global_backward(("gy", None, "gx")), BACK)
MAX_FORWARD = _windows("max_forward", ("x", "y", "index"), _global_forward(BEST, ("parts", "places")), BEST)
MAX_BACKWARD = _windows("max_backward", ("gy", "index", "gx"), _global_backward(("gy", "index", "gx")), BACK)
