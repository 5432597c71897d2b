"""A convolution, its activation and its pooling on NumPy arrays: one after another, each as if it were alone."""

from __future__ import annotations

import numpy as np

from gpunn.cpu import activation as activations
from gpunn.cpu import conv
from gpunn.cpu import pool as pools
from gpunn.window import Pooling, Window


def forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    win: Window,
    groups: int,
    activation: str | None,
    pool: Pooling | None,
    wanted: bool,
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The result, and what backward takes: the index of a maximum, then what the activation keeps."""
    z = conv.forward(x, w, b, win, groups)
    if pool is not None and pool.kind == "max":
        if activation == "tanh":
            z, _ = activations.forward(activation, z, (), wanted)
        y, index = pools.max_forward(z, pool.win, pool.ceil_mode)
        if activation != "relu":
            return y, (index, z)
        # ReLU and the maximum commute, to the last bit of the gradient too: the pooled plane is the smaller one.
        y, kept = activations.forward(activation, y, (), wanted)
        return y, (index, kept)
    if activation is not None:
        z, _ = activations.forward(activation, z, (), wanted)
    return z if pool is None else pools.avg_forward(z, pool.win, pool.ceil_mode, pool.count_include_pad), (z,)


def backward(
    gy: np.ndarray,
    kept: tuple[np.ndarray, ...],
    z_shape: tuple[int, ...],
    activation: str | None,
    pool: Pooling | None,
) -> np.ndarray:
    """The gradient at the convolution's output, of z_shape."""
    if pool is not None and pool.kind == "max":
        if activation == "relu":
            gy = activations.backward(activation, gy, kept[1], ())
        gz = pools.max_backward(gy, kept[0], z_shape, pool.win)
        return activations.backward(activation, gz, kept[1], ()) if activation == "tanh" else gz
    if pool is not None:
        gy = pools.avg_backward(gy, z_shape, pool.win, pool.ceil_mode, pool.count_include_pad)
    return gy if activation is None else activations.backward(activation, gy, kept[0], ())
