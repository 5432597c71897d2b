"""Convolution of two and three dimensions on CUDA and emulated arrays: the twin of gpunn.cpu.conv.

Every array is channels-last in memory: x (N, *spatial, C), y (N, *out, K), weights (K, *size, C/groups). What comes in
another order is copied at the call.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from gpunn.asked import of_floats
from gpunn.backend import Array
from gpunn.cuda import (
    conv_patch_weight,
    conv_tiled,
    conv_weight,
    conv_wgmma,
    conv_wgmma_weight,
)
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.elementwise import in_memory
from gpunn.cuda.layout import cast, in_order, new
from gpunn.cuda.plans import KEPT, Output, Plan
from gpunn.cuda.problem import Columns, Conv
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, forced
from gpunn.window import Window

# ---------------------------------------------------------------- operations
OPERATIONS = {
    2: {
        "forward": Operation("conv2d.forward", *conv_wgmma.FORWARD, *conv_tiled.FORWARD),
        "grad_input": Operation("conv2d.grad_input", *conv_wgmma.GRAD_INPUT, *conv_tiled.GRAD_INPUT),
        "grad_weight": Operation(
            "conv2d.grad_weight",
            *conv_wgmma_weight.GRAD_WEIGHT,
            *conv_patch_weight.GRAD_WEIGHT,
            *conv_weight.GRAD_WEIGHT,
        ),
        "grad_bias": Operation("conv2d.grad_bias", *conv_weight.GRAD_BIAS),
    },
    3: {
        **{name: Operation(f"conv3d.{name}", *rows) for name, rows in conv_tiled.CONV3D.items()},
        "grad_weight": Operation("conv3d.grad_weight", *conv_weight.GRAD_WEIGHT_3D),
        "grad_bias": Operation("conv3d.grad_bias", *conv_weight.GRAD_BIAS),
    },
}


# ---------------------------------------------------------------- plans
def _problem(
    name: str, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...], win: Window, groups: int, asked: Asked, /,
    **arrays: Layout | None,
) -> Conv:  # fmt: skip
    dtype = check_arrays(name, **arrays)
    check_index(name, **{"one sample of x": x[1:], "one sample of y": y[1:], "w": w})
    aligned = not any([a.offset for a in arrays.values() if a is not None])
    precision = of_floats(asked, dtype)
    return Conv(dtype, aligned, tuple(x), tuple(w), tuple(y), win, groups, precision=precision)


def _last(a: tuple) -> Layout:
    return in_order(Layout(*a), True)


@lru_cache(KEPT)
def _forward(
    x: tuple, weight: tuple, bias: tuple | None, residual: tuple | None, win: Window, groups: int,
    activation: str | None, asked: Asked,
) -> Plan:  # fmt: skip
    operation, below, w = OPERATIONS[win.rank]["forward"], _last(x), _last(weight)
    b = None if bias is None else cast(Layout(*bias), Layout(*bias).dtype)
    beside = None if residual is None else _last(residual)
    y = (below.shape[0], w.shape[0], *[max(size, 0) for size in win.out(below.shape[2:])])
    job = _problem(operation.name, below.shape, w.shape, y, win, groups, asked, x=below, w=w, b=b, residual=beside)
    job = replace(job, activation=activation, residual=beside is not None)
    inputs = {"x": below, "weight": w, "bias": b, "residual": beside}
    return operation.plan(job, inputs, {"y": new(y, below.dtype, True)}, empty=not math.prod(y))


@lru_cache(KEPT)
def _grad_input(gy: tuple, weight: tuple, x: tuple[int, ...], win: Window, groups: int, asked: Asked) -> Plan:
    operation, above, w = OPERATIONS[win.rank]["grad_input"], _last(gy), _last(weight)
    job = _problem(operation.name, x, w.shape, above.shape, win, groups, asked, gy=above, w=w)
    outputs = {"gx": new(x, above.dtype, True)}
    return operation.plan(job, {"gy": above, "weight": w}, outputs, empty=not (above.size and math.prod(x)))


@lru_cache(KEPT)
def _grad_weight(gy: tuple, x: tuple, w: tuple[int, ...], win: Window, groups: int, bias: bool, asked: Asked) -> Plan:
    operation, above, below = OPERATIONS[win.rank]["grad_weight"], _last(gy), _last(x)
    job = _problem(operation.name, below.shape, w, above.shape, win, groups, asked, gy=above, x=below)
    job = replace(job, bias=bias)
    outputs = {"gw": new(w, above.dtype, True)}
    if bias:
        outputs["gb"] = Output(w[:1], above.dtype)
    return operation.plan(job, {"gy": above, "x": below}, outputs, empty=not (above.size and math.prod(w)))


@lru_cache(KEPT)
def _bias_gradient(gy: tuple, asked: Asked) -> Plan:
    above = _last(gy)
    operation = OPERATIONS[max(len(above.shape) - 2, 2)]["grad_bias"]
    filters = above.shape[1]
    job = Columns(check_arrays(operation.name, gy=above), above.aligned, above.size // max(filters, 1), filters)
    return operation.plan(job, {"gy": above}, {"gb": Output((filters,), above.dtype)}, empty=not above.size)


# ---------------------------------------------------------------- the twin's functions
def in_memory_order(x: Array) -> Array:
    """x as the passes read it, so that several of them share one copy: a view where memory is channels-last."""
    last = in_memory(x, (0, *range(2, x.ndim), 1))
    return last.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def forward(
    x: Array, w: Array, b: Array | None, win: Window, groups: int, activation: str | None = None,
    residual: Array | None = None,
) -> Array:  # fmt: skip
    """y (N, K, *out) of x (N, C, *spatial), w (K, C/groups, *size), b (K,), a residual like y; then relu or tanh."""
    bias, beside = (None if b is None else layout(b)), (None if residual is None else layout(residual))
    return _forward(layout(x), layout(w), bias, beside, win, groups, activation, forced())(x, w, b, residual)


def grad_input(gy: Array, w: Array, x_shape: tuple[int, ...], win: Window, groups: int) -> Array:
    """gx of x_shape."""
    return _grad_input(layout(gy), layout(w), x_shape, win, groups, forced())(gy, w)


def grad_weight(
    gy: Array, x: Array, w_shape: tuple[int, ...], win: Window, groups: int, bias: bool = False
) -> tuple[Array, Array | None]:
    """gw of w_shape, in memory as kernels read weights: (K, *size, C/groups); and with ``bias`` gb (K,), else None."""
    made = _grad_weight(layout(gy), layout(x), w_shape, win, groups, bias, forced())(gy, x)
    return made if bias else (made, None)


def grad_bias(gy: Array) -> Array:
    """gb (K,): gy summed over samples and positions."""
    return _bias_gradient(layout(gy), forced())(gy)
