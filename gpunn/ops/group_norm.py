"""Normalisation of each sample by its own statistics: group_norm, layer_norm and instance_norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn.checks import arrays, as_count, as_ints
from gpunn.engine.tensor import data_of, record
from gpunn.ops.batch_norm import batch_norm
from gpunn.ops.broadcast import unbroadcast
from gpunn.ops.reduce import wide


def group_norm(x, num_groups: int, weight=None, bias=None, eps: float = 1e-5) -> Any:
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
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    _check_channels(op, a, w, b)
    groups, channels = as_count(op, "num_groups", num_groups), a.shape[1]
    if channels % groups:
        raise ValueError(f"{op}: x has {channels} channels {a.shape}, expected a multiple of num_groups={groups}")
    view = (a.shape[0], groups, channels // groups, *a.shape[2:])
    affine = (groups, channels // groups, *(1,) * (a.ndim - 2))
    return _normalise(op, x, a, view, tuple(range(2, len(view))), (weight, bias), affine, eps)


def layer_norm(x, normalized_shape: int | Sequence[int], weight=None, bias=None, eps: float = 1e-5) -> Any:
    """The last axes, of sizes normalized_shape, to mean 0 and variance 1 (Ba et al., 2016).

    weight and bias have normalized_shape. ValueError: x's last sizes, or those of weight and bias, are others.

    >>> ops.layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), 2).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    op = "layer_norm"
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    sizes = as_ints(op, "normalized_shape", tuple(sizes), len(sizes), 1)
    if a.shape[max(a.ndim - len(sizes), 0) :] != sizes:
        raise ValueError(
            f"{op}: x is {a.shape}, expected its last sizes to be normalized_shape {sizes}; "
            "set normalized_shape to the sizes of the axes to normalise over"
        )
    for name, value in (("weight", w), ("bias", b)):
        if value is not None and value.shape != sizes:
            raise ValueError(f"{op}: {name} is {value.shape}, expected normalized_shape {sizes}; reshape it")
    return _normalise(op, x, a, a.shape, tuple(range(a.ndim - len(sizes), a.ndim)), (weight, bias), sizes, eps)


def instance_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
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
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    _check_channels(op, a, w, b)
    positions = int(np.prod(a.shape[2:]))
    if positions == 1:
        raise ValueError(
            f"{op}: x {a.shape} has one element a channel, whose variance is 0; expected more: use layer_norm"
        )
    axes = tuple(range(2, a.ndim))
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None and data_of(running).shape != (a.shape[1],):
            raise ValueError(f"{op}: {name} is {running.shape}, expected ({a.shape[1]},), one a channel of x {a.shape}")
    if a.shape[0] and (running_mean is not None or running_var is not None):
        mean, centred = _centred(a, axes)
        unbiased = _mean(centred * centred, (0, *axes)).reshape(-1) * (positions / (positions - 1))
        for running, now in ((running_mean, _mean(mean, (0, *axes)).reshape(-1)), (running_var, unbiased)):
            if running is not None:
                running *= 1 - momentum
                running += (momentum * now).astype(running.dtype)
    return _normalise(op, x, a, a.shape, axes, (weight, bias), (a.shape[1], *(1,) * len(axes)), eps)


def _normalise(op: str, x: Any, a: Any, view: tuple[int, ...], axes: tuple[int, ...], affine, shape, eps: float) -> Any:
    """x, seen in the shape `view`, standardised over `axes`, times weight plus bias, both seen in `shape`.

    The gradient keeps x, a mean and a scale a group; what else it needs is computed again.
    """
    if not eps >= 0:
        raise ValueError(f"{op}: eps is {eps}, expected at least 0: it keeps the square root of the variance real")
    arrays = [None if value is None else data_of(value) for value in affine]
    w, b = (None if array is None else array.reshape(shape) for array in arrays)
    given = [() if array is None else array.shape for array in arrays]
    mean, y = _centred(a.reshape(view), axes)
    scale = 1 / (_mean(y * y, axes) + eps) ** 0.5
    scale = scale.astype(mean.dtype, copy=False)
    y *= scale
    if w is not None:
        y *= w
    if b is not None:
        y += b
    y = y.reshape(a.shape).astype(a.dtype, copy=False)

    def backward(gy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        g = wide(gy).reshape(view)
        unit = (wide(a).reshape(view) - mean) * scale
        gw = unbroadcast(g * unit, shape) if needs[1] else None
        gb = unbroadcast(g, shape) if needs[2] else None
        gx = None
        if needs[0]:
            g = g if w is None else g * w
            gx = g - _mean(g, axes)
            unit *= _mean(g * unit, axes)
            gx -= unit
            gx *= scale
            gx = gx.reshape(a.shape).astype(gy.dtype, copy=False)
        return gx, *(
            None if g is None else g.reshape(own).astype(gy.dtype, copy=False)
            for g, own in zip((gw, gb), given, strict=True)
        )

    return record(op, y, (x, *affine), backward)


def _centred(a: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """The mean over `axes`, kept as size 1, and the array less it."""
    mean = _mean(wide(a), axes)
    return mean, wide(a) - mean


def _mean(a: Any, axes: tuple[int, ...]) -> Any:
    """Summed in float64: along strided axes NumPy adds one by one, and float32 would lose digits."""
    return a.mean(axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype)


def _check_channels(op: str, a: Any, w: Any, b: Any) -> None:
    if a.ndim < 2 or 0 in a.shape[1:]:
        raise ValueError(f"{op}: x is {a.shape}, expected (N, C) or (N, C, *) with no size 0 but N; reshape it")
    for name, value in (("weight", w), ("bias", b)):
        if value is not None and value.shape != (a.shape[1],):
            raise ValueError(f"{op}: {name} is {value.shape}, expected ({a.shape[1]},), one a channel of x {a.shape}")
