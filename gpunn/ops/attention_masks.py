"""Masks of attention as what they add to the scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.checks import check_same_device
from gpunn.engine.operators import Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.arithmetic import add
from gpunn.ops.joining import concatenate
from gpunn.ops.precision import rounded
from gpunn.ops.shape import reshape


def as_bias(op: str, name: str, mask: Operand, q: Array, seen: bool) -> Any:
    """What a mask adds to the scores of q, in float32 at least: of a bool one -inf where it is not `seen`, else 0."""
    a, dtype = data_of(mask), _wide(q)
    check_same_device(op, q, a, "query", name)
    if a.dtype == bool:
        return array_module(a).where(a, 0 if seen else -math.inf, -math.inf if seen else 0).astype(dtype)
    if a.dtype.kind not in "fV":
        word = "may be seen" if seen else "is left out"
        raise TypeError(f"{op}: {name} is {a.dtype}, expected bool, True where a key {word}, or floats; convert it")
    before = a.dtype
    return record(name, rounded(a, dtype), (mask,), lambda gy, needs: (rounded(gy, before),))


def _wide(q: Array) -> np.dtype:
    return np.dtype(np.float64 if q.dtype == np.float64 else np.float32)


def joined_bias(
    op: str, attn_mask: Operand | None, padding: Operand | None, q: Array, places: tuple[int, int], batched: bool
) -> Any:
    """What both masks add to the scores (N, H, L, S): one array that broadcasts to it, or None."""
    N, H, L, S = (*q.shape[:2], *places)
    mask = None if attn_mask is None else as_bias(op, "attn_mask", attn_mask, q, False)
    if mask is not None:
        shape = data_of(mask).shape
        if shape not in ((L, S), (N * H, L, S)):
            raise ValueError(f"{op}: attn_mask is {shape}, expected {(L, S)} or {(N * H, L, S)}; reshape it")
        mask = mask if shape == (L, S) else reshape(mask, (N, H, L, S))
    if padding is None:
        return mask
    pad = as_bias(op, "key_padding_mask", padding, q, False)
    shape = data_of(pad).shape
    if shape != ((N, S) if batched else (S,)):
        raise ValueError(f"{op}: key_padding_mask is {shape}, expected {(N, S) if batched else (S,)}; reshape it")
    pad = reshape(pad, (N, 1, 1, S))
    return pad if mask is None else add(mask, pad)


def with_zeros(bias: Any, more: int) -> Any:
    """A bias with columns of 0 for the keys that all rows see."""
    a = data_of(bias)
    zeros = array_module(a).zeros_like(a, shape=(*a.shape[:-1], more))
    return concatenate([bias, zeros], -1)
