"""A convolution, its activation and its pooling on CUDA and emulated arrays: the twin of gpunn.cpu.conv_pool.

A layer of LeNet's size is one launch; others are a convolution that activates its result, and a pooling.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import conv
from gpunn.cuda import pool as pools
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.conv_pool_variants import FUSED, ConvPool
from gpunn.cuda.layout import cast, in_order, new
from gpunn.cuda.plans import KEPT, Output, Plan
from gpunn.cuda.pool import AVG_BACKWARD, MAX_BACKWARD, backward_plan
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, forced
from gpunn.window import Pooling, Window

FORWARD = Operation("conv_pool.forward", FUSED)


@lru_cache(KEPT)
def _fused(
    x: tuple,
    weight: tuple,
    bias: tuple | None,
    win: Window,
    groups: int,
    activation: str | None,
    pool: Pooling,
    wanted: bool,
    asked: Asked,
) -> Plan | None:
    """The one launch, if it takes these and is the better choice: y, and a or index where backward will want it."""
    below, w = in_order(Layout(*x), True), in_order(Layout(*weight), True)
    b = None if bias is None else cast(Layout(*bias), Layout(*bias).dtype)
    dtype = check_arrays(FORWARD.name, x=below, w=w, b=b)
    z = (below.shape[0], w.shape[0], *win.out(below.shape[2:]))
    check_index(FORWARD.name, **{"one sample of x": below.shape[1:], "one sample of y": z[1:], "w": w.shape})
    job = ConvPool(dtype, True, below.shape, w.shape, z, win, groups, activation=activation, pool=pool, wanted=wanted)
    if FORWARD.name not in dict(asked) and (FUSED.refusal(job) or FUSED.avoid(job)):
        return None
    (n, k), (u, v), last = z[:2], job.pooled, not pool.flat
    outputs = {"y": new((n, k, u, v), below.dtype, True) if last else Output((n, k * u * v), below.dtype)}
    if job.keeps_a:
        outputs["a"] = new(z, below.dtype, True)
    if job.keeps_index:
        outputs["index"] = new((n, k, u, v), np.dtype(np.uint8), last)
    return FORWARD.plan(job, {"x": below, "weight": w, "bias": b}, outputs, empty=not n)


def forward(
    x: Array, w: Array, b: Array | None, win: Window, groups: int, activation: str | None, pool: Pooling, wanted: bool
) -> tuple[Array, tuple[Array, ...]]:
    """The result, and what backward takes: the index of a maximum, then what the activation's slope is told by."""
    bias = None if b is None else layout(b)
    plan = _fused(layout(x), layout(w), bias, win, groups, activation, pool, wanted, forced())
    if plan is not None:
        made = plan(x, w, b)
        y, *kept = made if isinstance(made, tuple) else (made,)
        return y, (*kept, y) if pool.kind == "max" or not kept else tuple(kept)
    z = conv.forward(x, w, b, win, groups, activation)
    if pool.kind == "max":
        y, index = pools.max_forward(z, pool.win, pool.ceil_mode, wanted)
        kept = index, y
    else:
        y, kept = pools.avg_forward(z, pool.win, pool.ceil_mode, pool.count_include_pad), (z,)
    return y.reshape(len(y), math.prod(y.shape[1:])) if pool.flat else y, kept


def backward(
    gy: Array, kept: tuple[Array, ...], z_shape: tuple[int, ...], activation: str | None, pool: Pooling
) -> Array:
    """The gradient at the convolution's output, of z_shape."""
    *index, result = kept
    out = (*z_shape[:2], *pool.out(z_shape[2:]))
    # Flat gradients are read as they lie where the index lies so, too: not behind a pooling of its own.
    flat = pool.flat and not (index and index[0].transpose(0, 2, 3, 1).flags.c_contiguous)
    gy = gy.reshape(out) if flat else conv.in_memory_order(gy.reshape(out))
    result = None if not activation else result.reshape(out) if index else result
    operation = MAX_BACKWARD if index else AVG_BACKWARD
    at, slope = (layout(index[0]) if index else None), (None if result is None else layout(result))
    plan = backward_plan(
        operation, layout(gy), at, slope, z_shape, pool.win, pool.count_include_pad, activation, flat, forced()
    )
    return plan(gy, *index, result)
