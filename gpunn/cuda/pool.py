"""Pooling in one to three dimensions on CUDA and emulated arrays: the twin of gpunn.cpu.pool. y keeps x's order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Plan
from gpunn.cuda.pool_places import is_spare, positions, scatter
from gpunn.cuda.pool_places import places as _places
from gpunn.cuda.pool_windows import AVG_BACKWARD, AVG_FORWARD, MAX_BACKWARD, MAX_FORWARD
from gpunn.cuda.problem import Pool
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, forced
from gpunn.errors import Known
from gpunn.window import Window


def _index_dtype(win: Window) -> np.dtype:
    return np.dtype(np.uint8 if win.positions <= 256 else np.uint16)


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
    operation: Operation, given: tuple, win: Window, ceil_mode: bool, pad: bool, asked: Asked, wanted: bool = True
) -> Plan:
    """y, and index where the operation has one and it is ``wanted``."""
    x = Layout(*given)
    size = win.out(x.shape[2:], ceil_mode)
    nhwc = not is_row_major(x)
    x = in_order(x, nhwc)
    job = _problem(operation.name, x.shape, size, win, nhwc, pad, {"x": x}, wanted=wanted)
    outputs = {"y": new((job.N, job.C, *size), x.dtype, nhwc)}
    if "max" in operation.name and wanted:
        outputs["index"] = new((job.N, job.C, *size), _index_dtype(win), nhwc)
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
        inputs["index"] = in_order(Layout(*index), above, _index_dtype(win))
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


def max_backward_from(gy: Array, place: Array, x_shape: tuple[int, ...], win: Window | None, known: Known) -> Array:
    """gx of x_shape, from places in the plane."""
    if win is not None:
        index = positions(place, x_shape, win, known)  # which notes a place outside of its window
        if win.positions < 65536 and is_spare(win.positions):
            return max_backward(gy, index, x_shape, win)
    return scatter(gy, place, x_shape, known)


def _check_dilation(operation: str, win: Window) -> None:
    if max(win.dilation) != 1:
        raise ValueError(f"{operation}: dilation is {win.dilation}, expected 1; average pooling has none")


def avg_forward(x: Array, win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
    """y (N, C, P, Q)."""
    _check_dilation("pool.avg_forward", win)
    return _forward(AVG_FORWARD, layout(x), win, ceil_mode, count_include_pad, forced())(x)


def avg_backward(gy: Array, x_shape: tuple[int, ...], win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
    """gx of x_shape."""
    _check_dilation("pool.avg_backward", win)
    plan = backward_plan(AVG_BACKWARD, layout(gy), None, None, x_shape, win, count_include_pad, None, False, forced())
    return plan(gy, None)


def places(index: Array, x_shape: tuple[int, ...], win: Window) -> Array:
    """Positions in windows as int64 places (d*H + h)*W + w in the plane; -1 outside of it."""
    return _places(index, x_shape, win)
