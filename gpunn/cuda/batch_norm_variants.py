"""Batch normalisation's variants."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from gpunn.cuda.dtypes import SIZES, accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.problem import Norm
from gpunn.cuda.signature import Layout
from gpunn.cuda.variants import Operation, Variant

THREADS = 256
MULTIPROCESSORS = 132  # an H200's: grids are the same on every device, so that sums have one order everywhere
RESIDENT = 30 << 20  # bytes read twice that stay in its L2 cache of 50 MB, beside what is written
NAIVE = "either memory order, every size and dtype"
SPLIT = "either memory order; 16-byte accesses where channels (or positions) and alignment allow"
TOGETHER = f"the same in one cooperative launch; up to {RESIDENT >> 20} MiB that are read twice"


def _macros(job: Norm, width: int | None = None) -> dict[str, object]:
    macros: dict[str, object] = {**storage_macros(job.dtype), "NHWC": int(job.nhwc)}
    return macros if width is None else {**macros, "VEC": width}


def _width(job: Norm) -> int:
    """Elements an access: 16 bytes where the fastest axis is a multiple of that, else one."""
    wide = pack(job.dtype)
    return wide if job.aligned and (job.C if job.nhwc else job.L) % wide == 0 else 1


def _held(job: Norm, backward: bool) -> int:
    """Blocks that a multiprocessor holds at once, for their registers: what kernels/batch_norm/walk.cuh asks for."""
    return 2 if backward and pack(job.dtype) == 8 else 3


def _walk(job: Norm, width: int, backward: bool = False) -> tuple[tuple[int, int], int]:
    """(grid, columns) of kernels/batch_norm/walk.cuh: one wave, of blocks that can wait for each other if x stays."""
    if job.nhwc:
        packs = blocks(job.C, width)
        across = blocks(packs, 32)
        # threads side by side in a row; where they share bytes of signs, a whole byte's
        whole = 8 // width if holds_signs(job) else 1
        columns = blocks(blocks(packs, across), whole) * whole
        rows, a_thread = job.N * job.L, THREADS // columns
    else:
        columns, across, rows, a_thread = 1, job.C, job.N * job.L // width, THREADS
    target = _held(job, backward) * MULTIPROCESSORS
    parts = max(1, target // across) if _stays(job, backward) else blocks(target, across)
    return (across, min(parts, max(1, rows // (4 * a_thread)), 65535)), columns


def _stays(job: Norm, backward: bool) -> bool:
    """Whether what both passes read, x, and backward gy too, stays in the L2 cache from one to the other."""
    return (1 + backward) * job.N * job.C * job.L * SIZES[job.dtype] <= RESIDENT


def holds_signs(job: Norm) -> bool:
    """Whether y's signs can be kept as bits: a byte is of eight channels of one row."""
    return job.nhwc and job.C % 8 == 0


def _refuse_together(backward: bool, job: Norm) -> str:
    if not _stays(job, backward):
        return f"what it reads twice is over {RESIDENT >> 20} MiB and leaves the L2 cache in between"
    need = _multiprocessors(backward, job)
    return f"its blocks, which wait for each other, are for {need} multiprocessors" if need > MULTIPROCESSORS else ""


def _multiprocessors(backward: bool, job: Norm) -> int:
    """How many hold all blocks at once."""
    return blocks(math.prod(_walk(job, _width(job), backward)[0]), _held(job, backward))


# ---------------------------------------------------------------- variants
RUNNING = "running_mean", "running_var", "batches"


def unbiased(job: Norm) -> float:
    """The unbiased variance over the biased one."""
    count = job.N * job.L
    return count / max(count - 1, 1)


def _forward_naive(job: Norm) -> tuple[Launch, ...]:
    args = ("x", "gamma", "beta", "residual", "y", "mean", "rstd", *RUNNING, Tickets(1), job, job.eps, job.relu)
    args = (*args, "momentum", unbiased(job))
    return (Launch("batch_norm/naive_forward", _macros(job), (job.C,), (128,), args),)


def _forward_split(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    found = ("x", parts, "mean", "rstd", *RUNNING, Tickets(1 + grid[0]))
    args = (*found, job, columns, job.eps, "momentum", unbiased(job))
    return (Launch("batch_norm/statistics", _macros(job, width), grid, (THREADS,), args), *apply_launches(job))


def _statistics(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    args = ("x", parts, "mean", "rstd", None, None, None, Tickets(1 + grid[0]), job, columns, job.eps, 0.0, 1.0)
    return (Launch("batch_norm/statistics", _macros(job, width), grid, (THREADS,), args),)


def _forward_together(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    args = ("x", "gamma", "beta", "residual", "y", _signs(job), parts, "mean", "rstd", *RUNNING, Tickets(3 + grid[0]))
    args = (*args, job, columns, job.eps, job.relu, "momentum", unbiased(job))
    return (Launch("batch_norm/forward", _macros(job, width), grid, (THREADS,), args, cooperative=True),)


def apply_launches(job: Norm, x: str = "x") -> tuple[Launch, ...]:
    """What normalises the array of this name, by statistics that are there."""
    width = _width(job)
    grid, columns = _walk(job, width)
    spread, signs = (None, "rstd") if job.training else ("var", None), _signs(job)
    args = (x, "gamma", "beta", "mean", *spread, "residual", "y", signs, job, columns, job.eps, job.relu)
    return (Launch("batch_norm/apply", _macros(job, width), grid, (THREADS,), args),)


def _signs(job: Norm) -> str | None:
    """Where forward's are written."""
    return "signs" if job.gate == "signs" else None


def _given(job: Norm) -> tuple[str | None, ...]:
    """What the backward kernels begin with."""
    gate = ["passed" if job.gate == told else None for told in ("y", "signs")]
    return ("gy", "x", *gate, "gamma", "beta", "mean", "rstd")


def gate_of(passed: tuple | None, nhwc: bool) -> tuple[str, Layout | None]:
    """A problem's gate, and the array that tells it."""
    if passed is None:
        return "", None
    found = Layout(*passed)
    return ("signs", found) if found.dtype == np.uint8 else ("y", in_order(found, nhwc))


GRADIENTS = ("gx", "ggamma", "gbeta", "gresidual")


def _backward_naive(job: Norm) -> tuple[Launch, ...]:
    args = (*_given(job), *GRADIENTS, job, job.relu, job.training)
    return (Launch("batch_norm/naive_backward", _macros(job), (job.C,), (128,), args),)


def _sums(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    macros, (grid, columns) = _macros(job, width), _walk(job, width, True)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    sums = (*_given(job), parts, "ggamma", "gbeta", Tickets(grid[0]), job, columns, job.relu)
    return (Launch("batch_norm/backward_sums", macros, grid, (THREADS,), sums),)


def _backward_split(job: Norm) -> tuple[Launch, ...]:
    return (*_sums(job), *_apply_backward(job))


def _backward_together(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width, True)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    args = (*_given(job), parts, "ggamma", "gbeta", "gx", "gresidual", Tickets(2 + grid[0]), job, columns)
    args = (*args, job.relu, job.training)
    return (Launch("batch_norm/backward", _macros(job, width), grid, (THREADS,), args, cooperative=True),)


def _apply_backward(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width, True)
    args = (*_given(job), "ggamma", "gbeta", "gx", "gresidual", job, columns, job.relu, job.training)
    return (Launch("batch_norm/backward_apply", _macros(job, width), grid, (THREADS,), args),)


def _fold_one(job: Norm) -> tuple[Launch, ...]:
    args = ("weight", "bias", "gamma", "beta", "mean", "var", "folded", "shift", job, job.eps)
    return (Launch("batch_norm/fold", {**storage_macros(job.dtype), "NHWC": 0}, (job.C,), (128,), args),)


def _together(source: str, backward: bool, plan: Callable[[Norm], tuple[Launch, ...]]) -> Variant:
    refusal, need = partial(_refuse_together, backward), partial(_multiprocessors, backward)
    return Variant("together", (source,), TOGETHER, plan, refusal, multiprocessors=need)


FORWARD_FILES = tuple(f"batch_norm/{name}" for name in ("apply", "statistics"))
BACKWARD_FILES = tuple(f"batch_norm/{name}" for name in ("backward_apply", "backward_sums"))
TRAIN_FORWARD = Operation(
    "batch_norm.train_forward",
    _together("batch_norm/forward", False, _forward_together),
    Variant("split", FORWARD_FILES, SPLIT, _forward_split),
    Variant("naive", ("batch_norm/naive_forward",), NAIVE, _forward_naive),
)
EVAL_FORWARD = Operation(
    "batch_norm.eval_forward",
    Variant("apply", ("batch_norm/apply",), SPLIT, apply_launches),
)
FOLD = Operation(
    "batch_norm.fold",
    Variant("row", ("batch_norm/fold",), "every size and dtype", _fold_one),
)
# The halves of the split passes, for who has something to do in between.
STATISTICS = Operation(
    "sync_batch_norm.statistics",
    Variant("split", FORWARD_FILES[1:], SPLIT, _statistics),
)
SUMS = Operation(
    "sync_batch_norm.sums",
    Variant("split", BACKWARD_FILES[1:], SPLIT, _sums),
)
APPLY_BACKWARD = Operation(
    "batch_norm.apply_backward",
    Variant("apply", ("batch_norm/backward_apply",), SPLIT, _apply_backward),
)
BACKWARD = Operation(
    "batch_norm.backward",
    _together("batch_norm/backward", True, _backward_together),
    Variant("split", BACKWARD_FILES, SPLIT, _backward_split),
    Variant("naive", ("batch_norm/naive_backward",), NAIVE, _backward_naive),
)
