"""Batch normalisation's variants, and what is alike wherever a plan has parameters and statistics of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array, Running
from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast
from gpunn.cuda.plans import Launch, Layout, Scratch, Tickets
from gpunn.cuda.problem import Norm
from gpunn.cuda.variants import Operation, Variant

THREADS, COUNT = 256, np.dtype(np.int64)
TARGET_BLOCKS = 528  # four on each of an H200's 132 multiprocessors; fixed, so that sums have one order everywhere
NAIVE = "either memory order, every size and dtype"
SPLIT = "either memory order; 16-byte accesses where channels (or positions) and alignment allow"


def _macros(job: Norm, width: int | None = None) -> dict[str, object]:
    macros: dict[str, object] = {**storage_macros(job.dtype), "NHWC": int(job.nhwc)}
    return macros if width is None else {**macros, "VEC": width}


def _width(job: Norm) -> int:
    """Elements an access: 16 bytes where the fastest axis is a multiple of that, else one."""
    wide = pack(job.dtype)
    return wide if job.aligned and (job.C if job.nhwc else job.L) % wide == 0 else 1


def _walk(job: Norm, width: int) -> tuple[tuple[int, int], int]:
    """(grid, columns) of kernels/batch_norm/walk.cuh."""
    if job.nhwc:
        columns = 1
        while columns < 32 and columns * width < job.C:
            columns *= 2
        across, rows, a_thread = blocks(job.C, columns * width), job.N * job.L, THREADS // columns
    else:
        columns, across, rows, a_thread = 1, job.C, job.N * job.L // width, THREADS
    parts = min(blocks(TARGET_BLOCKS, across), max(1, rows // (4 * a_thread)), 65535)
    return (across, parts), columns


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


def apply_launches(job: Norm, x: str = "x") -> tuple[Launch, ...]:
    """What normalises the array of this name, by statistics that are there."""
    width = _width(job)
    grid, columns = _walk(job, width)
    spread = (None, "rstd") if job.training else ("var", None)
    args = (x, "gamma", "beta", "mean", *spread, "residual", "y", job, columns, job.eps, job.relu)
    return (Launch("batch_norm/apply", _macros(job, width), grid, (THREADS,), args),)


GRADIENTS = ("gx", "ggamma", "gbeta", "gresidual")


def _backward_naive(job: Norm) -> tuple[Launch, ...]:
    args = ("gy", "x", "y", "gamma", "mean", "rstd", *GRADIENTS, job, job.training)
    return (Launch("batch_norm/naive_backward", _macros(job), (job.C,), (128,), args),)


def _backward_split(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    macros, (grid, columns) = _macros(job, width), _walk(job, width)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    sums = ("gy", "x", "y", "mean", "rstd", parts, "ggamma", "gbeta", Tickets(grid[0]), job, columns)
    return (Launch("batch_norm/backward_sums", macros, grid, (THREADS,), sums), *_apply_backward(job))


def _apply_backward(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width)
    args = ("gy", "x", "y", "gamma", "mean", "rstd", "ggamma", "gbeta", "gx", "gresidual", job, columns, job.training)
    return (Launch("batch_norm/backward_apply", _macros(job, width), grid, (THREADS,), args),)


def _fold_one(job: Norm) -> tuple[Launch, ...]:
    args = ("weight", "bias", "gamma", "beta", "mean", "var", "folded", "shift", job, job.eps)
    return (Launch("batch_norm/fold", {**storage_macros(job.dtype), "NHWC": 0}, (job.C,), (128,), args),)


def _always(job: Norm) -> str:
    return ""


FORWARD_FILES = tuple(f"batch_norm/{name}" for name in ("apply", "statistics"))
BACKWARD_FILES = tuple(f"batch_norm/{name}" for name in ("backward_apply", "backward_sums"))
TRAIN_FORWARD = Operation(
    "batch_norm.train_forward",
    Variant("split", FORWARD_FILES, SPLIT, _always, _forward_split),
    Variant("naive", ("batch_norm/naive_forward",), NAIVE, _always, _forward_naive),
)
EVAL_FORWARD = Operation(
    "batch_norm.eval_forward",
    Variant("apply", ("batch_norm/apply",), SPLIT, _always, apply_launches),
)
FOLD = Operation(
    "batch_norm.fold",
    Variant("row", ("batch_norm/fold",), "every size and dtype", _always, _fold_one),
)
APPLY_BACKWARD = Operation(
    "batch_norm.apply_backward",
    Variant("apply", ("batch_norm/backward_apply",), SPLIT, _always, _apply_backward),
)
BACKWARD = Operation(
    "batch_norm.backward",
    Variant("split", BACKWARD_FILES, SPLIT, _always, _backward_split),
    Variant("naive", ("batch_norm/naive_backward",), NAIVE, _always, _backward_naive),
)


# ---------------------------------------------------------------- parameters and statistics
def taken(a: tuple | None) -> Layout | None:
    """An array as it is, where there is one."""
    return None if a is None else Layout(*a)


def parameters(name: str, x: Layout, **given: tuple | None) -> dict[str, Layout | None]:
    """Each channel's parameters in the accumulation type, contiguous; None stays None."""
    arrays = {key: taken(a) for key, a in given.items()}
    check_devices(name, x=x, **arrays)
    return {key: cast(a, accumulate(x.dtype.name)) for key, a in arrays.items()}


def movable(running: Running | None, wanted: DTypeLike) -> tuple[Sequence[Array | None], list[Array | None]]:
    """Running statistics and their count, and the same where a kernel can move them.

    The latter are copies of those of another dtype, or of views with gaps.
    """
    mean, var, _, batches = running or (None, None, 0.0, None)
    own = (mean, var, batches)
    moved = [
        a if a is None or (a.dtype == dtype and a.flags.c_contiguous) else a.astype(dtype)
        for a, dtype in zip(own, (wanted, wanted, COUNT), strict=True)
    ]
    return own, moved


def move_back(own: Sequence[Array | None], moved: Sequence[Array | None]) -> None:
    """Where `movable` made copies, what the kernel made of them."""
    for a, done in zip(own, moved, strict=True):
        if a is not done and a is not None:
            a[...] = done
