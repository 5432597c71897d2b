"""Adaptive pooling on CUDA and emulated arrays: the twin of gpunn.cpu.adaptive_pool. Outputs keep x's memory order.

Windows that tile the input evenly are those of an ordinary pooling, whose kernels take them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gpunn.backend import Array
from gpunn.cuda import pool
from gpunn.cuda.adaptive_variants import (
    AVG_BACKWARD,
    AVG_FORWARD,
    MAX_BACKWARD,
    MAX_FORWARD,
    Adaptive,
    index_dtype,
)
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Plan
from gpunn.cuda.pool_places import is_spare, positions, positions_of, scatter
from gpunn.cuda.pool_places import places as _places
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, forced
from gpunn.errors import Known
from gpunn.window import Window


def _problem(
    name: str, x: tuple[int, ...], out: tuple[int, ...], nhwc: bool, aligned: bool, dtype: str, wanted: bool = True
) -> Adaptive:
    check_index(name, **{"one sample of x": x[1:], "one sample of y": (x[1], *out)})
    return Adaptive(dtype, aligned, x, out, nhwc, wanted)


@lru_cache(KEPT)
def _forward(operation: Operation, given: tuple, out: tuple[int, ...], wanted: bool, asked: Asked) -> Plan:
    """y, and index where the operation has one that is wanted."""
    x = Layout(*given)
    nhwc = not is_row_major(x)
    x = in_order(x, nhwc)
    job = _problem(operation.name, x.shape, out, nhwc, x.aligned, check_arrays(operation.name, x=x), wanted)
    outputs = {"y": new(job.y, x.dtype, nhwc)}
    if wanted:
        outputs["index"] = new(job.y, index_dtype(job), nhwc)
    return operation.plan(job, {"x": x}, outputs, empty=not job.outputs)


@lru_cache(KEPT)
def _backward(operation: Operation, given: tuple, place: tuple | None, x: tuple[int, ...], asked: Asked) -> Plan:
    gy = Layout(*given)
    nhwc = not is_row_major(gy)
    gy = in_order(gy, nhwc)
    dtype = check_arrays(operation.name, gy=gy)
    job = _problem(operation.name, x, gy.shape[2:], nhwc, gy.aligned, dtype)
    inputs = {"gy": gy}
    if place is not None:
        inputs["index"] = in_order(Layout(*place), nhwc, index_dtype(job))
        check_devices(operation.name, **inputs)
        if not inputs["index"].aligned:
            job = _problem(operation.name, x, gy.shape[2:], nhwc, False, dtype)
    return operation.plan(job, inputs, {"gx": new(x, gy.dtype, nhwc)}, empty=not (gy.size and job.inputs))


def _even(operation: Operation, x: tuple[int, ...], out: tuple[int, ...]) -> Window | None:
    """The windows as one that steps by its size, where they tile x evenly and are not one that covers it all."""
    if len(x) != 4 or set(out) == {1} or not all(x) or operation.name in dict(forced()):
        return None
    if any(n % p for n, p in zip(x[2:], out, strict=True)):
        return None
    size = tuple([n // p for n, p in zip(x[2:], out, strict=True)])
    win = Window.of(size, size, rank=len(size))
    return win if win.positions <= 65536 else None


# ---------------------------------------------------------------- the twin's functions
def avg_forward(x: Array, out_size: tuple[int, ...]) -> Array:
    """y (N, C, *out_size)."""
    out = tuple(out_size)
    if win := _even(AVG_FORWARD, x.shape, out):
        return pool.avg_forward(x, win, False, True)
    return _forward(AVG_FORWARD, layout(x), out, False, forced())(x)


def avg_backward(gy: Array, x_shape: tuple[int, ...]) -> Array:
    """gx of x_shape."""
    if win := _even(AVG_BACKWARD, x_shape, gy.shape[2:]):
        return pool.avg_backward(gy, x_shape, win, False, True)
    return _backward(AVG_BACKWARD, layout(gy), None, x_shape, forced())(gy)


def max_forward(x: Array, out_size: tuple[int, ...], wanted: bool = True) -> tuple[Array, Any]:
    """y, and where ``wanted`` the winner's place (a*R + r)*S + s in its window, R and S those of the largest one."""
    out = tuple(out_size)
    if win := _even(MAX_FORWARD, x.shape, out):
        return pool.max_forward(x, win, False, wanted)
    made = _forward(MAX_FORWARD, layout(x), out, wanted, forced())(x)
    return made if wanted else (made, None)


def max_backward(gy: Array, index: Array, x_shape: tuple[int, ...]) -> Array:
    """gx of x_shape."""
    if win := _even(MAX_BACKWARD, x_shape, gy.shape[2:]):
        return pool.max_backward(gy, index, x_shape, win)
    return _backward(MAX_BACKWARD, layout(gy), layout(index), x_shape, forced())(gy, index)


def max_backward_from(gy: Array, place: Array, x_shape: tuple[int, ...], known: Known) -> Array:
    """gx of x_shape, from places in the plane."""
    index = positions(place, x_shape, None, known)  # which notes a place outside of its window
    if is_spare(positions_of(x_shape, gy.shape[2:], None)):
        return max_backward(gy, index, x_shape)
    return scatter(gy, place, x_shape, known)


def places(index: Array, x_shape: tuple[int, ...]) -> Array:
    """Places in windows as int64 places (d*H + h)*W + w in the plane."""
    return _places(index, x_shape, None)
