"""Convolution of two and three dimensions on CUDA and emulated arrays: the twin of gpunn.cpu.conv."""

from __future__ import annotations

import math
from typing import Any

from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.conv_variants import rows
from gpunn.cuda.dtypes import accumulate, storage_macros
from gpunn.cuda.kernel import blocks, empty, is_aligned, kernel, zeros
from gpunn.cuda.layout import axes_of, channels_last, contiguous
from gpunn.cuda.plans import Layout, layout
from gpunn.cuda.problem import Columns, Conv
from gpunn.cuda.reduce import sum_parts
from gpunn.cuda.variants import Operation, Variant

THREADS = 128
BIAS_PARTS = 64


# ---------------------------------------------------------------- operations
def _naive(family: str, pass_: str) -> Variant:
    """``<family>/naive_<pass_>``: one thread an output element, or one warp a weight."""
    threads_each = 32 if pass_ == "grad_weight" else 1

    def run(job: Conv, *arrays: Any) -> None:
        out, cleaned = arrays[-1], [None if a is None else contiguous(a) for a in arrays]
        launch = kernel(f"{family}/naive_{pass_}", **storage_macros(job.dtype))
        launch((blocks(out.size * threads_each, THREADS),), (THREADS,), *cleaned, job.struct)

    takes = "every geometry, dtype and group count"
    return Variant("naive", (f"{family}/naive_{pass_}",), takes, lambda job: "", None, run=run)


def _run_bias(job: Columns, gy: Any, gb: Any) -> None:
    """Column sums, in parts of fixed order."""
    parts = empty(gy, (max(1, min(BIAS_PARTS, job.M // 64)), job.K), accumulate(job.dtype))
    launch = kernel("conv2d/naive_grad_bias", **storage_macros(job.dtype))
    launch((blocks(job.K, 32), parts.shape[0]), (32, 8), gy, parts, job.M, job.K)
    sum_parts(parts, gb)


def _bias(family: str) -> Operation:
    files = ("conv2d/naive_grad_bias", "reduce/sum_parts")
    return Operation(
        f"{family}.grad_bias", Variant("naive", files, "every size and dtype", lambda job: "", None, run=_run_bias)
    )


PASSES = ("forward", "grad_input", "grad_weight")
OPERATIONS = {
    2: {pass_: Operation(f"conv2d.{pass_}", *rows(pass_), _naive("conv2d", pass_)) for pass_ in PASSES},
    3: {pass_: Operation(f"conv3d.{pass_}", _naive("conv3d", pass_)) for pass_ in PASSES},
}
GRAD_BIAS = {2: _bias("conv2d"), 3: _bias("conv3d")}


# ---------------------------------------------------------------- the twin's functions
def _problem(operation: str, x: tuple, w: tuple, y: tuple, win: Any, groups: int, /, **arrays: Any) -> Conv:
    """The checked problem of a call."""
    dtype = check_arrays(operation, **{k: None if a is None else Layout(*layout(a)) for k, a in arrays.items()})
    check_index(operation, **{"one sample of x": x[1:], "one sample of y": y[1:], "w": w})
    aligned = all(is_aligned(a) for a in arrays.values() if a is not None)
    return Conv(dtype, aligned, tuple(x), tuple(w), tuple(y), win, groups)


def forward(x: Any, w: Any, b: Any, win: Any, groups: int) -> Any:
    """y (N, K, *out), channels-last memory, of x (N, C, *spatial), w (K, C/groups, *size), b (K,) or None."""
    run = OPERATIONS[win.rank]["forward"]
    shape = (x.shape[0], w.shape[0], *(max(size, 0) for size in win.out(x.shape[2:])))
    memory = channels_last(x)
    job = _problem(run.name, x.shape, w.shape, shape, win, groups, x=memory, w=w, b=b)
    y = empty(x, (shape[0], *shape[2:], shape[1]), x.dtype)
    if y.size:
        run(job, memory, w, b, y)
    return y.transpose(axes_of(y.ndim))


def grad_input(gy: Any, w: Any, x_shape: tuple[int, ...], win: Any, groups: int) -> Any:
    """gx of x_shape, channels-last memory."""
    run, memory = OPERATIONS[win.rank]["grad_input"], channels_last(gy)
    job = _problem(run.name, x_shape, w.shape, gy.shape, win, groups, gy=memory, w=w)
    shape = (x_shape[0], *x_shape[2:], x_shape[1])
    if not gy.size or not math.prod(shape):
        return zeros(gy, shape, gy.dtype).transpose(axes_of(len(shape)))
    gx = empty(gy, shape, gy.dtype)
    run(job, memory, w, gx)
    return gx.transpose(axes_of(gx.ndim))


def grad_weight(gy: Any, x: Any, w_shape: tuple[int, ...], win: Any, groups: int) -> Any:
    """gw of w_shape, row-major."""
    run = OPERATIONS[win.rank]["grad_weight"]
    above, below = channels_last(gy), channels_last(x)
    job = _problem(run.name, x.shape, w_shape, gy.shape, win, groups, gy=above, x=below)
    if not gy.size or not math.prod(w_shape):
        return zeros(gy, w_shape, gy.dtype)
    gw = empty(gy, w_shape, gy.dtype)
    run(job, above, below, gw)
    return gw


def grad_bias(gy: Any) -> Any:
    """gb (K,): gy summed over samples and positions."""
    operation = GRAD_BIAS[max(gy.ndim - 2, 2)]
    dtype = check_arrays(operation.name, gy=Layout(*layout(gy)))
    if not gy.size:
        return zeros(gy, gy.shape[1:2], gy.dtype)
    gb = empty(gy, gy.shape[1:2], gy.dtype)
    operation(Columns(dtype, is_aligned(gy), gy.size // gy.shape[1], gy.shape[1]), channels_last(gy), gb)
    return gb
