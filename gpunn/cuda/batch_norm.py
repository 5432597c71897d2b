"""Batch normalisation on CUDA and emulated arrays: the twin of gpunn.cpu.batch_norm. Outputs keep x's memory order."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from gpunn.backend import Array, Running
from gpunn.cuda.batch_norm_variants import (
    BACKWARD,
    EVAL_FORWARD,
    FOLD,
    RUNNING,
    TRAIN_FORWARD,
    gate_of,
    holds_signs,
)
from gpunn.cuda.channels import alike, movable, move_back, norm_problem, parameters, taken
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.layout import cast, in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Output, Plan, Scalar
from gpunn.cuda.problem import Norm
from gpunn.cuda.signature import Layout, layouts
from gpunn.cuda.variants import Asked, forced


# ---------------------------------------------------------------- plans
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
    extra = alike(residual, first)
    job = norm_problem(name, first, eps, int(relu), 1, residual=extra)
    wide = accumulate(job.dtype)
    each = Output((job.C,), wide)
    inputs: dict[str, Layout | Scalar | None] = {"x": first, **parameters(name, first, gamma=gamma, beta=beta)}
    inputs |= {"residual": extra, **{key: taken(a) for key, a in zip(RUNNING, running, strict=True)}}
    inputs["momentum"] = Scalar(np.float64)
    outputs = {"y": new(first.shape, first.dtype, job.nhwc), "mean": each, "rstd": each}
    if not first.size:
        return TRAIN_FORWARD.plan(job, inputs, outputs, empty=True)
    choice = TRAIN_FORWARD.choose(job, first.device)
    if relu and extra and holds_signs(job) and choice[0].name != "naive":
        job, outputs["signs"] = replace(job, gate="signs"), Output((first.size // 8,), np.uint8)
    return TRAIN_FORWARD.plan(job, inputs, outputs, choice=choice)


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
    extra = alike(residual, first)
    job = norm_problem(name, first, eps, int(relu), 0, residual=extra)
    wide = parameters(name, first, gamma=gamma, beta=beta, mean=mean, var=var)
    outputs = {"y": new(first.shape, first.dtype, job.nhwc)}
    return EVAL_FORWARD.plan(job, {"x": first, **wide, "residual": extra}, outputs, empty=not first.size)


@lru_cache(KEPT)
def _backward(
    gy: tuple,
    x: tuple,
    gamma: tuple | None,
    beta: tuple | None,
    mean: tuple,
    rstd: tuple,
    passed: tuple | None,
    relu: bool,
    training: int,
    residual: bool,
    asked: Asked,
) -> Plan:
    name = "batch_norm.train_backward" if training else "batch_norm.eval_backward"
    first = in_order(Layout(*x), not is_row_major(Layout(*x)))
    above, (gate, told) = alike(gy, first), gate_of(passed, not is_row_major(first))
    job = norm_problem(name, first, 0.0, int(relu), training, gy=above, y=told if gate == "y" else None)
    wide = parameters(name, first, gamma=gamma, beta=beta, mean=mean, rstd=rstd)
    each = Output((job.C,), accumulate(job.dtype))
    outputs = {"gx": new(first.shape, first.dtype, job.nhwc), "ggamma": each, "gbeta": each}
    inputs: dict[str, Layout | None] = {"gy": above, "x": first, **wide, "passed": told}
    if residual:
        outputs["gresidual"] = new(first.shape, first.dtype, job.nhwc)
    else:
        inputs["gresidual"] = None  # nobody needs the masked gradient: it is not written
    return BACKWARD.plan(replace(job, gate=gate), inputs, outputs, empty=not first.size)


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
    inputs = {"weight": weight, "bias": bias, **parameters(FOLD.name, weight, gamma=gamma, beta=beta)}
    inputs |= parameters(FOLD.name, weight, mean=mean, var=var)
    outputs = {"folded": new(weight.shape, weight.dtype, True), "shift": Output((filters,), weight.dtype)}
    return FOLD.plan(job, inputs, outputs)


# ---------------------------------------------------------------- the twin's functions
def train_forward(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    eps: float,
    residual: Array | None = None,
    relu: bool = False,
    running: Running | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """y, mean, rstd of the batch: y = relu?(gamma * (x - mean) * rstd + beta + residual?), rstd = 1 / sqrt(var + eps).

    And what train_backward is to be told of a ReLU after a residual: y's signs, a bit each, or y where bits do not fit;
    without a residual x tells it, and it is None.

    ``running`` statistics, where given, move towards the batch's, in place, and their batches are one more. Without a
    momentum they are the mean over all batches.
    """
    momentum = 0.0 if running is None else running[2]
    own, moved = movable(running, accumulate(x.dtype.name))
    keys = layouts(x, gamma, beta, residual, *moved)
    part = np.float64(math.nan if momentum is None else momentum)
    made = _train_forward(*keys[:4], keys[4:], eps, relu, forced())(x, gamma, beta, residual, *moved, part)
    move_back(own, moved)
    if len(made) == 4:
        return made
    return *made, made[0] if relu and residual is not None else None


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
    keys = layouts(x, gamma, beta, mean, var, residual)
    return _eval_forward(*keys, eps, relu, forced())(x, gamma, beta, mean, var, residual)


def fold(
    w: Array, b: Array | None, gamma: Array | None, beta: Array | None, mean: Array, var: Array, eps: float
) -> tuple[Array, Array]:
    """Weights and bias of the convolution that also normalises with the running mean and var: w's dtype."""
    return _fold(*layouts(w, b, gamma, beta, mean, var), eps, forced())(w, b, gamma, beta, mean, var)


def train_backward(
    gy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    rstd: Array,
    passed: Array | None = None,
    residual: bool = True,
    relu: bool = False,
    beta: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """gx, ggamma, gbeta and the masked gy: with a ReLU gy counts where y > 0.

    ``passed`` tells that: y, or what train_forward gave. Where it is None a ReLU that was fused is looked for in x and
    ``beta``. Without ``residual`` nobody needs the masked gy, and it may be None.
    """
    return _gradients(gy, x, gamma, mean, rstd, passed, residual, relu, beta, 1)


def eval_backward(
    gy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    rstd: Array,
    passed: Array | None = None,
    residual: bool = True,
    relu: bool = False,
    beta: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """The same four where mean and rstd were constants."""
    return _gradients(gy, x, gamma, mean, rstd, passed, residual, relu, beta, 0)


def _gradients(
    gy: Array, x: Array, gamma: Array | None, mean: Array, rstd: Array, passed: Array | None, residual: bool,
    relu: bool, beta: Array | None, training: int,
) -> tuple[Array, Array, Array, Array | None]:  # fmt: skip
    relu = relu or passed is not None
    masked = residual and relu
    given = (gy, x, gamma, beta, mean, rstd, passed)
    plan = _backward(*layouts(*given), relu, training, masked, forced())
    gx, ggamma, gbeta, *rest = plan(*given) if masked else plan(*given, None)
    if gamma is not None and gamma.dtype != ggamma.dtype:
        ggamma, gbeta = ggamma.astype(gamma.dtype), gbeta.astype(gamma.dtype)
    return gx, ggamma, gbeta, rest[0] if masked else None if relu else gy
