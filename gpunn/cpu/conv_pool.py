"""A convolution, its activation and its pooling on NumPy arrays, one after another."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu import activation as activations
from gpunn.cpu import conv
from gpunn.cpu import pool as pools
from gpunn.cpu.narrow import in_float32
from gpunn.window import Pooling, Window


@in_float32
def forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    win: Window,
    groups: int,
    activation: str | None,
    pool: Pooling,
    wanted: bool,
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The result, and what backward takes, where ``wanted``: the index of a maximum, then what the activation gave."""
    if activation == "relu" and pool.kind == "max":
        # They commute, to the last bit of the gradient too: the pooled plane is the smaller one.
        y, index = pools.max_forward(conv.forward(x, w, b, win, groups), pool.win, pool.ceil_mode, wanted)
        y, _ = activations.forward(activation, y, (), wanted)
        kept = index, y
    else:
        z = conv.forward(x, w, b, win, groups, activation)
        if pool.kind == "max":
            y, index = pools.max_forward(z, pool.win, pool.ceil_mode, wanted)
            kept = index, z
        else:
            y, kept = pools.avg_forward(z, pool.win, pool.ceil_mode, pool.count_include_pad), (z,)
    return y.reshape(len(y), math.prod(y.shape[1:])) if pool.flat else y, kept


@in_float32
def backward(
    gy: np.ndarray, kept: tuple[np.ndarray, ...], z_shape: tuple[int, ...], activation: str | None, pool: Pooling
) -> np.ndarray:
    """The gradient at the convolution's output, of z_shape."""
    gy = gy.reshape(*z_shape[:2], *pool.out(z_shape[2:])) if pool.flat else gy
    if pool.kind == "avg":
        gz = pools.avg_backward(gy, z_shape, pool.win, pool.ceil_mode, pool.count_include_pad)
        return activations.backward(activation, gz, kept[0], ()) if activation else gz
    if activation == "relu":
        gy = activations.backward(activation, gy, kept[1], ())
    gz = pools.max_backward(gy, kept[0], z_shape, pool.win)
    return activations.backward(activation, gz, kept[1], ()) if activation == "tanh" else gz
