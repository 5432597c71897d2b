"""2-d pooling on CUDA and emulated arrays: the twin of gpunn.cpu.pool. Outputs keep x's memory order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks, is_aligned, kernel, zeros
from gpunn.cuda.layout import as_memory, is_row_major, new
from gpunn.cuda.problem import Pool
from gpunn.cuda.variants import Operation, Variant
from gpunn.window import Window

THREADS = 128
SCALAR = "either memory order, every size and dtype"
VECTOR = "channels-last, channels a multiple of a 16-byte access"


def _index_type(job: Pool) -> str:
    return "unsigned char" if job.R * job.S <= 256 else "unsigned short"


def _refuse_vector(job: Pool) -> str:
    if not job.nhwc:
        return "x is not channels-last"
    if job.C % pack(job.dtype):
        return f"C = {job.C} is no multiple of {pack(job.dtype)}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _elementwise(source: str, wide: bool, scalars: Any, indexed: bool = False) -> Any:
    """A launcher: a thread owns one element (or 16 bytes of channels) of the output that `out` picks."""

    def run(job: Pool, *arrays: Any) -> None:
        width = pack(job.dtype) if wide else 1
        macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "VEC": width}
        if indexed:
            macros["INDEX"] = _index_type(job)
        # arrays[-1] is an output of every file; where there are two, they have one size.
        threads = arrays[-1].size // width
        kernel(source, **macros)((blocks(threads, THREADS),), (THREADS,), *arrays, *scalars(job))

    return run


def _operation(name: str, source: str, scalars: Any, indexed: bool = False, vector: bool = True) -> Operation:
    rows = [Variant("naive", (source,), SCALAR, lambda job: "", _elementwise(source, False, scalars, indexed))]
    if vector:
        wide = _elementwise(source, True, scalars, indexed)
        rows.insert(0, Variant("vector", (source,), VECTOR, _refuse_vector, wide))
    return Operation(name, *rows)


def _sizes(job: Pool) -> tuple[int, ...]:
    return (job.N, job.C, job.H, job.W, job.R, job.S, job.P, job.Q, *job.win.stride, *job.win.padding)


def _max_scalars(job: Pool) -> tuple[int, ...]:
    return (*_sizes(job), *job.win.dilation)


def _avg_scalars(job: Pool) -> tuple[int, ...]:
    return (*_sizes(job), int(job.count_include_pad))


def _adaptive_scalars(job: Pool) -> tuple[int, ...]:
    return (job.N, job.C, job.H, job.W, job.P, job.Q)


MAX_FORWARD = _operation("pool.max_forward", "pool/max_forward", _max_scalars, indexed=True)
MAX_BACKWARD = _operation("pool.max_backward", "pool/max_backward", _max_scalars, indexed=True)
AVG_FORWARD = _operation("pool.avg_forward", "pool/avg_forward", _avg_scalars)
AVG_BACKWARD = _operation("pool.avg_backward", "pool/avg_backward", _avg_scalars)
ADAPTIVE_AVG_BACKWARD = _operation(
    "pool.adaptive_avg_backward", "pool/adaptive_avg_backward", _adaptive_scalars
)
ADAPTIVE_MAX_FORWARD = _operation(
    "pool.adaptive_max_forward", "pool/adaptive_max_forward", _adaptive_scalars, vector=False
)
ADAPTIVE_MAX_BACKWARD = _operation(
    "pool.adaptive_max_backward", "pool/adaptive_max_backward", _adaptive_scalars, vector=False
)


def _run_global(job: Pool, x: Any, y: Any) -> None:
    macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc)}
    grid = (job.N, blocks(job.C, 32 if job.nhwc else 8))
    kernel("pool/global_avg_forward", **macros)(grid, (32, 8), x, y, job.N, job.C, job.H, job.W)


def _refuse_global(job: Pool) -> str:
    if (job.P, job.Q) != (1, 1):
        return f"the output is {job.P}x{job.Q}, not 1x1"
    return "" if job.C <= 65535 * 8 else f"C = {job.C} is above {65535 * 8}"


ADAPTIVE_AVG_FORWARD = Operation(
    "pool.adaptive_avg_forward",
    Variant("global", ("pool/global_avg_forward",), "1x1 output", _refuse_global, _run_global),
    *_operation("pool.adaptive_avg_forward", "pool/adaptive_avg_forward", _adaptive_scalars).variants,
)


def _problem(operation: str, x_shape: Any, out: Any, win: Any, nhwc: bool, pad: bool = True, /, **arrays: Any) -> Pool:
    dtype = check_arrays(operation, **arrays)
    (n, c, h, w), (r, s), (p, q) = x_shape, win.size, out
    check_index(operation, **{"one sample of x": x_shape[1:], "one sample of y": (x_shape[1], *out)})
    aligned = all(is_aligned(as_memory(a, nhwc)) for a in arrays.values())
    return Pool(dtype, aligned, n, c, h, w, r, s, p, q, win, nhwc, pad)


def _no_dilation(operation: str, win: Any) -> None:
    if set(win.dilation) != {1}:
        raise ValueError(f"{operation}: dilation is {win.dilation}, expected 1; average pooling has none")


def max_forward(x: Any, win: Any, ceil_mode: bool) -> tuple[Any, Any]:
    """y and the winner's position r*S + s in its window (uint8; uint16 past 256 positions), both (N, C, P, Q)."""
    if win.positions > 65536:
        raise ValueError(
            f"pool.max_forward: the window {win.size} has {win.positions} positions, expected at most 65536, "
            "since an index has two bytes; use adaptive pooling"
        )
    nhwc, out = not is_row_major(x), win.out(x.shape[2:], ceil_mode)
    job = _problem("pool.max_forward", x.shape, out, win, nhwc, x=x)
    y, y_memory = new(x, (*x.shape[:2], *out), x.dtype, nhwc)
    index, index_memory = new(x, y.shape, np.uint8 if win.positions <= 256 else np.uint16, nhwc)
    if y.size:
        MAX_FORWARD(job, as_memory(x, nhwc), y_memory, index_memory)
    return y, index


def max_backward(gy: Any, index: Any, x_shape: tuple[int, ...], win: Any) -> Any:
    """gx of x_shape."""
    check_devices("pool.max_backward", gy=gy, index=index)
    nhwc = not is_row_major(gy)
    job = _problem("pool.max_backward", x_shape, gy.shape[2:], win, nhwc, gy=gy)
    wanted = np.uint8 if win.positions <= 256 else np.uint16
    memory = as_memory(index if index.dtype == wanted else index.astype(wanted), nhwc)
    if not is_aligned(memory):  # a vector's indices are read by one access too
        job = replace(job, aligned=False)
    return _backward(MAX_BACKWARD, job, x_shape, gy, memory)


def _backward(operation: Operation, job: Pool, x_shape: tuple[int, ...], gy: Any, *more: Any) -> Any:
    if not gy.size:
        return zeros(gy, x_shape, gy.dtype)
    gx, memory = new(gy, x_shape, gy.dtype, job.nhwc)
    if gx.size:
        operation(job, as_memory(gy, job.nhwc), *more, memory)
    return gx


def avg_forward(x: Any, win: Any, ceil_mode: bool, count_include_pad: bool) -> Any:
    """y (N, C, P, Q)."""
    _no_dilation("pool.avg_forward", win)
    nhwc, out = not is_row_major(x), win.out(x.shape[2:], ceil_mode)
    job = _problem("pool.avg_forward", x.shape, out, win, nhwc, count_include_pad, x=x)
    return _forward(AVG_FORWARD, job, x)


def _forward(operation: Operation, job: Pool, x: Any) -> Any:
    y, memory = new(x, (job.N, job.C, job.P, job.Q), x.dtype, job.nhwc)
    if y.size:
        operation(job, as_memory(x, job.nhwc), memory)
    return y


def avg_backward(gy: Any, x_shape: tuple[int, ...], win: Any, ceil_mode: bool, count_include_pad: bool) -> Any:
    """gx of x_shape."""
    _no_dilation("pool.avg_backward", win)
    nhwc = not is_row_major(gy)
    job = _problem("pool.avg_backward", x_shape, gy.shape[2:], win, nhwc, count_include_pad, gy=gy)
    return _backward(AVG_BACKWARD, job, x_shape, gy)


ANYWHERE = Window.of((1, 1))  # adaptive windows differ from place to place: their kernels read no geometry


def adaptive_avg_forward(x: Any, out_size: tuple[int, int]) -> Any:
    """y (N, C, *out_size)."""
    nhwc = not is_row_major(x)
    job = _problem("pool.adaptive_avg_forward", x.shape, tuple(out_size), ANYWHERE, nhwc, x=x)
    return _forward(ADAPTIVE_AVG_FORWARD, job, x)


def adaptive_avg_backward(gy: Any, x_shape: tuple[int, ...]) -> Any:
    """gx of x_shape."""
    nhwc = not is_row_major(gy)
    job = _problem("pool.adaptive_avg_backward", x_shape, gy.shape[2:], ANYWHERE, nhwc, gy=gy)
    return _backward(ADAPTIVE_AVG_BACKWARD, job, x_shape, gy)


def adaptive_max_forward(x: Any, out_size: tuple[int, int]) -> tuple[Any, Any]:
    """y and the winner's flat position h*W + w in its plane (int32), both (N, C, *out_size)."""
    nhwc = not is_row_major(x)
    job = _problem("pool.adaptive_max_forward", x.shape, tuple(out_size), ANYWHERE, nhwc, x=x)
    y, y_memory = new(x, (*x.shape[:2], *out_size), x.dtype, nhwc)
    index, index_memory = new(x, y.shape, np.int32, nhwc)
    if y.size:
        ADAPTIVE_MAX_FORWARD(job, as_memory(x, nhwc), y_memory, index_memory)
    return y, index


def adaptive_max_backward(gy: Any, index: Any, x_shape: tuple[int, ...]) -> Any:
    """gx of x_shape."""
    check_devices("pool.adaptive_max_backward", gy=gy, index=index)
    nhwc = not is_row_major(gy)
    job = _problem("pool.adaptive_max_backward", x_shape, gy.shape[2:], ANYWHERE, nhwc, gy=gy)
    index = index if index.dtype == np.int32 else index.astype(np.int32)
    return _backward(ADAPTIVE_MAX_BACKWARD, job, x_shape, gy, as_memory(index, nhwc))
