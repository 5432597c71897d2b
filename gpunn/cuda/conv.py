"""What the launchers of every convolution share: problems, naive launches, the sum of parts."""

from __future__ import annotations

import math
from typing import Any

from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.dtypes import accumulate, storage_macros
from gpunn.cuda.launch import blocks, empty, is_aligned, kernel, zeros
from gpunn.cuda.layout import channels_first, channels_last, contiguous
from gpunn.cuda.problem import Columns, Conv
from gpunn.cuda.variants import Operation, Variant

THREADS = 128
BIAS_PARTS = 64


def problem(operation: str, x: tuple, w: tuple, y: tuple, win: Any, groups: int, /, **arrays: Any) -> Conv:
    """The checked problem of a call."""
    dtype = check_arrays(operation, **arrays)
    check_index(operation, **{"one sample of x": x[1:], "one sample of y": y[1:], "w": w})
    aligned = all(is_aligned(a) for a in arrays.values() if a is not None)
    return Conv(dtype, aligned, tuple(x), tuple(w), tuple(y), win, groups)


def out_shape(x: Any, w: Any, win: Any) -> tuple[int, ...]:
    return (x.shape[0], w.shape[0], *(max(size, 0) for size in win.out(x.shape[2:])))


def forward(run: Any, name: str, x: Any, w: Any, b: Any, win: Any, groups: int) -> Any:
    """y, channels-last inside (N, K, *out)."""
    shape = out_shape(x, w, win)
    memory = channels_last(x)
    job = problem(name, x.shape, w.shape, shape, win, groups, x=memory, w=w, b=b)
    y = empty(x, (shape[0], *shape[2:], shape[1]), x.dtype)
    if y.size:
        run(job, memory, w, b, y)
    return channels_first(y)


def grad_input(run: Any, name: str, gy: Any, w: Any, x_shape: tuple, win: Any, groups: int) -> Any:
    """gx, channels-last inside x_shape."""
    memory = channels_last(gy)
    job = problem(name, x_shape, w.shape, gy.shape, win, groups, gy=memory, w=w)
    shape = (x_shape[0], *x_shape[2:], x_shape[1])
    if not gy.size or not math.prod(shape):
        return channels_first(zeros(gy, shape, gy.dtype))
    gx = empty(gy, shape, gy.dtype)
    run(job, memory, w, gx)
    return channels_first(gx)


def grad_weight(run: Any, name: str, gy: Any, x: Any, w_shape: tuple, win: Any, groups: int) -> Any:
    """gw, row-major."""
    above, below = channels_last(gy), channels_last(x)
    job = problem(name, x.shape, w_shape, gy.shape, win, groups, gy=above, x=below)
    if not gy.size or not math.prod(w_shape):
        return zeros(gy, w_shape, gy.dtype)
    gw = empty(gy, w_shape, gy.dtype)
    run(job, above, below, gw)
    return gw


def grad_bias(operation: Operation, gy: Any) -> Any:
    """gb (K,): sums over samples and positions."""
    dtype = check_arrays(operation.name, gy=gy)
    if not gy.size:
        return zeros(gy, gy.shape[1:2], gy.dtype)
    gb = empty(gy, gy.shape[1:2], gy.dtype)
    operation(Columns(dtype, is_aligned(gy), gy.size // gy.shape[1], gy.shape[1]), channels_last(gy), gb)
    return gb


def _run_bias(job: Columns, gy: Any, gb: Any) -> None:
    """Column sums, in parts of fixed order."""
    parts = empty(gy, (max(1, min(BIAS_PARTS, job.M // 64)), job.K), accumulate(job.dtype))
    launch = kernel("conv2d/naive_grad_bias", **storage_macros(job.dtype))
    launch((blocks(job.K, 32), parts.shape[0]), (32, 8), gy, parts, job.M, job.K)
    sum_parts(parts, gb)


def bias_operation(name: str) -> Operation:
    """The one variant of every grad_bias."""
    files = ("conv2d/naive_grad_bias", "reduce/sum_parts")
    return Operation(name, Variant("naive", files, "every size and dtype", lambda job: "", _run_bias))


def sum_parts(parts: Any, out: Any) -> None:
    """out = parts added up along their first axis, in order."""
    launch = kernel("reduce/sum_parts", **storage_macros(out.dtype.name))
    launch((blocks(out.size, 256),), (256,), parts, out, out.size, parts.shape[0])


def naive(name: str, pass_: str) -> Any:
    """The launcher of ``<name>/naive_<pass_>``: one thread an output element, or one warp a weight."""
    threads_each = 32 if pass_ == "grad_weight" else 1

    def run(job: Conv, *arrays: Any) -> None:
        macros = storage_macros(job.dtype)
        out, cleaned = arrays[-1], [None if a is None else contiguous(a) for a in arrays]
        launch = kernel(f"{name}/naive_{pass_}", **macros)
        launch((blocks(out.size * threads_each, THREADS),), (THREADS,), *cleaned, *job.geometry)

    return run

