"""Pooling in one to three dimensions on CUDA and emulated arrays: the twin of gpunn.cpu.pool. y keeps x's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Layout, Plan, layout
from gpunn.cuda.pool_windows import (
    AVG_BACKWARD,
    AVG_FORWARD,
    MAX_BACKWARD,
    MAX_FORWARD,
    SCALAR,
    THREADS,
    VECTOR,
    refuse_vector,
)
from gpunn.cuda.problem import Pool
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.window import Window, size_text

ANYWHERE = Window.of((1, 1))  # adaptive windows differ from place to place: their kernels read no geometry


def _index_dtype(win: Window) -> np.dtype:
    return np.dtype(np.uint8 if win.positions <= 256 else np.uint16)


# ---------------------------------------------------------------- variants
def _operation(name: str, operands: tuple[str, ...], vector: bool = True) -> Operation:
    """``pool.<name>``, whose kernel has its name: a row of 16-byte accesses, where there is one, and a naive row."""
    source = f"pool/{name}"

    def row(wide: bool) -> Callable[[Pool], tuple[Launch, ...]]:
        def plan(job: Pool) -> tuple[Launch, ...]:
            width = pack(job.dtype) if wide else 1
            items = (job.inputs if operands[-1] == "gx" else job.outputs) // width
            macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "VEC": width}
            return (Launch(source, macros, (blocks(items, THREADS),), (THREADS,), (*operands, job)),)

        return plan

    naive = Variant("naive", (source,), SCALAR, lambda job: "", row(False))
    wide = (Variant("vector", (source,), VECTOR, refuse_vector, row(True)),) if vector else ()
    return Operation(f"pool.{name}", *wide, naive)


ADAPTIVE_AVG_BACKWARD = _operation("adaptive_avg_backward", ("gy", "gx"))
ADAPTIVE_MAX_FORWARD = _operation("adaptive_max_forward", ("x", "y", "index"), vector=False)
ADAPTIVE_MAX_BACKWARD = _operation("adaptive_max_backward", ("gy", "index", "gx"), vector=False)


def _plan_global(job: Pool) -> tuple[Launch, ...]:
    macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc)}
    grid = (job.N, blocks(job.C, 32 if job.nhwc else 8))
    return (Launch("pool/global_avg_forward", macros, grid, (32, 8), ("x", "y", job)),)


def _refuse_global(job: Pool) -> str:
    if (job.P, job.Q) != (1, 1):
        return f"the output is {size_text((job.P, job.Q))}, not 1x1"
    return "" if job.C <= 65535 * 8 else f"C = {job.C} is above {65535 * 8}"


ADAPTIVE_AVG_FORWARD = Operation(
    "pool.adaptive_avg_forward",
    Variant("global", ("pool/global_avg_forward",), "1x1 output", _refuse_global, _plan_global),
    *_operation("adaptive_avg_forward", ("x", "y")).variants,
)


# ---------------------------------------------------------------- plans
def _problem(
    name: str, x: tuple[int, ...], out: tuple[int, ...], win: Window, nhwc: bool, pad: bool,
    given: Mapping[str, Layout | None], activation: str | None = None, flat: bool = False, wanted: bool = True,
) -> Pool:  # fmt: skip
    (d, h, w), (a, r, s), (o, p, q) = (((1, 1, *sizes)[-3:]) for sizes in (x[2:], win.size, out))
    arrays = {key: found for key, found in given.items() if found is not None}
    check_devices(name, **arrays)
    dtype = check_arrays(name, **{key: found for key, found in arrays.items() if key != "index"})
    check_index(name, **{"one sample of x": x[1:], "one sample of y": (x[1], *out)})
    aligned = all(found.aligned for found in arrays.values())
    return Pool(dtype, aligned, x[0], x[1], h, w, r, s, p, q, win, nhwc, pad, activation, flat, wanted, d, a, o)


@lru_cache(KEPT)
def _forward(
    operation: Operation,
    given: tuple,
    win: Window,
    out: bool | tuple[int, int],
    pad: bool,
    asked: Asked,
    wanted: bool = True,
) -> Plan:
    """y, and index where the operation has one and it is ``wanted``.

    ``out`` is an output size, or whether the window's is rounded up.
    """
    x = Layout(*given)
    size = win.out(x.shape[2:], out) if isinstance(out, bool) else out
    nhwc = not is_row_major(x)
    x = in_order(x, nhwc)
    job = _problem(operation.name, x.shape, size, win, nhwc, pad, {"x": x}, wanted=wanted)
    outputs = {"y": new((job.N, job.C, *size), x.dtype, nhwc)}
    if "max" in operation.name and wanted:
        index = np.dtype(np.int32) if win is ANYWHERE else _index_dtype(win)
        outputs["index"] = new((job.N, job.C, *size), index, nhwc)
    return operation.plan(job, {"x": x}, outputs, empty=not job.outputs)


@lru_cache(KEPT)
def backward_plan(
    operation: Operation,
    given: tuple,
    index: tuple | None,
    result: tuple | None,
    x: tuple[int, ...],
    win: Window,
    pad: bool,
    activation: str | None,
    flat: bool,
    asked: Asked,
) -> Plan:
    """gx of shape ``x``, through the activation before the pooling where ``result``, what it gave, is there.

    That is y of a maximum and x of a mean; operands are gy, index where there is one, and the result. ``flat``: gy,
    index and y are row-major, and yet gx is channels-last.
    """
    gy = Layout(*given)
    nhwc = flat or not is_row_major(gy)
    above = nhwc and not flat
    inputs: dict[str, Layout | None] = {"gy": in_order(gy, above)}
    if index is not None:
        wanted = np.dtype(np.int32) if win is ANYWHERE else _index_dtype(win)
        inputs["index"] = in_order(Layout(*index), above, wanted)
    if win is not ANYWHERE:
        inputs["y" if index else "x"] = None if result is None else in_order(Layout(*result), above if index else nhwc)
    job = _problem(operation.name, x, gy.shape[2:], win, nhwc, pad, inputs, activation, flat)
    return operation.plan(job, inputs, {"gx": new(x, gy.dtype, nhwc)}, empty=not (gy.size and job.inputs))


# ---------------------------------------------------------------- the twin's functions
def max_forward(x: Array, win: Window, ceil_mode: bool, wanted: bool = True) -> tuple[Array, Any]:
    """y and, where ``wanted``, the winner's position r*S + s in its window (uint8; uint16 past 256 positions)."""
    if win.positions > 65536:
        raise ValueError(
            f"pool.max_forward: the window {win.size} has {win.positions} positions, expected at most 65536, "
            "since an index has two bytes; use adaptive pooling"
        )
    made = _forward(MAX_FORWARD, layout(x), win, ceil_mode, True, forced(), wanted)(x)
    return made if wanted else (made, None)


def max_backward(gy: Array, index: Array, x_shape: tuple[int, ...], win: Window) -> Array:
    """gx of x_shape."""
    plan = backward_plan(MAX_BACKWARD, layout(gy), layout(index), None, x_shape, win, True, None, False, forced())
    return plan(gy, index, None)


def _check_dilation(operation: str, win: Window) -> None:
    if max(win.dilation) != 1:
        raise ValueError(f"{operation}: dilation is {win.dilation}, expected 1; average pooling has none")


def avg_forward(x: Array, win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
    """y (N, C, P, Q)."""
    _check_dilation("pool.avg_forward", win)
    return _forward(AVG_FORWARD, layout(x), win, ceil_mode, count_include_pad, forced())(x)


def avg_backward(
    gy: Array, x_shape: tuple[int, ...], win: Window, ceil_mode: bool, count_include_pad: bool
) -> Array:
    """gx of x_shape."""
    _check_dilation("pool.avg_backward", win)
    plan = backward_plan(AVG_BACKWARD, layout(gy), None, None, x_shape, win, count_include_pad, None, False, forced())
    return plan(gy, None)


def adaptive_avg_forward(x: Array, out_size: tuple[int, int]) -> Array:
    """y (N, C, *out_size)."""
    return _forward(ADAPTIVE_AVG_FORWARD, layout(x), ANYWHERE, tuple(out_size), True, forced())(x)


def adaptive_avg_backward(gy: Array, x_shape: tuple[int, ...]) -> Array:
    """gx of x_shape."""
    plan = backward_plan(ADAPTIVE_AVG_BACKWARD, layout(gy), None, None, x_shape, ANYWHERE, True, None, False, forced())
    return plan(gy)


def adaptive_max_forward(x: Array, out_size: tuple[int, int]) -> tuple[Array, Array]:
    """y and the winner's flat position h*W + w in its plane (int32), both (N, C, *out_size)."""
    return _forward(ADAPTIVE_MAX_FORWARD, layout(x), ANYWHERE, tuple(out_size), True, forced())(x)


def adaptive_max_backward(gy: Array, index: Array, x_shape: tuple[int, ...]) -> Array:
    """gx of x_shape."""
    above, place = layout(gy), layout(index)
    how = None, x_shape, ANYWHERE, True, None, False, forced()
    return backward_plan(ADAPTIVE_MAX_BACKWARD, above, place, *how)(gy, index)
