"""Activations: forward gives y and the one array from which the gradient is cheapest, often y rather than x."""

from __future__ import annotations

import numpy as np

from gpunn.cpu import curve_slopes, curves
from gpunn.cpu.gelu import gelu
from gpunn.cpu.narrow import in_float32
from gpunn.pointwise import reads_x

Options = tuple[float, ...]


@in_float32
def forward(name: str, x: np.ndarray, options: Options, wanted: bool) -> tuple[np.ndarray, np.ndarray]:
    """y, and what backward takes; ``wanted`` says whether there will be a backward."""
    if name in curves.NAMES:
        return curves.forward(name, x, options, wanted)
    if name in ("gelu", "gelu_tanh"):
        return gelu(x, wanted, tanh=name == "gelu_tanh")
    y = np.tanh(x)
    return y, y


@in_float32
def backward(name: str, gy: np.ndarray, kept: np.ndarray, options: Options) -> np.ndarray:
    """gx, from what forward kept."""
    if name in curves.NAMES:
        return curve_slopes.backward(name, gy, kept, options)
    if name in ("gelu", "gelu_tanh"):
        return gy * kept
    return _tanh_backward(gy, kept)


@in_float32
def slopes(name: str, gy: np.ndarray, seen: np.ndarray, options: Options) -> np.ndarray:
    """gx, from x where gpunn.pointwise.reads_x says so, else from y; in memory it lies as that one does."""
    if gy.strides != seen.strides:
        given, gy = gy, np.empty_like(seen)
        gy[...] = given
    kept = forward(name, seen, options, True)[1] if reads_x(name, options) else seen
    return backward(name, gy, kept, options)


def _tanh_backward(gy: np.ndarray, y: np.ndarray) -> np.ndarray:
    gx = y * y
    gx -= 1
    gx *= gy
    gx *= -1
    return gx
