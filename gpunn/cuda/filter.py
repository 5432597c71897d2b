"""Filters of images on CUDA and emulated arrays: the twin of gpunn.cpu.filter."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.cuda.checks import INDEX_LIMIT, check_arrays, check_index
from gpunn.cuda.dtypes import SIZES, accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_axes
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch
from gpunn.cuda.problem import Problem
from gpunn.cuda.reduce import sum_parts
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced

THREADS = 256
BORDERS = ("zeros", "reflect", "replicate", "circular", "symmetric")  # numbers of kernels/filter/planes.cuh
TAPS = {8: 25, 4: 49, 2: 49}  # that stay in registers, all in one unrolled loop, by bytes an element
LANES, ROWS = 32, 64  # threads across a tile and rows down it, at most
EACH = 4  # rows of a thread
WARP = 32
FITS = 48 * 1024  # bytes of shared memory that every device gives a block
GRID = 2**31 - 1  # tiles
FILL = 1056  # blocks that fill an H200, eight a multiprocessor


@dataclass(frozen=True)
class Filter(Problem):
    """N volumes D x H x W, each correlated with A x R x S taps; ``border``: what lies outside, one of BORDERS."""

    N: int
    D: int
    H: int
    W: int
    A: int
    R: int
    S: int
    border: str

    @classmethod
    def of(cls, dtype: str, aligned: bool, shape: Shape, size: Shape, border: str) -> Filter:
        """The filter of arrays of this shape along their last axes; axes along which there is one tap are joined."""
        lead = len(shape) - len(size)
        a, r, s = (1, 1, *size)[-3:]
        n, (d, h, w) = math.prod(shape[:lead]), (1, 1, *shape[lead:])[-3:]
        if a == 1:
            n, d = n * d, 1
        if a == r == 1 and n * h <= INDEX_LIMIT:
            n, h = 1, n * h
        return cls(dtype, aligned, n, d, h, w, a, r, s, border)

    @property
    def struct(self) -> dict[str, int]:
        centre = {"front": self.A // 2, "top": self.R // 2, "left": self.S // 2}
        return {**self.letters, **centre, "border": BORDERS.index(self.border)}

    def __str__(self) -> str:
        return f"{super().__str__()} {self.border}"


# ---------------------------------------------------------------- variants
def _power(n: int) -> int:
    """The first power of two from n on."""
    return 1 << (n - 1).bit_length()


def _tile(job: Filter) -> tuple[int, int, int]:
    """Rows and columns of a tile, powers of two, so that few are compiled, and bytes of shared memory."""
    width = pack(job.dtype)
    lanes = min(LANES, _power(blocks(job.W, width)))
    rows = min(ROWS, _power(max(job.H, EACH)))
    halo = blocks(job.S // 2, width) + blocks((job.S - 1) // 2, width)
    return rows, lanes * width, SIZES[job.dtype] * (rows + job.R - 1) * (lanes + halo) * width


def _shared(job: Filter) -> int:
    return _tile(job)[2]


def _tiles(job: Filter, rows: int, columns: int) -> int:
    return job.N * blocks(job.H, rows) * blocks(job.W, columns)


def _refuse_tile(job: Filter) -> str:
    if job.A > 1:
        return "the filter has a depth"
    if (most := TAPS[SIZES[job.dtype]]) < job.R * job.S:
        return f"{job.R} x {job.S} taps are more than the {most} that registers hold"
    rows, columns, need = _tile(job)
    if need > FITS:
        return f"a tile needs {need} bytes of shared memory, beyond {FITS}"
    return f"more than {GRID} tiles" if _tiles(job, rows, columns) > GRID else ""


def _avoid_tile(job: Filter) -> str:
    rows, columns, _ = _tile(job)
    threads = columns // pack(job.dtype) * rows // EACH
    return "" if threads >= WARP else f"the tile of such a plane has {threads} threads, less than a warp"


def _plan_tile(job: Filter, names: tuple[str, ...] = ("x", "w", "y"), flip: int = 0) -> tuple[Launch, ...]:
    rows, columns, _ = _tile(job)
    wide = job.aligned and job.W % pack(job.dtype) == 0
    macros = {
        **storage_macros(job.dtype),
        "VEC": pack(job.dtype) if wide else 1,
        **{"BM": rows, "BN": columns, "TAPS_H": job.R, "TAPS_W": job.S, "FLIP": flip},
    }
    threads = min(THREADS, columns // pack(job.dtype) * rows // EACH)
    return (Launch("filter/tile_forward", macros, (_tiles(job, rows, columns),), (threads,), (*names, job)),)


def _elements(source: str, job: Filter, count: int, *args: object) -> Launch:
    """A launch with a thread an element."""
    return Launch(f"filter/{source}", storage_macros(job.dtype), (blocks(count, THREADS),), (THREADS,), args)


def _plan_naive(job: Filter) -> tuple[Launch, ...]:
    return (_elements("naive_forward", job, job.N * job.D * job.H * job.W, "x", "w", "y", job),)


def _plan_grad_input_tile(job: Filter) -> tuple[Launch, ...]:
    """gy filtered with the taps turned round; then, where the border copies elements, those once more and whole."""
    turned = _plan_tile(replace(job, border="zeros"), ("gy", "w", "gx"), 1)
    rows, columns = (0 if taps == 1 else min(n, 2 * taps) for n, taps in ((job.H, job.R), (job.W, job.S)))
    frame = job.N * (rows * job.W + (job.H - rows) * columns)
    if job.border == "zeros" or not frame:
        return turned
    return (*turned, _elements("naive_grad_input", job, frame, "gy", "w", "gx", job, frame, 1))


def _plan_grad_input(job: Filter) -> tuple[Launch, ...]:
    count = job.N * job.D * job.H * job.W
    return (_elements("naive_grad_input", job, count, "gy", "w", "gx", job, count, 0),)


def _plan_grad_kernel(job: Filter) -> tuple[Launch, ...]:
    runs = blocks(job.S, 8)
    taps, columns, rows = job.A * job.R * job.S, blocks(job.S, runs), job.N * job.D * job.H
    count = max(1, min(rows, blocks(FILL, job.A * job.R * runs)))
    parts = Scratch("parts", (count, taps), accumulate(job.dtype))
    macros = {**storage_macros(job.dtype), "TAPS_W": columns}
    grid = (count, job.A * job.R, runs)
    return (
        Launch("filter/grad_kernel", macros, grid, (THREADS,), ("gy", "x", parts, job)),
        sum_parts(parts, "gw", job.dtype),
    )


ANY = "every size, border and dtype"
FEW = "up to 49 taps, 25 in float64, without a depth"
TILE, NAIVE = "filter/tile_forward", "filter/naive_grad_input"
FORWARD = Operation(
    "filter.forward",
    Variant("tile", (TILE,), FEW, _plan_tile, _refuse_tile, _shared, _avoid_tile),
    Variant("naive", ("filter/naive_forward",), ANY, _plan_naive),
)
GRAD_INPUT = Operation(
    "filter.grad_input",
    Variant("tile", (TILE, NAIVE), FEW, _plan_grad_input_tile, _refuse_tile, _shared, _avoid_tile),
    Variant("naive", (NAIVE,), ANY, _plan_grad_input),
)
GRAD_KERNEL = Operation(
    "filter.grad_kernel",
    Variant("row", ("filter/grad_kernel", "reduce/sum_parts"), ANY, _plan_grad_kernel),
)


# ---------------------------------------------------------------- plans
def _problem(name: str, image: Layout, size: Shape, border: str, /, **more: Layout) -> Filter:
    """The checked problem of images and taps of this size."""
    dtype = check_arrays(name, x=image, **more)
    check_index(name, **{"a bordered axis of x": (max(image.shape) + max(size),)})
    return Filter.of(dtype, image.aligned, image.shape, size, border)


def _rows(given: tuple) -> Layout:
    """An array row by row: where it is not so, copied at the call."""
    found = Layout(*given)
    return in_axes(found, tuple(range(len(found.shape))))


@lru_cache(KEPT)
def _filtered(operation: Operation, image: tuple, w: tuple, border: str, asked: Asked) -> Plan:
    """Of an image, x or gy, and the taps: what has the image's shape."""
    first, taps = _rows(image), _rows(w)
    job = _problem(operation.name, first, taps.shape, border, kernel=taps)
    taken, made = ("x", "y") if operation is FORWARD else ("gy", "gx")
    outputs = {made: Output(first.shape, first.dtype)}
    return operation.plan(job, {taken: first, "w": taps}, outputs, empty=not first.size)


@lru_cache(KEPT)
def _grad_kernel(gy: tuple, x: tuple, size: Shape, border: str, asked: Asked) -> Plan:
    above, below = _rows(gy), _rows(x)
    job = _problem(GRAD_KERNEL.name, below, size, border, gy=above)
    return GRAD_KERNEL.plan(job, {"gy": above, "x": below}, {"gw": Output(size, below.dtype)}, empty=not below.size)


# ---------------------------------------------------------------- the twin's functions
def forward(x: Array, w: Array, border: str) -> Array:
    """y of x's shape: x correlated with w along its last axes."""
    return _filtered(FORWARD, layout(x), layout(w), border, forced())(x, w)


def grad_input(gy: Array, w: Array, border: str) -> Array:
    """gx: each gy spread over the taps, and from the border back to where that was copied from."""
    return _filtered(GRAD_INPUT, layout(gy), layout(w), border, forced())(gy, w)


def grad_kernel(gy: Array, x: Array, size: Shape, border: str) -> Array:
    """gw of this size: the sum over all places of gy times what each tap met there."""
    return _grad_kernel(layout(gy), layout(x), size, border, forced())(gy, x)
