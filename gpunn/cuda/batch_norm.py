"""Batch normalisation on CUDA and emulated arrays: the twin of gpunn.cpu.batch_norm. Outputs keep x's memory order."""

from __future__ import annotations

from typing import Any

from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks, empty, is_aligned, kernel, zeros
from gpunn.cuda.layout import as_memory, contiguous, is_row_major, new
from gpunn.cuda.problem import Norm
from gpunn.cuda.variants import Operation, Variant

THREADS = 256
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


def _walk(job: Norm, width: int) -> tuple[tuple[int, int], int, int]:
    """(grid, columns, rows) of kernels/batch_norm/walk.cuh."""
    if job.nhwc:
        columns = 1
        while columns < 32 and columns * width < job.C:
            columns *= 2
        across, rows, a_thread = blocks(job.C, columns * width), job.N * job.L, THREADS // columns
    else:
        columns, across, rows, a_thread = 1, job.C, job.N * job.L // width, THREADS
    parts = min(blocks(TARGET_BLOCKS, across), max(1, rows // (4 * a_thread)), 65535)
    return (across, parts), columns, rows


# ---------------------------------------------------------------- variants
def _statistics_naive(job: Norm, x, gamma, beta, residual, y, mean, var, eps, relu) -> None:
    launch = kernel("batch_norm/naive_forward", **_macros(job))
    launch((job.C,), (128,), x, gamma, beta, residual, y, mean, var, job.N, job.C, job.L, eps, relu)


def _forward_split(job: Norm, x, gamma, beta, residual, y, mean, var, eps, relu) -> None:
    width = _width(job)
    grid, columns, rows = _walk(job, width)
    parts = empty(x, (2, grid[1], job.C), mean.dtype)
    kernel("batch_norm/statistics", **_macros(job, width))(
        grid, (THREADS,), x, parts, job.N, job.C, job.L, columns
    )
    kernel("batch_norm/merge_statistics", **storage_macros(job.dtype))(
        (blocks(job.C, 128),), (128,), parts, mean, var, job.C, grid[1], rows, 1 if job.nhwc else width
    )
    _apply(job, x, gamma, beta, mean, var, residual, y, eps, relu)


def _apply(job: Norm, x, gamma, beta, mean, var, residual, y, eps, relu) -> None:
    width = _width(job)
    grid, columns, _ = _walk(job, width)
    kernel("batch_norm/apply", **_macros(job, width))(
        grid, (THREADS,), x, gamma, beta, mean, var, residual, y, job.N, job.C, job.L, columns, eps, relu
    )


def _backward_naive(job: Norm, gy, x, y, gamma, mean, var, gx, ggamma, gbeta, gresidual, eps, training) -> None:
    launch = kernel("batch_norm/naive_backward", **_macros(job))
    sizes = (job.N, job.C, job.L, eps, training)
    launch((job.C,), (128,), gy, x, y, gamma, mean, var, gx, ggamma, gbeta, gresidual, *sizes)


def _backward_split(job: Norm, gy, x, y, gamma, mean, var, gx, ggamma, gbeta, gresidual, eps, training) -> None:
    width = _width(job)
    macros, (grid, columns, _) = _macros(job, width), _walk(job, width)
    sizes = (job.N, job.C, job.L, columns)
    parts = empty(x, (2, grid[1], job.C), mean.dtype)
    kernel("batch_norm/backward_sums", **macros)(grid, (THREADS,), gy, x, y, mean, parts, *sizes)
    kernel("batch_norm/merge_sums", **storage_macros(job.dtype))(
        (blocks(job.C, 128),), (128,), parts, var, ggamma, gbeta, job.C, grid[1], eps
    )
    kernel("batch_norm/backward_apply", **macros)(
        grid, (THREADS,), gy, x, y, gamma, mean, var, ggamma, gbeta, gx, gresidual, *sizes, eps, training
    )


def _always(job: Norm) -> str:
    return ""


FORWARD_FILES = tuple(f"batch_norm/{name}" for name in ("apply", "statistics", "merge_statistics"))
BACKWARD_FILES = tuple(f"batch_norm/{name}" for name in ("backward_apply", "backward_sums", "merge_sums"))
TRAIN_FORWARD = Operation(
    "batch_norm.train_forward",
    Variant("split", FORWARD_FILES, SPLIT, _always, _forward_split),
    Variant("naive", ("batch_norm/naive_forward",), NAIVE, _always, _statistics_naive),
)
EVAL_FORWARD = Operation(
    "batch_norm.eval_forward", Variant("apply", ("batch_norm/apply",), SPLIT, _always, _apply)
)
BACKWARD = Operation(
    "batch_norm.backward",
    Variant("split", BACKWARD_FILES, SPLIT, _always, _backward_split),
    Variant("naive", ("batch_norm/naive_backward",), NAIVE, _always, _backward_naive),
)


# ---------------------------------------------------------------- the twin's functions
def _prepare(operation: str, x: Any, /, **more: Any) -> tuple[Norm, bool]:
    """The checked problem, and whether memory is channels-last. `more` has x's dtype and shape, or is None."""
    check_arrays(operation, x=x, **more)
    check_index(operation, **{"one channel of x": (x.shape[0], *x.shape[2:])})
    nhwc = not is_row_major(x)
    arrays = [as_memory(a, nhwc) for a in (x, *more.values()) if a is not None]
    return Norm.of(x, nhwc, all(map(is_aligned, arrays))), nhwc


def _parameters(operation: str, x: Any, /, **arrays: Any) -> list[Any]:
    """Each channel's parameters in the accumulation type, contiguous; None stays None."""
    check_devices(operation, x=x, **arrays)
    wanted = accumulate(x.dtype.name)
    return [
        None if a is None else contiguous(a.astype(wanted, copy=False)) for a in arrays.values()
    ]


def _in(x: Any, nhwc: bool) -> Any:
    return None if x is None else as_memory(x, nhwc)


def train_forward(x, gamma, beta, eps, residual=None, relu=False) -> tuple[Any, Any, Any]:
    """y, mean, biased var of the batch: y = relu?(gamma * (x - mean) / sqrt(var + eps) + beta + residual?)."""
    name = "batch_norm.train_forward"
    job, nhwc = _prepare(name, x, residual=residual)
    gamma, beta = _parameters(name, x, gamma=gamma, beta=beta)
    y, memory = new(x, x.shape, x.dtype, nhwc)
    wanted = accumulate(job.dtype)
    if not x.size:
        return y, zeros(x, (job.C,), wanted), zeros(x, (job.C,), wanted)
    mean, var = empty(x, (job.C,), wanted), empty(x, (job.C,), wanted)
    arrays = (_in(x, nhwc), gamma, beta, _in(residual, nhwc), memory, mean, var)
    TRAIN_FORWARD(job, *arrays, float(eps), int(relu))
    return y, mean, var


def eval_forward(x, gamma, beta, mean, var, eps, residual=None, relu=False) -> Any:
    """y with the running mean and var."""
    name = "batch_norm.eval_forward"
    job, nhwc = _prepare(name, x, residual=residual)
    gamma, beta, mean, var = _parameters(name, x, gamma=gamma, beta=beta, mean=mean, var=var)
    y, memory = new(x, x.shape, x.dtype, nhwc)
    if x.size:
        arrays = (_in(x, nhwc), gamma, beta, mean, var, _in(residual, nhwc), memory)
        EVAL_FORWARD(job, *arrays, float(eps), int(relu))
    return y


def train_backward(gy, x, gamma, mean, var, eps, y=None) -> tuple[Any, Any, Any, Any]:
    """gx, ggamma, gbeta and the masked gy; y given means that a ReLU was fused (gy counts where y > 0)."""
    return _backward("batch_norm.train_backward", gy, x, gamma, mean, var, eps, y, 1)


def eval_backward(gy, x, gamma, mean, var, eps, y=None) -> tuple[Any, Any, Any, Any]:
    """The same four where mean and var were constants."""
    return _backward("batch_norm.eval_backward", gy, x, gamma, mean, var, eps, y, 0)


def _backward(name, gy, x, gamma, mean, var, eps, y, training) -> tuple[Any, Any, Any, Any]:
    job, nhwc = _prepare(name, x, gy=gy, y=y)
    given = gamma
    gamma, mean, var = _parameters(name, x, gamma=gamma, mean=mean, var=var)
    gx, gx_memory = new(x, x.shape, x.dtype, nhwc)
    masked, masked_memory = (gy, None) if y is None else new(x, x.shape, x.dtype, nhwc)
    wanted = accumulate(job.dtype)
    ggamma, gbeta = zeros(x, (job.C,), wanted), zeros(x, (job.C,), wanted)
    if x.size:
        arrays = (_in(gy, nhwc), _in(x, nhwc), _in(y, nhwc), gamma, mean, var, gx_memory, ggamma, gbeta, masked_memory)
        BACKWARD(job, *arrays, float(eps), training)
    dtype = wanted if given is None else given.dtype
    return gx, ggamma.astype(dtype, copy=False), gbeta.astype(dtype, copy=False), masked
