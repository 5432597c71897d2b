"""A convolution and batch normalisation of its result in training as one operation: what `nn.fuse` makes of the two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, same_device, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, check_written, wants_grad
from gpunn.engine.autograd import Gradients, Known, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.batch_norm import batch_norm, batch_norm_relu
from gpunn.ops.conv import check_bias, conv2d, plan
from gpunn.ops.precision import like, narrowed

Options = tuple[Ints, Ints | str, Ints, int]  # of a convolution: stride, padding, dilation, groups
Moved = tuple[Array | None, Array | None, Array | None]  # running mean and variance, and the count of batches


def conv2d_batch_norm(
    x: A,
    weight: A,
    bias: A | None,
    options: Options,
    running: Moved,
    gamma: A | None = None,
    beta: A | None = None,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    residual: A | None = None,
    relu: bool = False,
) -> A:
    """y = relu?(batch_norm(conv2d(x)) + residual?) in training, statistics moved; the two ops but for rounding.

    On tensor cores the statistics are those of the numbers that the convolution's blocks store, and no pass reads its
    result for them; elsewhere, and on cpu, it is the two ops' own passes. Backwards, where x is the result of such a
    call, the convolution gives that call's norm the sums that it begins with. What does not fit is left to the two ops,
    whose errors say why.

    >>> x, w = np.array([1.0, 2.0, 6.0]).reshape(3, 1, 1, 1), np.ones((1, 1, 1, 1))
    >>> mean, var = np.zeros(1), np.ones(1)
    >>> conv2d_batch_norm(x, w, None, (1, 0, 1, 1), (mean, var, None), relu=True).ravel().round(3)
    array([0.   , 0.   , 1.389])
    >>> mean.round(3)
    array([0.3])
    """
    op = "conv2d_batch_norm"
    if asked():
        x, weight, bias = narrowed(x, weight, bias)
        residual = like(x, residual)
    a, w, b, r = arrays(op, x=x, w=weight, bias=bias, residual=residual)
    check_bias(op, b, w.shape[:1])
    batched, win, extra, _ = plan(op, 2, a.shape, w.shape, *options)
    scale, shift = (None if p is None else data_of(p) for p in (gamma, beta))
    y_shape = (a.shape[0], w.shape[0], *win.out(a.shape[2:])) if batched and extra is None else ()
    moves = running[2] is not None if momentum is None else isinstance(momentum, Real) and momentum == momentum
    known = eps >= 0 and moves and (r is None or r.shape == y_shape)
    if not (known and _fits(a, y_shape, (scale, shift, *running[:2]), running[2])):
        return _apart(x, weight, bias, options, running, gamma, beta, momentum, eps, residual, relu)
    if isinstance(a, np.ndarray):
        check_written(op, running_mean=running[0], running_var=running[1], num_batches_tracked=running[2])
    twin, groups, moved = twins(a), options[3], (*running[:2], momentum, running[2])
    if a.flags.c_contiguous and type(a) is not np.ndarray and wants_grad(weight):
        a = twin.conv.in_memory_order(a)  # one copy for forward and backward
    y, z, mean, rstd, passed = twin.conv_norm.train_forward(a, w, b, win, groups, scale, shift, eps, r, relu, moved)
    x_shape, w_shape = a.shape, w.shape
    kept_x, kept_w = (a if wants_grad(weight) else None), (w if wants_grad(x) else None)
    above, below = Known((z, mean, rstd, relu)), _known(x)
    if (beside := _known(residual)) is not None:
        beside.take(all_of_it=False)
    below = None if below is None else below.take()
    seen = a if below is not None and below.below is not None and below.below[3] else None  # x, which tells its ReLU

    def backward(gy: Array, needs: Needs) -> Gradients:
        sums = above.of(gy)
        gate = passed, needs[5], sums, relu, shift
        gz, ggamma, gbeta, gr = twin.conv_norm.train_backward(gy, z, scale, mean, rstd, *gate)
        gx = gw = gb = None
        if kept_w is not None and below is not None and below.below is not None:
            z_before, mean_before, rstd_before, _ = below.below
            before = z_before, mean_before, rstd_before, seen
            gx, below.more = twin.conv_norm.grad_input(gz, kept_w, x_shape, win, groups, *before)
            below.gradient = gx
        elif kept_w is not None:
            gx = twin.conv.grad_input(gz, kept_w, x_shape, win, groups)
        if kept_x is not None:
            gw, gb = twin.conv.grad_weight(gz, kept_x, w_shape, win, groups, needs[2])
        elif needs[2]:
            gb = twin.conv.grad_bias(gz)
        found = gx, gw, gb, ggamma, gbeta, gr
        return tuple([g if need else None for g, need in zip(found, needs, strict=True)])

    # Without ReLU the residual's gradient is gy itself.
    made: Any = record(op, y, (x, weight, bias, gamma, beta, residual), backward, owned=residual is None or relu)
    if (node := getattr(made, "_node", None)) is not None:
        node.known = above
    return made


def _known(x: object) -> Known | None:
    """What the op that made x would be told of its gradient: where that was this one, too."""
    return x._node.known if isinstance(x, Tensor) and x._node is not None else None


def _fits(a: Array, y_shape: Shape, each: Sequence[Array | None], batches: Array | None) -> bool:
    """Whether the arrays of channels are what the twins take, and there is a variance to normalise by."""
    wanted = ("float32", a.dtype.name) if a.dtype.itemsize == 2 else (a.dtype.name,)
    for one in each:
        if one is not None and not (same_device(a, one) and one.shape == y_shape[1:2] and one.dtype.name in wanted):
            return False
    if batches is not None and not (same_device(a, batches) and batches.shape == () and batches.dtype.kind in "iu"):
        return False
    return len(y_shape) == 4 and math.prod(y_shape) > y_shape[1]


def _apart(
    x: A, weight: A, bias: A | None, options: Options, running: Moved, gamma: A | None, beta: A | None,
    momentum: float | None, eps: float, residual: A | None, relu: bool,
) -> A:  # fmt: skip
    """The two ops, one after the other."""
    z = conv2d(x, weight, bias, *options)
    if relu:
        return batch_norm_relu(z, *running[:2], gamma, beta, True, momentum, eps, residual, running[2])
    y: Any = batch_norm(z, *running[:2], gamma, beta, True, momentum, eps, running[2])
    return y if residual is None else y + residual
