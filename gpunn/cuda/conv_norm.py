"""A 2-d convolution and batch normalisation in training on CUDA and emulated arrays: the twin of gpunn.cpu.conv_norm.

On tensor cores the convolution's own blocks give the statistics of what they store; elsewhere its result is read again.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gpunn.asked import of_floats
from gpunn.backend import Array, Running
from gpunn.cuda import batch_norm, conv
from gpunn.cuda.batch_norm_variants import APPLY_BACKWARD, RUNNING, gate_of
from gpunn.cuda.channels import movable, move_back, parameters, taken
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.conv_norm_variants import FUSED, SLOPED, ConvNorm
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.layout import cast, in_order, new
from gpunn.cuda.plans import KEPT, Call, Output, Plan, Scalar, trace
from gpunn.cuda.problem import Norm
from gpunn.cuda.signature import Layout, layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.window import Window

TRAIN_FORWARD = Operation("conv_norm.train_forward", *FUSED)
GRAD_INPUT = Operation("conv_norm.grad_input", *SLOPED)
# What runs where these variants do not: the convolution's operation, and the normalisation's.
APART = {
    TRAIN_FORWARD: (conv.OPERATIONS[2]["forward"], "batch_norm.train_forward"),
    GRAD_INPUT: (conv.OPERATIONS[2]["grad_input"], "batch_norm.backward"),
}


def _choice(operation: Operation, job: ConvNorm, device: int, asked: Asked) -> tuple[Variant | None, str]:
    """The variant that the convolution alone would take, where it has this beside; None, and why, where it has not."""
    if operation.name in dict(asked):
        return operation.choose(job, device)
    alone, norm = APART[operation]
    if norm in dict(asked):
        return None, f"{norm} is asked for by use_variant"
    chosen, why = alone.choose(job.conv, device)
    variant = next((one for one in operation.variants if one.name == chosen.name), None)
    if variant is None:
        return None, f"{alone.name} takes {chosen.name}, which gives batch norm nothing; {why}"
    refusal = variant.refusal(job)
    return (None, f"{alone.name} takes {chosen.name}; {chosen.name}: {refusal}") if refusal else (variant, why)


@lru_cache(KEPT)
def _fused(
    x: tuple, weight: tuple, bias: tuple | None, gamma: tuple | None, beta: tuple | None, residual: tuple | None,
    running: tuple[tuple | None, ...], win: Window, groups: int, eps: float, relu: bool, asked: Asked,
) -> Plan | Call:  # fmt: skip
    """The launches, if a variant takes these and is the better choice; else what a trace says."""
    name, below, w = TRAIN_FORWARD.name, in_order(Layout(*x), True), in_order(Layout(*weight), True)
    b = None if bias is None else cast(Layout(*bias), Layout(*bias).dtype)
    extra = None if residual is None else in_order(Layout(*residual), True)
    dtype = check_arrays(name, x=below, w=w, b=b, residual=extra)
    y = (below.shape[0], w.shape[0], *win.out(below.shape[2:]))
    check_index(name, **{"one sample of x": below.shape[1:], "one sample of y": y[1:], "w": w.shape})
    aligned = not any(a.offset for a in (below, w, b, extra) if a is not None)
    shapes = below.shape, w.shape, y, win, groups
    gate = "signs" if relu and residual and y[1] % 8 == 0 else ""  # bytes of eight channels
    job = ConvNorm(dtype, aligned, *shapes, precision=of_floats(asked, dtype), eps=eps, relu=int(relu), gate=gate)
    variant, why = _choice(TRAIN_FORWARD, job, below.device, asked)
    if variant is None:
        return Call(name, "apart", why, job)
    inputs: dict[str, Layout | Scalar | None] = {"x": below, "weight": w, "bias": b}
    inputs |= {**parameters(name, below, gamma=gamma, beta=beta), "residual": extra}
    inputs |= {key: taken(a) for key, a in zip(RUNNING, running, strict=True)}
    inputs["momentum"] = Scalar(np.float64)
    each, image = Output(y[1:2], accumulate(dtype)), new(y, below.dtype, True)
    outputs = {"y": image, "z": image, "mean": each, "rstd": each}
    if gate:
        outputs["signs"] = Output((math.prod(y) // 8,), np.uint8)
    return TRAIN_FORWARD.plan(job, inputs, outputs, choice=(variant, why))


def train_forward(
    x: Array, w: Array, b: Array | None, win: Window, groups: int, gamma: Array | None, beta: Array | None, eps: float,
    residual: Array | None = None, relu: bool = False, running: Running | None = None,
) -> tuple[Array, Array, Array, Array, Array | None]:  # fmt: skip
    """y, z, mean and rstd: z = conv(x), y = relu?(gamma (z - mean) rstd + beta + residual?), as batch_norm has it.

    And what its train_backward is to be told of ReLU.
    """
    own, moved = movable(running, accumulate(x.dtype.name))
    given = (x, w, b, gamma, beta, residual, *moved)
    keys = layouts(*given)
    plan = _fused(*keys[:6], keys[6:], win, groups, eps, relu, forced())
    if isinstance(plan, Plan):
        momentum = 0.0 if running is None else running[2]
        made = plan(*given, np.float64(math.nan if momentum is None else momentum))
        move_back(own, moved)
        return made if len(made) == 5 else (*made, made[0] if relu and residual is not None else None)
    if (calls := trace.get()) is not None:
        calls.append(plan)
    z = conv.forward(x, w, b, win, groups)
    y, mean, rstd, passed = batch_norm.train_forward(z, gamma, beta, eps, residual, relu, running)
    return y, z, mean, rstd, passed


@lru_cache(KEPT)
def _sloped(
    gy: tuple, weight: tuple, x: tuple[int, ...], win: Window, groups: int, z: tuple, mean: tuple, rstd: tuple,
    y: tuple | None, asked: Asked,
) -> Plan | Call:  # fmt: skip
    """The launch that gives gx and the sums, if a variant takes these; else what a trace says."""
    name, above, w, below = GRAD_INPUT.name, *(in_order(Layout(*a), True) for a in (gy, weight, z))
    passed = None if y is None else in_order(Layout(*y), True)
    dtype = check_arrays(name, gy=above, w=w, z=below, y=passed)
    check_index(name, **{"one sample of x": x[1:], "one sample of y": above.shape[1:], "w": w.shape})
    aligned = not any(a.offset for a in (above, w, below, passed) if a is not None)
    shapes = x, w.shape, above.shape, win, groups
    job = ConvNorm(dtype, aligned, *shapes, precision=of_floats(asked, dtype), relu=int(passed is not None))
    variant, why = _choice(GRAD_INPUT, job, above.device, asked)
    if variant is None:
        return Call(name, "apart", why, job)
    inputs = {"gy": above, "weight": w, "z": below, "x": passed, **parameters(name, above, mean=mean, rstd=rstd)}
    each = Output(x[1:2], accumulate(dtype))
    outputs = {"gx": new(x, above.dtype, True), "ggamma": each, "gbeta": each}
    return GRAD_INPUT.plan(job, inputs, outputs, choice=(variant, why))


def grad_input(
    gy: Array, w: Array, x_shape: tuple[int, ...], win: Window, groups: int, z: Array, mean: Array, rstd: Array,
    y: Array | None,
) -> tuple[Array, tuple[Array, Array] | None]:  # fmt: skip
    """gx of x, which a normalisation of z made, y with ReLU; and of that ggamma and gbeta, where they come along."""
    given = (gy, w, z, y, mean, rstd)
    keys = layouts(z, mean, rstd, y)
    plan = _sloped(layout(gy), layout(w), x_shape, win, groups, *keys, forced())
    if isinstance(plan, Plan):
        gx, *sums = plan(*given)
        return gx, tuple(sums)
    if (calls := trace.get()) is not None:
        calls.append(plan)
    return conv.grad_input(gy, w, x_shape, win, groups), None


@lru_cache(KEPT)
def _applied(
    gy: tuple, z: tuple, gamma: tuple | None, beta: tuple | None, mean: tuple, rstd: tuple, passed: tuple | None,
    sums: tuple[tuple, ...], relu: bool, residual: bool, asked: Asked,
) -> Plan:  # fmt: skip
    name, above, below = APPLY_BACKWARD.name, in_order(Layout(*gy), True), in_order(Layout(*z), True)
    gate, told = gate_of(passed, True)
    y = told if gate == "y" else None
    dtype = check_arrays(name, gy=above, z=below, y=y)
    aligned = not any(a.offset for a in (above, below, y) if a is not None)
    n, c, *plane = below.shape
    job = Norm(dtype, aligned, n, c, math.prod(plane), True, 0.0, int(relu), 1, gate)
    inputs: dict[str, Layout | None] = {"gy": above, "x": below}
    inputs |= parameters(name, below, gamma=gamma, beta=beta, mean=mean, rstd=rstd)
    inputs |= {"passed": told, **parameters(name, below, ggamma=sums[0], gbeta=sums[1])}
    image = new(below.shape, below.dtype, True)
    outputs = {"gx": image, "gresidual": image} if residual else {"gx": image}
    return APPLY_BACKWARD.plan(job, inputs if residual else {**inputs, "gresidual": None}, outputs)


def train_backward(
    gy: Array, z: Array, gamma: Array | None, mean: Array, rstd: Array, passed: Array | None = None,
    residual: bool = True, sums: tuple[Array, ...] | None = None, relu: bool = False, beta: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:  # fmt: skip
    """The normalisation's gz, ggamma, gbeta and masked gy; with its sums in one pass."""
    if sums is None or "batch_norm.backward" in dict(forced()):
        return batch_norm.train_backward(gy, z, gamma, mean, rstd, passed, residual, relu, beta)
    relu = relu or passed is not None
    masked = residual and relu
    given = (gy, z, gamma, beta, mean, rstd, passed)
    keys = layouts(*given)
    plan = _applied(*keys, layouts(*sums), relu, masked, forced())
    made = plan(*given, *sums) if masked else plan(*given, *sums, None)
    gz, *rest = made if isinstance(made, tuple) else (made,)
    ggamma, gbeta = sums
    if gamma is not None and gamma.dtype != ggamma.dtype:
        ggamma, gbeta = ggamma.astype(gamma.dtype), gbeta.astype(gamma.dtype)
    return gz, ggamma, gbeta, rest[0] if masked else None if relu else gy
