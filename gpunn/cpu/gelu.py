"""GELU and its slope in blocks that stay in the cache, shared by threads."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.layout import scratch
from gpunn.cpu.normal_cdf import ABOVE, BELOW, normal_cdf
from gpunn.cpu.threads import parallel_for

_BLOCK = 1 << 16  # elements: a call costs 0.7 us, and there are thirty
_FAR = 14.5  # exp(-u^2 / 2) is 0 in float32
_STEEP = 1e38  # times this, every positive number that matters is past 1


def gelu(x: np.ndarray, wanted: bool, tanh: bool) -> tuple[np.ndarray, np.ndarray]:
    """x F(x) and, where wanted, its slope, else anything; F is the normal distribution, or by `tanh` its likeness."""
    if x.dtype.itemsize == 2:
        y, slope = gelu(x.astype(np.float32), wanted, tanh)
        return y.astype(x.dtype), slope.astype(x.dtype)
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])  # as x lies in memory
    if not x.transpose(axes).flags.c_contiguous:
        x, axes = np.ascontiguousarray(x), range(x.ndim)
    y = np.empty_like(x)
    slope = np.empty_like(x) if wanted else y
    arrays = [a.transpose(axes).reshape(-1) for a in (x, y, slope)]
    limits = [np.full(min(_BLOCK, x.size), limit, x.dtype) for limit in (0, 1, _FAR)]

    def task(i: int) -> None:
        a, y, slope = (array[i * _BLOCK : (i + 1) * _BLOCK] for array in arrays)
        if tanh or x.dtype != np.float32:
            half, density = (_tanh_cdf if tanh else normal_cdf)(a)
            np.multiply(a, half, out=y)
            if wanted:  # (x F(x))' = F(x) + x F'(x)
                density *= a
                np.add(density, half, out=slope)
        else:
            _single(a, y, slope if wanted else None, *(limit[: len(a)] for limit in limits))

    parallel_for(task, -(-x.size // _BLOCK), 16 * x.size)
    return y, slope


def _single(
    a: np.ndarray, y: np.ndarray, slope: np.ndarray | None, zeros: np.ndarray, ones: np.ndarray, far: np.ndarray
) -> None:
    """float32: y = max(a, 0) - |a| tail; the slope is q = tail - |a| density left of 0, and 1 - q right of it."""
    u, tail, power, other = (scratch(f"gelu {i}", a.shape, a.dtype) for i in range(4))
    np.minimum(np.abs(a, out=u), far, out=u)
    _horner(np.add(u, ABOVE[0], out=tail), u, ABOVE[1:])
    _horner(np.add(np.multiply(u, BELOW[0], out=other), BELOW[1], out=other), u, BELOW[2:])
    tail /= other
    np.multiply(u, u, out=power)
    power *= -0.5
    np.exp(power, out=power)
    tail *= power
    np.maximum(a, zeros, out=y)
    if slope is not None:
        np.multiply(y, _STEEP, out=slope)
        np.minimum(slope, ones, out=slope)  # 1 right of 0, else 0
        power *= 1 / math.sqrt(2 * math.pi)
        power *= u
        np.subtract(tail, power, out=power)
        np.multiply(power, -2, out=other)
        other += 1
        slope *= other
        slope += power
    tail *= u
    y -= tail
    infinite = np.isinf(a)
    if infinite.any():  # infinity times 0, as in float64 and in the kernels: u is held, and would hide it
        y[np.isneginf(a)] = np.nan
        if slope is not None:
            slope[infinite] = np.nan


def _horner(y: np.ndarray, u: np.ndarray, coefficients: tuple[float, ...]) -> None:
    for c in coefficients:
        y *= u
        y += c


def _tanh_cdf(b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1 + tanh(u)) / 2 with u = sqrt(2 / pi) (b + 0.044715 b^3), and its slope."""
    rate, cubic = math.sqrt(2 / math.pi), 0.044715
    b = np.clip(b, -40, 40)  # the tanh is +-1 from 6 on, and cubes would overflow
    squared = b * b
    u = squared * (rate * cubic)
    u += rate
    u *= b
    t = np.tanh(u, out=u)
    slope = 1 - t * t
    squared *= 1.5 * rate * cubic
    squared += 0.5 * rate
    slope *= squared
    t += 1
    t *= 0.5
    return t, slope
