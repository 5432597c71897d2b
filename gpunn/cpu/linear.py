"""Linear layers on NumPy's arrays: the twin of gpunn.cuda.linear."""

from __future__ import annotations

import numpy as np

from gpunn.cpu import activation as activations
from gpunn.cpu.matmul import matmul
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.sums import added

Gradients = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]


@in_float32
def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, activation: str | None) -> np.ndarray:
    """y (N, K) = activation(x (N, C) times w (K, C) transposed, plus b (K,))."""
    y = matmul(x, w.T)
    if b is not None:
        y += b
    return y if activation is None else activations.forward(activation, y, (), True)[0]


@in_float32
def backward(
    gy: np.ndarray,
    x: np.ndarray | None,
    w: np.ndarray | None,
    y: np.ndarray | None,
    activation: str | None,
    bias: bool,
) -> Gradients:
    """gx where w is given, gw where x is, gb where ``bias``; ``y`` is forward's result where it had an activation."""
    if activation is not None:
        assert y is not None
        gy = activations.backward(activation, gy, y, ())
    gx = None if w is None else matmul(gy, w)
    gw = None if x is None else matmul(gy.T, x)
    return gx, gw, added(gy, (0,), False).astype(gy.dtype, copy=False) if bias else None
