"""Normalisation of each sample by its own statistics, on CUDA and emulated arrays: the twin of gpunn.cpu.group_norm."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.cuda.checks import check_arrays, check_devices
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast, in_order
from gpunn.cuda.plans import KEPT, Launch, Layout, Output, Plan, Scratch, layout
from gpunn.cuda.problem import Rows
from gpunn.cuda.rows import HELD_PACKS, THREADS, team_of
from gpunn.cuda.variants import Asked, Operation, Variant, forced

TARGET_BLOCKS = 264  # two on each of an H200's 132 multiprocessors; fixed, so that sums have one order everywhere


# ---------------------------------------------------------------- variants
def _width(job: Rows) -> int:
    """Elements an access: 16 bytes where rows are a multiple of that, else one."""
    wide = pack(job.dtype)
    return wide if job.aligned and job.L % wide == 0 else 1


def _layer_forward(job: Rows) -> tuple[Launch, ...]:
    width = _width(job)
    team = team_of(job.L // width, job.dtype, width)
    threads = max(THREADS, team)
    args = ("x", "gamma", "beta", "y", "mean", "rstd", job.M, job.L, team, job.eps)
    macros = {**storage_macros(job.dtype), "VEC": width}
    return (Launch("row/layer_norm_forward", macros, (blocks(job.M, threads // team),), (threads,), args),)


def _layer_backward(job: Rows) -> tuple[Launch, ...]:
    width = _width(job)
    held = 2 if width == 8 else HELD_PACKS
    team = team_of(job.L // width, job.dtype, width, held)
    threads = max(THREADS, team)
    every = blocks(job.M, threads // team)
    grid = (min(TARGET_BLOCKS, every) if job.affine else every,)
    macros = {**storage_macros(job.dtype), "VEC": width, "LONG": int(job.L // width > held * team)}
    parts = Scratch("parts", (grid[0], 2, job.L), accumulate(job.dtype)) if job.affine else None
    args = ("gy", "x", "gamma", "mean", "rstd", "gx", parts, job.M, job.L, team)
    first = Launch("row/layer_norm_backward", macros, grid, (threads,), args)
    return (first, _join(job.dtype, parts, job.L)) if parts else (first,)


def _join(dtype: str, parts: Scratch, length: int) -> Launch:
    """The gradients of gamma and beta, from parts (J, 2, length)."""
    args = (parts, "ggamma", "gbeta", parts.shape[0], length)
    return Launch("row/join_parts", storage_macros(dtype), (blocks(2 * length, 32),), (256,), args)


def _always(job: Rows) -> str:
    return ""


ROWS = "every length and dtype; 16-byte accesses where length and alignment allow"
LAYER_FORWARD = Operation(
    "group_norm.layer_forward", Variant("row", ("row/layer_norm_forward",), ROWS, _always, _layer_forward)
)
LAYER_BACKWARD = Operation(
    "group_norm.layer_backward",
    Variant("row", ("row/layer_norm_backward", "row/join_parts"), ROWS, _always, _layer_backward),
)


# ---------------------------------------------------------------- plans
def _parameters(name: str, x: Layout, **given: tuple | None) -> dict[str, Layout | None]:
    """Parameters and statistics in the accumulation type, contiguous; None stays None."""
    arrays = {key: None if a is None else Layout(*a) for key, a in given.items()}
    check_devices(name, x=x, **arrays)
    return {key: cast(a, accumulate(x.dtype.name)) for key, a in arrays.items()}


def _are_aligned(*arrays: Layout | None) -> bool:
    return all(a.aligned for a in arrays if a is not None)


@lru_cache(KEPT)
def _forward_plan(
    x: tuple, gamma: tuple | None, beta: tuple | None, eps: float, centred: bool, asked: Asked
) -> Plan:
    name, first = LAYER_FORWARD.name, in_order(Layout(*x), False)
    wide, dtype = _parameters(name, first, gamma=gamma, beta=beta), check_arrays(name, x=first)
    job = Rows(dtype, _are_aligned(first, *wide.values()), *first.shape, eps, False)
    each = Output(first.shape[:1], accumulate(dtype))
    inputs: dict[str, Layout | None] = {"x": first, **wide}
    outputs = {"y": Output(first.shape, first.dtype), "rstd": each}
    if centred:
        outputs["mean"] = each
    else:
        inputs["mean"] = None
    return LAYER_FORWARD.plan(job, inputs, outputs, empty=not first.size)


@lru_cache(KEPT)
def _backward_plan(
    gy: tuple, x: tuple, gamma: tuple | None, mean: tuple | None, rstd: tuple, affine: bool, asked: Asked
) -> Plan:
    name, first = LAYER_BACKWARD.name, in_order(Layout(*x), False)
    above = in_order(Layout(*gy), False)
    wide, dtype = _parameters(name, first, gamma=gamma, mean=mean, rstd=rstd), check_arrays(name, gy=above, x=first)
    job = Rows(dtype, _are_aligned(above, first, wide["gamma"]), *first.shape, 0.0, affine)
    outputs = {"gx": Output(first.shape, first.dtype)}
    if affine:
        outputs |= {key: Output(first.shape[1:], first.dtype) for key in ("ggamma", "gbeta")}
    return LAYER_BACKWARD.plan(job, {"gy": above, "x": first, **wide}, outputs, empty=not first.size)


# ---------------------------------------------------------------- the twin's functions
def layer_forward(x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """y of x (rows, L), each row a group; mean and 1 / sqrt(variance + eps) (rows,); gamma and beta are (L,)."""
    y, rstd, mean = _forward_plan(*_keys(x, gamma, beta), eps, True, forced())(x, gamma, beta)
    return y, mean, rstd


def layer_backward(
    gy: Array, x: Array, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
) -> tuple[Array, Array | None, Array | None]:
    """gx, ggamma, gbeta; the last two are None unless ``affine``."""
    return _rows_backward(gy, x, gamma, mean, rstd, affine)


def rms_forward(x: Array, gamma: Array | None, eps: float) -> tuple[Array, Array]:
    """y of x (rows, L), each row over its root mean square; 1 / sqrt(mean square + eps) (rows,); gamma is (L,)."""
    y, rstd = _forward_plan(*_keys(x, gamma), None, eps, False, forced())(x, gamma, None, None)
    return y, rstd


def rms_backward(
    gy: Array, x: Array, gamma: Array | None, rstd: Array, affine: bool = True
) -> tuple[Array, Array | None]:
    """gx, ggamma; the last is None unless ``affine``."""
    return _rows_backward(gy, x, gamma, None, rstd, affine)[:2]


def _rows_backward(
    gy: Array, x: Array, gamma: Array | None, mean: Array | None, rstd: Array, affine: bool
) -> tuple[Array, Array | None, Array | None]:
    arrays = gy, x, gamma, mean, rstd
    found = _backward_plan(*_keys(*arrays), affine, forced())(*arrays)
    return found if affine else (found, None, None)


def _keys(*arrays: Array | None) -> tuple[tuple | None, ...]:
    return tuple([None if a is None else layout(a) for a in arrays])


# ---------------------------------------------------------------- groups, by array functions
def group_forward(
    x: Array, groups: int, gamma: Array | None, beta: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """y of x (N, C, *), and mean and 1 / sqrt(variance + eps) (N, groups); gamma and beta are (C,)."""
    view, shape = _grouped(x.shape, groups)
    return _forward(x, view, shape, 2, gamma, beta, eps)


def group_backward(
    gy: Array, x: Array, groups: int, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
) -> tuple[Array, Array | None, Array | None]:
    """gx, ggamma, gbeta; the last two are None unless ``affine``."""
    view, shape = _grouped(x.shape, groups)
    return _backward(gy, x, view, shape, 2, gamma, mean, rstd)


def _grouped(shape: Shape, groups: int) -> tuple[Shape, Shape]:
    """x as (N, groups, channels, *), and the shape in which gamma and beta spread over it."""
    channels = shape[1] // groups
    return (shape[0], groups, channels, *shape[2:]), (groups, channels, *(1,) * (len(shape) - 2))


def _forward(
    x: Array, view: Shape, shape: Shape, kept: int, gamma: Array | None, beta: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """x, seen as `view`, standardised over all axes but the first `kept`; gamma and beta are seen as `shape`."""
    axes = tuple(range(kept, len(view)))
    wide = _wide(x).reshape(view)
    mean = _mean(wide, axes)
    y = wide - mean
    # In float64, where squares of 1e30 do not overflow.
    var = array_module(y).multiply(y, y, dtype=np.float64).mean(axis=axes, keepdims=True)
    rstd = ((var + eps) ** -0.5).astype(y.dtype, copy=False)
    y *= rstd
    if gamma is not None:
        y *= gamma.reshape(shape)
    if beta is not None:
        y += beta.reshape(shape)
    y = y.reshape(x.shape).astype(x.dtype, copy=False)
    return y, mean.reshape(view[:kept]), rstd.reshape(view[:kept])


def _backward(
    gy: Array, x: Array, view: Shape, shape: Shape, kept: int, gamma: Array | None, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    axes, flat = tuple(range(kept, len(view))), (*view[:kept], *(1,) * (len(view) - kept))
    g, off = _wide(gy).reshape(view), _wide(x).reshape(view) - mean.reshape(flat)
    scale = rstd.reshape(flat)
    unit = off * scale
    gw, gb = _sum(g * unit, shape), _sum(g, shape)
    if gamma is not None:
        g = g * gamma.reshape(shape)
    gx = g - _mean(g, axes)
    unit *= _mean(g * unit, axes)
    gx -= unit
    gx *= scale
    gw, gb = (a.reshape(math.prod(shape)).astype(gy.dtype, copy=False) for a in (gw, gb))
    return gx.reshape(x.shape).astype(gy.dtype, copy=False), gw, gb


def _mean(a: Array, axes: Shape) -> Array:
    """Summed in float64: along strided axes arrays are added one by one, and float32 would lose digits."""
    return a.mean(axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype)


def _sum(a: Array, shape: Shape) -> Array:
    """The gradient of what was spread from `shape`, summed in float64."""
    extra = a.ndim - len(shape)
    axes = tuple(i for i in range(a.ndim) if i < extra or (shape[i - extra] == 1 and a.shape[i] != 1))
    return a.sum(axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype).reshape(shape)


def _wide(a: Array) -> Array:
    """16-bit floats as float32, in which sums do not overflow; others as they are."""
    return a.astype(np.float32) if a.dtype.itemsize == 2 else a
