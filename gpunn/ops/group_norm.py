"""Normalisation of each sample by its own statistics: group_norm, layer_norm, rms_norm and instance_norm."""

from __future__ import annotations

import math

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_count, as_ints, check_written
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.batch_norm import batch_norm, channelwise
from gpunn.ops.out import with_out
from gpunn.ops.precision import widened
from gpunn.restored import restored
from gpunn.scalars import check_eps


@with_out
def group_norm(
    x: A,
    num_groups: int,
    weight: A | None = None,
    bias: A | None = None,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> A:
    """Each sample's channels in num_groups groups, each group to mean 0 and variance 1 (Wu and He, 2018).

    x (N, C, *), weight and bias (C,). ValueError: groups that do not divide C, sizes that do not fit.

    >>> x = np.arange(8.0).reshape(1, 4, 2)
    >>> ops.group_norm(x, 2).round(2)
    array([[[-1.34, -0.45],
            [ 0.45,  1.34],
            [-1.34, -0.45],
            [ 0.45,  1.34]]])
    """
    op = "group_norm"
    if asked():
        x, weight, bias = widened(x, weight, bias)
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    groups = groups_of(op, a, num_groups, w, b)
    check_eps(op, eps)
    return _normalise_groups(op, x, a, groups, (weight, bias), (w, b), eps)[0]


@with_out
def layer_norm(
    x: A,
    normalized_shape: Ints,
    weight: A | None = None,
    bias: A | None = None,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> A:
    """The last axes, of sizes normalized_shape, to mean 0 and variance 1 (Ba et al., 2016).

    weight and bias have normalized_shape. ValueError: x's last sizes, or those of weight and bias, are others.

    >>> ops.layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), 2).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    op = "layer_norm"
    if asked():
        x, weight, bias = widened(x, weight, bias)
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    rows, sizes = rows_of(op, a, normalized_shape, weight=w, bias=b)
    check_eps(op, eps)
    w, b = (None if value is None else value.reshape(-1) for value in (w, b))
    twin = twins(a).group_norm
    y, mean, rstd = twin.layer_forward(a.reshape(rows), w, b, eps)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx, gw, gb = twin.layer_backward(gy.reshape(rows), a.reshape(rows), w, mean, rstd, any(needs[1:]))
        given = zip((gw, gb), needs[1:], strict=True)
        return gx.reshape(gy.shape), *(None if g is None or not need else g.reshape(sizes) for g, need in given)

    return record(op, y.reshape(a.shape), (x, weight, bias), backward, owned=True)


@with_out
def rms_norm(
    x: A, normalized_shape: Ints, weight: A | None = None, eps: float | None = None, *, out: Array | None = None
) -> A:
    """The last axes, of sizes normalized_shape, over the root of their mean square (Zhang and Sennrich, 2019).

    weight has normalized_shape. eps is added to the mean square; None: the dtype's epsilon, of 16 bits float32's.
    ValueError: x's last sizes, or those of weight, are others.

    >>> ops.rms_norm(np.array([[3.0, 4.0], [30.0, -40.0]]), 2).round(3)
    array([[ 0.849,  1.131],
           [ 0.849, -1.131]])
    """
    op = "rms_norm"
    if asked():
        x, weight = widened(x, weight)
    a, w = arrays(op, x=x, weight=weight)
    rows, sizes = rows_of(op, a, normalized_shape, weight=w)
    eps = float(np.finfo(np.float64 if a.dtype == np.float64 else np.float32).eps) if eps is None else eps
    check_eps(op, eps)
    w = None if w is None else w.reshape(-1)
    twin = twins(a).group_norm
    y, rstd = twin.rms_forward(a.reshape(rows), w, eps)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx, gw = twin.rms_backward(gy.reshape(rows), a.reshape(rows), w, rstd, needs[1])
        return gx.reshape(gy.shape), None if gw is None else gw.reshape(sizes)

    return record(op, y.reshape(a.shape), (x, weight), backward, owned=True)


def rows_of(op: str, a: Array, normalized_shape: Ints, **params: Array | None) -> tuple[tuple[int, int], Shape]:
    """x as (rows, L), and the checked sizes, which the parameters have too."""
    sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    sizes = as_ints(op, "normalized_shape", tuple(sizes), len(sizes), 1)
    if a.shape[max(a.ndim - len(sizes), 0) :] != sizes:
        raise ValueError(
            f"{op}: x is {a.shape}, expected its last sizes to be normalized_shape {sizes}; "
            "set normalized_shape to the sizes of the axes to normalise over"
        )
    for name, value in params.items():
        if value is not None and value.shape != sizes:
            raise ValueError(f"{op}: {name} is {value.shape}, expected normalized_shape {sizes}; reshape it")
    return (math.prod(a.shape[: a.ndim - len(sizes)]), math.prod(sizes)), sizes


@with_out
@restored
def instance_norm(
    x: A,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: A | None = None,
    bias: A | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> A:
    """Each channel of each sample to mean 0 and variance 1 (Ulyanov et al., 2016); x (N, C, *), the others (C,).

    With use_input_stats running_mean and running_var, unless None, move in place towards the batch's average mean and
    unbiased variance by `momentum`; without, they are what x is normalised with, as in batch_norm.
    ValueError: one element a channel, running statistics missing where they are needed, sizes that do not fit.

    >>> x = np.array([[[1.0, 3.0], [10.0, 30.0]]])
    >>> ops.instance_norm(x).round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    op = "instance_norm"
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError(f"{op}: use_input_stats=False needs running_mean and running_var; pass both")
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if asked():
        x, weight, bias = widened(x, weight, bias)
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    check_channels(op, a, w, b)
    positions = math.prod(a.shape[2:])
    if positions == 1:
        raise ValueError(
            f"{op}: x {a.shape} has one element a channel, whose variance is 0; expected more: use layer_norm"
        )
    check_written(op, running_mean=running_mean, running_var=running_var)
    *_, own_mean, own_var = channelwise(op, a, None, None, running_mean, running_var)
    check_eps(op, eps)
    y, mean, rstd = _normalise_groups(op, x, a, a.shape[1], (weight, bias), (w, b), eps)
    if a.shape[0]:
        for running, of in ((own_mean, lambda: mean), (own_var, lambda: _variance(rstd, eps, positions))):
            if running is not None:
                running *= 1 - momentum
                with np.errstate(over="ignore"):  # a variance that does not fit is infinite
                    running += (momentum * of().mean(axis=0, dtype=np.float64)).astype(running.dtype)
    return y


def _variance(rstd: Array, eps: float, count: int) -> Array:
    """The unbiased variance of so many elements, in float64, from 1 / sqrt(biased variance + eps)."""
    with np.errstate(divide="ignore"):
        var = rstd.astype(np.float64) ** -2 - eps
    return array_module(rstd).maximum(var, 0) * (count / (count - 1))


def _normalise_groups(
    op: str,
    x: A,
    a: Array,
    groups: int,
    affine: tuple[A | None, A | None],
    arrays: tuple[Array | None, Array | None],
    eps: float,
) -> tuple[A, Array, Array]:
    """y recorded, and mean and 1 / deviation (N, groups), which the gradient keeps beside x; affine also as arrays."""
    (w, b), twin = arrays, twins(a).group_norm
    y, mean, rstd = twin.group_forward(a, groups, w, b, eps)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx, gw, gb = twin.group_backward(gy, a, groups, w, mean, rstd, any(needs[1:]))
        return gx, gw if needs[1] else None, gb if needs[2] else None

    return record(op, y, (x, *affine), backward, owned=True), mean, rstd


def groups_of(op: str, a: Array, num_groups: int, *params: Array | None) -> int:
    """The checked number of groups of x's channels, of which the parameters have one number each."""
    check_channels(op, a, *params)
    groups, channels = as_count(op, "num_groups", num_groups), a.shape[1]
    if channels % groups:
        raise ValueError(f"{op}: x has {channels} channels {a.shape}, expected a multiple of num_groups={groups}")
    return groups


def check_channels(op: str, a: Array, w: Array | None, b: Array | None = None) -> None:
    """Refuses an x without channels, and parameters that have not one number for each."""
    if a.ndim < 2 or 0 in a.shape[1:]:
        raise ValueError(f"{op}: x is {a.shape}, expected (N, C) or (N, C, *) with no size 0 but N; reshape it")
    for name, value in (("weight", w), ("bias", b)):
        if value is not None and value.shape != (a.shape[1],):
            raise ValueError(f"{op}: {name} is {value.shape}, expected ({a.shape[1]},), one a channel of x {a.shape}")
