"""Functions on plain arrays, the gradients of activations among them, as in op_rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tests.values.op_rows import ZERO, of, row

LINE = ZERO[::2]
UPSTREAM = LINE[::-1] / 8


def gradient(function):
    """What a function's backward call gives; `y` need not be told."""

    def call(gy, x, y, **options):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(function(x, **options), x, gy)[0]

    return call


def clipped_relu(x, ceiling):
    return F.hardtanh(x, 0.0, ceiling)


# ---------------------------------------------------------------- reductions
EQUALS = np.array([[1.0, 4.0, 4.0, 2.0], [-3.0, -3.0, 0.5, -8.0]])
HOLES = np.array([[1.5, 0.0, 4.0], [0.0, 0.0, 0.5], [-2.0, 0.25, 3.0], [0.0, 0.0, 0.0]])


def extreme(theirs):
    """Values and places over one axis; over all torch gives values alone, and shares the gradient."""
    return lambda x, axis, keepdims=False, return_indices=True: tuple(theirs(x, axis, keepdims))


def vector_norm(x, ord=2.0, axis=None, keepdims=False):
    return torch.linalg.vector_norm(x, ord, axis, keepdims)


for op, theirs in (("max", torch.max), ("min", torch.min)):
    row("arrays", op, extreme(theirs), of(EQUALS), axis=1, return_indices=True)
    row("arrays", op, extreme(theirs), of(EQUALS), axis=0, keepdims=True, return_indices=True)
row("arrays", "argmin", lambda x: x.argmin(), {}, of(EQUALS))
row("arrays", "argmin", lambda x, axis: x.argmin(axis), {}, of(EQUALS), axis=1)
row("arrays", "prod", lambda x: x.prod(), of(HOLES[0] + 1))
for axis in (0, 1):
    row("arrays", "prod", lambda x, axis: x.prod(axis), of(HOLES), axis=axis)
for order in (1, 2):
    row("arrays", "vector_norm", vector_norm, of(HOLES), ord=order)
    row("arrays", "vector_norm", vector_norm, of(HOLES), ord=order, axis=1, keepdims=True)


# ---------------------------------------------------------------- softmax, local response norm
def softmax_backward(function):
    """Of what gives this y: its logarithm, or y itself, are scores that do."""

    def call(gy, y, dim):
        x = (y.log() if function is torch.softmax else y.clone()).requires_grad_()
        return torch.autograd.grad(function(x, dim), x, gy)[0]

    return call


def local_response_norm_backward(gy, x, **options):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(F.local_response_norm(x, **options), x, gy)[0]


for dim in (0, 1, -1):
    for op in ("softmax", "log_softmax"):
        theirs, x = getattr(torch, op), torch.tensor(np.linspace(-2, 2, 12).reshape(2, 3, 2))
        given = {"gy": np.linspace(1, -0.5, 12).reshape(2, 3, 2) ** 2, "y": theirs(x, dim).numpy()}
        row("arrays", f"{op}_backward", softmax_backward(theirs), {}, given, dim=dim)
GIVEN = {"gy": np.linspace(1, -0.5, 20).reshape(2, 5, 2), "x": np.linspace(-3, 2, 20).reshape(2, 5, 2)}
row("arrays", "local_response_norm_backward", local_response_norm_backward, {}, GIVEN, size=3, alpha=2.0, beta=0.5)
row("arrays", "local_response_norm_backward", local_response_norm_backward, {}, GIVEN, size=4, alpha=2.0, k=0.5)

# ---------------------------------------------------------------- batch norm
RNG = np.random.default_rng(0)


def numbers(*shape):
    """Multiples of 1/64 about normal."""
    return RNG.integers(-128, 128, shape) / 64.0


def batch_norm_forward(x, running_mean, running_var, weight, bias, training=True, momentum=0.1, eps=1e-5):
    """F.batch_norm, and the mean and 1 / sqrt(var + eps) that normalised."""
    axes = (0, *range(2, x.ndim))
    mean, var = (x.mean(axes), x.var(axes, correction=0)) if training else (running_mean, running_var)
    rstd = (var + eps) ** -0.5
    return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps), mean, rstd


def each_forward(x, *parameters, per_activation, **options):
    """The same of samples whose every element is a channel."""
    y, *statistics = batch_norm_forward(x.flatten(1), *[p.view(-1) for p in parameters], **options)
    return y.view(x.shape), *(one.view(x.shape[1:]) for one in statistics)


def batch_norm_backward(gy, x, weight, mean, rstd, training=True, eps=1e-5):
    x, weight, bias = x.clone().requires_grad_(), weight.clone().requires_grad_(), torch.zeros_like(weight)
    statistics = (None, None) if training else (mean, rstd**-2 - eps)
    y = F.batch_norm(x, *statistics, weight, bias.requires_grad_(), training, eps=eps)
    return torch.autograd.grad(y, (x, weight, bias), gy)


def each_backward(gy, x, *parameters, per_activation, **options):
    gx, *others = batch_norm_backward(gy.flatten(1), x.flatten(1), *[p.view(-1) for p in parameters], **options)
    return gx.view(x.shape), *(g.view(x.shape[1:]) for g in others)


def running(*shape):
    """Running mean and variance, weight and bias."""
    names = "running_mean", "running_var", "weight", "bias"
    return {name: np.abs(numbers(*shape)) + 0.5 if name == "running_var" else numbers(*shape) for name in names}


def own(x, one, axes):
    """What backward takes of x, with x's own statistics."""
    rstd = (x.var(axes) + 1e-5) ** -0.5
    return {"gy": numbers(*x.shape), "x": x, "weight": numbers(*one), "mean": x.mean(axes), "rstd": rstd}


SPATIAL, EACH = {"x": numbers(2, 3, 2, 2), **running(3)}, {"x": numbers(3, 2, 2), **running(2, 2)}
row("arrays", "batch_norm_forward", batch_norm_forward, {}, SPATIAL)
row("arrays", "batch_norm_forward", batch_norm_forward, {}, SPATIAL, training=False, eps=0.5)
row("arrays", "batch_norm_forward", each_forward, {}, EACH, per_activation=True, momentum=0.5)
row("arrays", "batch_norm_forward", each_forward, {}, EACH, per_activation=True, training=False)
SPATIAL, EACH = own(numbers(2, 3, 4), (3,), (0, 2)), own(numbers(8, 2, 2), (2, 2), 0)
row("arrays", "batch_norm_backward", batch_norm_backward, {}, SPATIAL)
row("arrays", "batch_norm_backward", each_backward, {}, EACH, per_activation=True)
MOVED = {**SPATIAL, "mean": numbers(3), "rstd": np.abs(numbers(3)) + 0.5}
row("arrays", "batch_norm_backward", batch_norm_backward, {}, MOVED, training=False)


# ---------------------------------------------------------------- layer and group norm
def layer_norm_forward(x, weight, bias, normalized_shape, eps=1e-5):
    axes = tuple(range(-len(normalized_shape), 0))
    rstd = (x.var(axes, correction=0) + eps) ** -0.5
    return F.layer_norm(x, normalized_shape, weight, bias, eps), x.mean(axes), rstd


def layer_norm_backward(gy, x, weight, mean, rstd, normalized_shape):
    x, weight, bias = x.clone().requires_grad_(), weight.clone().requires_grad_(), torch.zeros_like(weight)
    return torch.autograd.grad(F.layer_norm(x, normalized_shape, weight, bias.requires_grad_()), (x, weight, bias), gy)


def group_norm_forward(x, weight, bias, num_groups, eps=1e-5):
    grouped = x.view(x.shape[0], num_groups, -1)
    rstd = (grouped.var(-1, correction=0) + eps) ** -0.5
    return F.group_norm(x, num_groups, weight, bias, eps), grouped.mean(-1), rstd


def group_norm_backward(gy, x, weight, mean, rstd, num_groups):
    x, weight, bias = x.clone().requires_grad_(), weight.clone().requires_grad_(), torch.zeros_like(weight)
    return torch.autograd.grad(F.group_norm(x, num_groups, weight, bias.requires_grad_()), (x, weight, bias), gy)


ROWS, IMAGES = numbers(2, 3, 8), numbers(2, 4, 6)
AFFINE = {"weight": numbers(8), "bias": numbers(8)}
row("arrays", "layer_norm_forward", layer_norm_forward, {}, {"x": ROWS, **AFFINE}, normalized_shape=[8], eps=0.5)
GIVEN = own(ROWS, (8,), -1)
row("arrays", "layer_norm_backward", layer_norm_backward, {}, GIVEN, normalized_shape=[8])
AFFINE = {"weight": numbers(4), "bias": numbers(4)}
row("arrays", "group_norm_forward", group_norm_forward, {}, {"x": IMAGES, **AFFINE}, num_groups=2)
GROUPED = own(IMAGES.reshape(2, 2, 12), (4,), -1)
GIVEN = {**GROUPED, "gy": GROUPED["gy"].reshape(2, 4, 6), "x": IMAGES}
row("arrays", "group_norm_backward", group_norm_backward, {}, GIVEN, num_groups=2)

# ---------------------------------------------------------------- activations
for op, theirs, options in (
    ("hardtanh", F.hardtanh, {}),
    ("hardtanh", F.hardtanh, {"min_val": -2.0, "max_val": 7.5}),
    ("relu6", F.relu6, {}),
    ("clipped_relu", clipped_relu, {"ceiling": 3.0}),
):
    row("arrays", op, theirs, of(ZERO), **options)
SLOPES: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
    ("relu", F.relu, {}),
    ("leaky_relu", F.leaky_relu, {}),
    ("leaky_relu", F.leaky_relu, {"negative_slope": -0.25}),
    ("hardtanh", F.hardtanh, {"max_val": 7.5}),
    ("relu6", F.relu6, {}),
    ("clipped_relu", clipped_relu, {"ceiling": 3.0}),
    ("tanh", torch.tanh, {}),
    ("sigmoid", torch.sigmoid, {}),
    ("softplus", F.softplus, {}),
    ("softplus", F.softplus, {"beta": 0.75, "threshold": 2.0}),
    ("elu", F.elu, {}),
    ("elu", F.elu, {"alpha": -0.75}),
    ("silu", F.silu, {}),
    ("gelu", F.gelu, {}),
    ("gelu", F.gelu, {"approximate": "tanh"}),
]
for op, theirs, options in SLOPES:
    given = {"gy": UPSTREAM, "x": LINE, "y": theirs(torch.tensor(LINE), **options).numpy()}
    row("arrays", f"{op}_backward", gradient(theirs), {}, given, **options)
