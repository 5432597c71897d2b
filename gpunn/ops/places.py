"""Indices as PyTorch's gather and scatter take them, checked, and as NumPy's."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module, asarray, device_of, to_device
from gpunn.engine.tensor import data_of


def places(name: str, a: Array, index: object, at: int, least: int = 0) -> Array:
    """An index as integers on a's device, its places inside a's dimension ``at``, as far as the host can see them."""
    i = data_of(index)
    if i.dtype.kind not in "iu":
        raise TypeError(f"{name}: index is {i.dtype}, expected integers; convert it with index.astype('int64')")
    n = a.shape[at] if a.ndim else 1
    if isinstance(i, np.ndarray) and i.size:
        low, high = int(i.min()), int(i.max())
        if low < least or high >= n:
            raise IndexError(
                f"{name}: index runs from {low} to {high}, expected {least} to {n - 1}: dimension {at} of shape "
                f"{a.shape}"
            )
    return to_device(i, device_of(a)) if type(i) is np.ndarray else i


def vector(name: str, a: Array, index: object, at: int) -> Array:
    """An index of places along one dimension, (M,); a number counts as one of 1."""
    i = places(name, a, index, at)
    if i.ndim > 1:
        raise ValueError(f"{name}: index is {i.shape}, expected a vector; flatten it")
    return i.reshape(-1)


def check_inside(name: str, a: Array, index: Array, at: int) -> None:
    """Refuses an index of another rank than a's, or longer than it along another dimension than ``at``."""
    if not index.size:
        return
    ranks = max(a.ndim, 1), max(index.ndim, 1)
    if ranks[0] != ranks[1] or any(
        [d != at and m > n for d, (m, n) in enumerate(zip(index.shape, a.shape, strict=False))]
    ):
        raise ValueError(
            f"{name}: index is {index.shape} for shape {a.shape}; expected the same rank, and no size larger than x's "
            f"except along dimension {at}"
        )


def grid(a: Array, index: Array, at: int) -> tuple[Array, ...]:
    """NumPy's index for ``index`` along one dimension, each element in its own line of the others."""
    parts = [arange(n, a).reshape([-1 if i == d else 1 for i in range(index.ndim)]) for d, n in enumerate(index.shape)]
    return (*parts[:at], index, *parts[at + 1 :])


def arange(n: int, like: Array) -> Array:
    """0 to n - 1, int64, on an array's device."""
    xp = array_module(like)
    return asarray(np.arange(n), None, device_of(like)) if xp is np else xp.arange(n)
