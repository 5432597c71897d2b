"""Batch normalisation on CUDA and emulated arrays: the twin of gpunn.cpu.batch_norm. Outputs keep x's memory order."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gpunn.backend import Array, Running
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast, in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Layout, Output, Plan, Scalar, Scratch, Tickets, layout
from gpunn.cuda.problem import Norm
from gpunn.cuda.variants import Asked, Operation, Variant, forced

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


def _ratio(job: Norm) -> float:
    """The unbiased variance over the biased one."""
    count = job.N * job.L
    return count / max(count - 1, 1)


def _forward_naive(job: Norm) -> tuple[Launch, ...]:
    args = ("x", "gamma", "beta", "residual", "y", "mean", "rstd", *RUNNING, Tickets(1), job, job.eps, job.relu)
    args = (*args, "momentum", _ratio(job))
    return (Launch("batch_norm/naive_forward", _macros(job), (job.C,), (128,), args),)


def _forward_split(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width)
    parts = Scratch("parts", (2, grid[1], job.C), accumulate(job.dtype))
    found = ("x", parts, "mean", "rstd", *RUNNING, Tickets(1 + grid[0]))
    args = (*found, job, columns, job.eps, "momentum", _ratio(job))
    return (Launch("batch_norm/statistics", _macros(job, width), grid, (THREADS,), args), *_apply(job))


def _apply(job: Norm) -> tuple[Launch, ...]:
    width = _width(job)
    grid, columns = _walk(job, width)
    spread = (None, "rstd") if job.training else ("var", None)
    args = ("x", "gamma", "beta", "mean", *spread, "residual", "y", job, columns, job.eps, job.relu)
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
    apply = ("gy", "x", "y", "gamma", "mean", "rstd", "ggamma", "gbeta", "gx", "gresidual", job, columns, job.training)
    return (
        Launch("batch_norm/backward_sums", macros, grid, (THREADS,), sums),
        Launch("batch_norm/backward_apply", macros, grid, (THREADS,), apply),
    )


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
EVAL_FORWARD = Operation("batch_norm.eval_forward", Variant("apply", ("batch_norm/apply",), SPLIT, _always, _apply))
FOLD = Operation(
    "batch_norm.fold",
    Variant("row", ("batch_norm/fold",), "every size and dtype", _always, _fold_one),
)
BACKWARD = Operation(
    "batch_norm.backward",
    Variant("split", BACKWARD_FILES, SPLIT, _always, _backward_split),
    Variant("naive", ("batch_norm/naive_backward",), NAIVE, _always, _backward_naive),
)


# ---------------------------------------------------------------- plans
def _problem(name: str, x: Layout, eps: float, relu: int, training: int, /, **more: Layout | None) -> Norm:
    """The checked problem. ``more`` has x's dtype and shape, or is None; all are in the memory order of x."""
    check_arrays(name, x=x, **more)
    check_index(name, **{"one channel of x": (x.shape[0], *x.shape[2:])})
    aligned = all(a.aligned for a in (x, *more.values()) if a is not None)
    n, c, *spatial = x.shape
    return Norm(x.dtype.name, aligned, n, c, int(np.prod(spatial)), not is_row_major(x), eps, relu, training)


def _taken(a: tuple | None) -> Layout | None:
    return None if a is None else Layout(*a)


def _like(a: tuple | None, x: Layout) -> Layout | None:
    """An array of x's shape, in x's memory order."""
    return None if a is None else in_order(Layout(*a), not is_row_major(x))


def _parameters(name: str, x: Layout, **given: tuple | None) -> dict[str, Layout | None]:
    """Each channel's parameters in the accumulation type, contiguous; None stays None."""
    arrays = {key: _taken(a) for key, a in given.items()}
    check_devices(name, x=x, **arrays)
    return {key: cast(a, accumulate(x.dtype.name)) for key, a in arrays.items()}


@lru_cache(KEPT)
def _train_forward(
    x: tuple,
    gamma: tuple | None,
    beta: tuple | None,
    residual: tuple | None,
    running: tuple[tuple | None, ...],
    eps: float,
    relu: bool,
    asked: Asked,
) -> Plan:
    name, first = TRAIN_FORWARD.name, in_order(Layout(*x), not is_row_major(Layout(*x)))
    extra = _like(residual, first)
    job = _problem(name, first, eps, int(relu), 1, residual=extra)
    wide = accumulate(job.dtype)
    each = Output((job.C,), wide)
    inputs: dict[str, Layout | Scalar | None] = {"x": first, **_parameters(name, first, gamma=gamma, beta=beta)}
    inputs |= {"residual": extra, **{key: _taken(a) for key, a in zip(RUNNING, running, strict=True)}}
    inputs["momentum"] = Scalar(np.float64)
    outputs = {"y": new(first.shape, first.dtype, job.nhwc), "mean": each, "rstd": each}
    return TRAIN_FORWARD.plan(job, inputs, outputs, empty=not first.size)


@lru_cache(KEPT)
def _eval_forward(
    x: tuple,
    gamma: tuple | None,
    beta: tuple | None,
    mean: tuple,
    var: tuple,
    residual: tuple | None,
    eps: float,
    relu: bool,
    asked: Asked,
) -> Plan:
    name, first = EVAL_FORWARD.name, in_order(Layout(*x), not is_row_major(Layout(*x)))
    extra = _like(residual, first)
    job = _problem(name, first, eps, int(relu), 0, residual=extra)
    parameters = _parameters(name, first, gamma=gamma, beta=beta, mean=mean, var=var)
    outputs = {"y": new(first.shape, first.dtype, job.nhwc)}
    return EVAL_FORWARD.plan(job, {"x": first, **parameters, "residual": extra}, outputs, empty=not first.size)


@lru_cache(KEPT)
def _backward(
    gy: tuple,
    x: tuple,
    gamma: tuple | None,
    mean: tuple,
    rstd: tuple,
    y: tuple | None,
    training: int,
    residual: bool,
    asked: Asked,
) -> Plan:
    name = "batch_norm.train_backward" if training else "batch_norm.eval_backward"
    first = in_order(Layout(*x), not is_row_major(Layout(*x)))
    above, passed = _like(gy, first), _like(y, first)
    job = _problem(name, first, 0.0, int(y is not None), training, gy=above, y=passed)
    parameters = _parameters(name, first, gamma=gamma, mean=mean, rstd=rstd)
    each = Output((job.C,), accumulate(job.dtype))
    outputs = {"gx": new(first.shape, first.dtype, job.nhwc), "ggamma": each, "gbeta": each}
    inputs: dict[str, Layout | None] = {"gy": above, "x": first, **parameters, "y": passed}
    if residual:
        outputs["gresidual"] = new(first.shape, first.dtype, job.nhwc)
    else:
        inputs["gresidual"] = None  # nobody needs the masked gradient: it is not written
    return BACKWARD.plan(job, inputs, outputs, empty=not first.size)


@lru_cache(KEPT)
def _fold(
    w: tuple,
    b: tuple | None,
    gamma: tuple | None,
    beta: tuple | None,
    mean: tuple,
    var: tuple,
    eps: float,
    asked: Asked,
) -> Plan:
    weight = in_order(Layout(*w), True)  # a filter's places lie together, as kernels read weights
    bias = None if b is None else cast(Layout(*b), weight.dtype)
    dtype, (filters, *rest) = check_arrays(FOLD.name, w=weight), weight.shape
    check_index(FOLD.name, w=weight.shape)
    job = Norm(dtype, weight.aligned, 1, filters, int(np.prod(rest)), False, eps, 0, 0)
    inputs = {"weight": weight, "bias": bias, **_parameters(FOLD.name, weight, gamma=gamma, beta=beta)}
    inputs |= _parameters(FOLD.name, weight, mean=mean, var=var)
    outputs = {"folded": new(weight.shape, weight.dtype, True), "shift": Output((filters,), weight.dtype)}
    return FOLD.plan(job, inputs, outputs)


# ---------------------------------------------------------------- the twin's functions
def _keys(*arrays: Array | None) -> tuple[tuple | None, ...]:
    return tuple([None if a is None else layout(a) for a in arrays])


def train_forward(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    eps: float,
    residual: Array | None = None,
    relu: bool = False,
    running: Running | None = None,
) -> tuple[Array, Array, Array]:
    """y, mean, rstd of the batch: y = relu?(gamma * (x - mean) * rstd + beta + residual?), rstd = 1 / sqrt(var + eps).

    ``running`` statistics, where given, move towards the batch's, in place, and their batches are one more. Without a
    momentum they are the mean over all batches.
    """
    wanted = accumulate(x.dtype.name)
    mean, var, momentum, batches = running or (None, None, 0.0, None)
    own = (mean, var, batches)
    # Where the kernel can move them: copies of those of another dtype, or of views with gaps.
    moved = [
        a if a is None or (a.dtype == dtype and a.flags.c_contiguous) else a.astype(dtype)
        for a, dtype in zip(own, (wanted, wanted, COUNT), strict=True)
    ]
    keys = tuple([None if a is None else layout(a) for a in (x, gamma, beta, residual, *moved)])
    part = np.float64(math.nan if momentum is None else momentum)
    y, *now = _train_forward(*keys[:4], keys[4:], eps, relu, forced())(x, gamma, beta, residual, *moved, part)
    for a, done in zip(own, moved, strict=True):
        if a is not done and a is not None:
            a[...] = done
    return y, *now


def eval_forward(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    var: Array,
    eps: float,
    residual: Array | None = None,
    relu: bool = False,
) -> Array:
    """y with the running mean and var."""
    keys = _keys(x, gamma, beta, mean, var, residual)
    return _eval_forward(*keys, eps, relu, forced())(x, gamma, beta, mean, var, residual)


def fold(
    w: Array, b: Array | None, gamma: Array | None, beta: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array]:
    """Weights and bias of the convolution that also normalises with the running mean and var: w's dtype."""
    return _fold(*_keys(w, b, gamma, beta, mean, var), eps, forced())(w, b, gamma, beta, mean, var)


def train_backward(
    gy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    rstd: Array,
    y: Array | None = None,
    residual: bool = True,
) -> tuple[Array, Array, Array, Array | None]:
    """gx, ggamma, gbeta and the masked gy; y given means that a ReLU was fused (gy counts where y > 0).

    Without ``residual`` nobody needs the masked gy, and it may be None.
    """
    return _gradients(gy, x, gamma, mean, rstd, y, residual, 1)


def eval_backward(
    gy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    rstd: Array,
    y: Array | None = None,
    residual: bool = True,
) -> tuple[Array, Array, Array, Array | None]:
    """The same four where mean and rstd were constants."""
    return _gradients(gy, x, gamma, mean, rstd, y, residual, 0)


def _gradients(
    gy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    rstd: Array,
    y: Array | None,
    residual: bool,
    training: int,
) -> tuple[Array, Array, Array, Array | None]:
    masked = residual and y is not None
    absent = () if masked else (None,)
    keys = _keys(gy, x, gamma, mean, rstd, y)
    gx, ggamma, gbeta, *rest = _backward(*keys, training, masked, forced())(gy, x, gamma, mean, rstd, y, *absent)
    if gamma is not None and gamma.dtype != ggamma.dtype:
        ggamma, gbeta = ggamma.astype(gamma.dtype), gbeta.astype(gamma.dtype)
    return gx, ggamma, gbeta, rest[0] if masked else None if y is not None else gy
