"""Variants of the matrix product on tensor cores, sm_80 and later: what each takes, and its launches."""

from __future__ import annotations

from collections.abc import Callable

from gpunn.cuda import gemm_launch
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, refuse_cores
from gpunn.cuda.gemm_launch import ACTIVATIONS, Job, Tile, products
from gpunn.cuda.plans import Launch
from gpunn.cuda.products import Product
from gpunn.cuda.variants import Variant

LINE = 128  # bytes of depth of a step
LEAST_STEPS = 2  # below which a part is not worth its own block
PITCH_LIMIT = 2**22  # elements from row to row, so that a tile's offsets in bytes fit into 32 bits
LEAST_DEPTH = 24  # of three TF32: shorter sums err by more than twice what float multiply-adds do (kernels/README.md)
LEAST_SIDE = 16  # rows or columns, of which a tile of 64 is a quarter
# Rows and columns of a block, rows and columns of a warp, and how many steps are under way at once.
TILES = ((128, 128, 64, 64, 3), (128, 64, 64, 32, 3), (64, 64, 32, 32, 4))
SPLIT_TILES = ((128, 64, 32, 32, 3), TILES[-1])  # of three TF32: its halves and sums of a step fill the registers
Shape = tuple[int, int, int, int, int]


def _tile(shape: Shape, precision: str) -> Tile:
    step = LINE // (2 if precision in ("bf16", "fp16") else 4)
    return Tile(shape[0], shape[1], step, LEAST_STEPS * step)


def _slope(job: Job) -> str | None:
    """The activation whose derivative a is times."""
    return None if isinstance(job, Product) else job.activation


def _stages(shape: Shape, job: Job) -> int:
    """Steps under way at once: what y takes beside a leaves room for fewer where 99 KB are all."""
    return 2 if _slope(job) and shape[0] * 2 + shape[1] > 256 else shape[4]


def _shared(shape: Shape) -> Callable[[Job], int]:
    """Bytes of dynamic shared memory a block."""

    def shared(job: Job) -> int:
        rows = shape[0] * (2 if _slope(job) else 1) + shape[1]
        return _stages(shape, job) * rows * LINE

    return shared


def _refuse(precision: str) -> Callable[[Job], str]:
    def refuse(job: Job) -> str:
        if reason := refuse_cores(precision, job.dtype, job.precision):
            return reason
        if precision == "3xtf32" and (least := min([one.K for one in products(job)])) < LEAST_DEPTH:
            return f"a sum of {least} products is more exact in float32 than in three of TF32"
        if not job.aligned:
            return "16-byte accesses do not fit the arrays: rows off 16 bytes, or of an odd length"
        if _slope(job) == "tanh" and precision != "3xtf32":
            return f"tanh's derivative is rounded where it is multiplied in {precision}"
        if any([one.ones and one.b.deep for one in products(job)]):
            return "a column of ones has no place beside an x that lies along the depth"
        return gemm_launch.refuse_far(job, PITCH_LIMIT)

    return refuse


def _avoid(shape: Shape, precision: str) -> Callable[[Job], str]:
    def avoid(job: Job) -> str:
        if shape != TILES[-1]:
            return gemm_launch.avoid(job, _tile(shape, precision))
        least = min([min(one.M, one.columns) for one in products(job)])
        return "" if least >= LEAST_SIDE else f"{least} rows or columns would leave most of a 64x64 tile empty"

    return avoid


def layout(one: Product) -> int:
    """The macro LAYOUT: which operands of a product lie along the depth."""
    return one.a.deep + 2 * one.b.deep


def _plan(shape: Shape, precision: str) -> Callable[[Job], tuple[Launch, ...]]:
    def plan(job: Job) -> tuple[Launch, ...]:
        first, *others = products(job)
        rows, columns, *warp, _ = shape
        macros: dict[str, object] = {
            "PRECISION": CORES_MACRO[precision], "WM": warp[0], "WN": warp[1], "STAGES": _stages(shape, job),
            "LAYOUT": layout(first), "SECOND": layout(others[0]) if others else -1, "SLOPE": ACTIVATIONS[_slope(job)],
        }  # fmt: skip
        threads = (rows // warp[0]) * (columns // warp[1]) * 32
        tile = _tile(shape, precision)
        return gemm_launch.launch("gemm/tensor", job, tile, threads, macros, _shared(shape)(job))

    return plan


def _row(precision: str, shape: Shape) -> Variant:
    name = f"{precision}_{shape[0]}x{shape[1]}"
    takes = f"{CORES_READ[precision]} with 16-byte accesses, on tensor cores in {precision}"
    return Variant(
        name, ("gemm/tensor",), takes, _plan(shape, precision), _refuse(precision), _shared(shape),
        _avoid(shape, precision), precision=precision, dynamic=True,
    )  # fmt: skip


TENSOR_ROWS = tuple([
    _row(precision, shape) for precision in CORES_READ for shape in (SPLIT_TILES if precision == "3xtf32" else TILES)
])  # fmt: skip
