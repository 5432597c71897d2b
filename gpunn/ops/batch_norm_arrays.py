"""Batch normalisation on plain arrays: forward gives what backward takes, by the channel or by the activation."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, check_constants, check_shape, check_written
from gpunn.engine.tensor import data_of
from gpunn.layout import channels_last
from gpunn.ops.batch_norm import channelwise, check_momentum, check_statistics, empty_statistics, rstd_of
from gpunn.ops.out import with_out
from gpunn.scalars import check_eps


@with_out
def batch_norm_forward(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    per_activation: bool = False,
    out: tuple[Array, Array, Array] | None = None,
) -> tuple[Array, Array, Array]:
    """(y, mean, rstd) of batch_norm on plain arrays: x (N, C, *), the others (C,); backward takes mean and rstd.

    rstd is 1 / sqrt(var + eps). In training mean and var are the batch's, var biased, and running_mean and running_var,
    unless None, move towards them in place by `momentum` (cuDNN's decay is 1 - momentum), the variance unbiased. Else
    they are the running ones, and mean is running_mean itself. With per_activation each element of a sample has
    statistics of its own, over N, and the others have the shape of a sample, (C, *); mean may then share running_mean's
    memory, or not. Statistics of a 16-bit x are float32, parameters may be. One kernel in training. Raises batch_norm's
    errors.

    >>> y, mean, rstd = ops.batch_norm_forward(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> y.round(3).tolist(), mean.tolist(), rstd.round(3).tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 20.0], [1.0, 0.1])
    """
    op = "batch_norm_forward"
    check_constants(op, x=x, weight=weight, bias=bias)
    (a,) = arrays(op, x=x)
    if training and isinstance(a, np.ndarray):
        check_written(op, running_mean=running_mean, running_var=running_var)
    given = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    if not per_activation:
        return _forward(op, a, a, given, training, momentum, eps)
    rows = _rows_of(op, a, given)
    flat = {name: rows.parameter(value) for name, value in given.items()}
    y, mean, rstd = _forward(op, a, rows.samples(a), flat, training, momentum, eps)
    for name in ("running_mean", "running_var") if training else ():
        rows.keep(given[name], flat[name])
    return rows.back(y), rows.back(mean), rows.back(rstd)


def _forward(
    op: str, x: Array, a: Array, given: dict[str, Any], training: bool, momentum: float, eps: float
) -> tuple[Array, Array, Array]:
    """The three of a (N, C, *), which is x in other words."""
    gamma, beta, mean, var = channelwise(op, a, *given.values())
    if training:
        check_momentum(op, momentum)
    check_statistics(op, x, "channel" if a is x else "activation", a.size // a.shape[1], mean, var, training, eps)
    twin = twins(a).batch_norm
    if training and a.size:
        return twin.train_forward(a, gamma, beta, eps, None, False, (mean, var, momentum, None))[:3]
    mean, var = empty_statistics(a) if training else (mean, var)
    return twin.eval_forward(a, gamma, beta, mean, var, eps), mean, rstd_of(var, eps)


@with_out
def batch_norm_backward(
    gy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    var: Array | None = None,
    eps: float = 1e-5,
    training: bool = True,
    *,
    rstd: Array | None = None,
    per_activation: bool = False,
    out: tuple[Array, Array, Array] | None = None,
) -> tuple[Array, Array, Array]:
    """(gx, gweight, gbias) of batch_norm on plain arrays: gy and x (N, C, *), weight (C,) or None.

    mean and var (C,): the batch's own with training=True, var biased; else the running ones of the forward call. Or
    mean and rstd as batch_norm_forward gave them, which is one kernel. per_activation as in the forward call.

    ValueError: shapes that do not go together, two devices, no var and no rstd; TypeError: dtypes, both of them.

    >>> x, gy = np.array([[1.0], [2.0], [6.0]]), np.array([[1.0], [0.0], [0.0]])
    >>> gx, gweight, gbias = ops.batch_norm_backward(gy, x, np.ones(1), x.mean(0), x.var(0))
    >>> gx.round(3).tolist(), gbias.tolist()
    ([[0.176], [-0.22], [0.044]], [1.0])
    >>> y, mean, rstd = ops.batch_norm_forward(x)
    >>> gx.tolist() == ops.batch_norm_backward(gy, x, np.ones(1), mean, rstd=rstd)[0].tolist()
    True
    """
    op = "batch_norm_backward"
    gy, a = arrays(op, gy=gy, x=x)
    check_shape(op, "gy", gy, a.shape, "it has x's shape")
    check_eps(op, eps)
    if var is not None and rstd is not None:
        raise TypeError(f"{op}: got both var and rstd, two words for one array; pass one")
    name, spread = ("var", var) if rstd is None else ("rstd", rstd)
    if mean is None or spread is None:
        raise ValueError(
            f"{op}: mean or var is None, expected one number a channel of x {a.shape}; pass x.mean and x.var over all "
            "axes but 1, or mean and rstd as batch_norm_forward gave them"
        )
    given = {"weight": weight, "mean": mean, name: spread}
    if not per_activation:
        return _backward(op, gy, a, given, eps, training)
    rows = _rows_of(op, a, given)
    flat = {key: rows.parameter(value) for key, value in given.items()}
    gx, ggamma, gbeta = _backward(op, rows.samples(gy), rows.samples(a), flat, eps, training)
    return rows.back(gx), rows.back(ggamma), rows.back(gbeta)


def _backward(
    op: str, gy: Array, a: Array, given: dict[str, Any], eps: float, training: bool
) -> tuple[Array, Array, Array]:
    weight, mean, spread = given.values()
    names = "mean", "rstd" if "rstd" in given else "var"
    gamma, _, mean, spread = channelwise(op, a, weight, None, mean, spread, names)
    twin = twins(a).batch_norm
    run = twin.train_backward if training else twin.eval_backward
    return run(gy, a, gamma, mean, spread if "rstd" in given else rstd_of(spread, eps))[:3]


# ---------------------------------------------------------------- per activation
class _Rows(NamedTuple):
    """Samples (C, *) as rows (L,) in the order of x's memory: views, in which each element is a channel."""

    shape: Shape  # of a sample
    order: Shape  # of its axes in memory

    def samples(self, a: Array) -> Array:
        return a.transpose(0, *[1 + axis for axis in self.order]).reshape(a.shape[0], math.prod(self.shape))

    def parameter(self, a: Array | None) -> Array | None:
        return None if a is None else a.transpose(self.order).reshape(-1)

    def keep(self, own: Array | None, flat: Array | None) -> None:
        """Write what became of `own` where its memory has another order, so that `flat` is a copy."""
        if own is not None and flat is not None and not own.transpose(self.order).flags.c_contiguous:
            own.transpose(self.order)[...] = flat.reshape([self.shape[axis] for axis in self.order])

    def back(self, a: Array) -> Array:
        """(N, L) as (N, C, *), or (L,) as (C, *)."""
        lead = a.shape[:-1]
        there = a.reshape(*lead, *[self.shape[axis] for axis in self.order])
        return there.transpose(*range(len(lead)), *[len(lead) + axis for axis in np.argsort(self.order)])


def _rows_of(op: str, a: Array, given: dict[str, Any]) -> _Rows:
    """How x (N, C, *) is seen, with the parameters checked and made arrays."""
    shape = a.shape[1:]
    if a.ndim < 2 or 0 in shape:
        raise ValueError(f"{op}: x is {a.shape}, expected (N, C) or (N, C, *) where only the batch N may be 0")
    for name, value in given.items():
        if value is not None:
            given[name] = data_of(value)
            check_shape(op, name, given[name], shape, f"per activation it has the shape of a sample of x {a.shape}")
    axes = tuple(range(len(shape)))
    last = not a.flags.c_contiguous and channels_last(a).flags.c_contiguous
    return _Rows(shape, (*axes[1:], 0) if last else axes)
