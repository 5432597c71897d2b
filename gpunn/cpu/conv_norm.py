"""A 2-d convolution and batch normalisation in training on NumPy arrays, one after the other."""

from __future__ import annotations

import numpy as np

from gpunn.cpu import batch_norm, conv
from gpunn.window import Window


def train_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, win: Window, groups: int, gamma: np.ndarray | None,
    beta: np.ndarray | None, eps: float, residual: np.ndarray | None = None, relu: bool = False,
    running: tuple[np.ndarray | None, np.ndarray | None, float | None, np.ndarray | None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:  # fmt: skip
    """y, z, mean and rstd: z = conv(x), y = relu?(gamma (z - mean) rstd + beta + residual?), as batch_norm has it.

    And what its train_backward is to be told of ReLU.
    """
    z = conv.forward(x, w, b, win, groups)
    y, mean, rstd, passed = batch_norm.train_forward(z, gamma, beta, eps, residual, relu, running)
    return y, z, mean, rstd, passed


def grad_input(
    gy: np.ndarray, w: np.ndarray, x_shape: tuple[int, ...], win: Window, groups: int, z: np.ndarray, mean: np.ndarray,
    rstd: np.ndarray, y: np.ndarray | None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:  # fmt: skip
    """The convolution's gx, and no sums: they cost a pass of their own here, as they do in train_backward."""
    return conv.grad_input(gy, w, x_shape, win, groups), None


def train_backward(
    gy: np.ndarray, z: np.ndarray, gamma: np.ndarray | None, mean: np.ndarray, rstd: np.ndarray,
    passed: np.ndarray | None = None, residual: bool = True, sums: tuple[np.ndarray, ...] | None = None,
    relu: bool = False, beta: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:  # fmt: skip
    """The normalisation's gz, ggamma, gbeta and the masked gy; there are no sums."""
    return batch_norm.train_backward(gy, z, gamma, mean, rstd, passed, residual, relu, beta)
