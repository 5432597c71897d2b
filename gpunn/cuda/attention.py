"""Scaled dot-product attention on CUDA and emulated arrays: batched products, and softmax between them."""

from __future__ import annotations

import math

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.constants import constant
from gpunn.cuda import elementwise, softmax
from gpunn.cuda.dtypes import wide
from gpunn.cuda.matmul import matmul
from gpunn.cuda.reduce import reduced


def forward(q: Array, k: Array, v: Array, mask: Array | None, causal: bool, scale: float) -> tuple[Array, Array]:
    """Forward: y = softmax(scale q k^T + mask) v, and for backward the weights, in float32 at least."""
    dtype = q.dtype
    q, k, v = map(wide, (q, k, v))
    scores = matmul(_times(q, scale), k.swapaxes(-1, -2))
    if not scores.size:
        return array_module(q).zeros_like(q, shape=(*q.shape[:-1], v.shape[-1])).astype(dtype, copy=False), scores
    bias = _causal(scores) if causal else None if mask is None else _added(mask, scores)
    if bias is None:
        weights = softmax.forward(scores, -1 % scores.ndim, False)
    else:  # a row that sees nothing gives 0, not NaN
        xp, lowest = array_module(q), reduced("max", bias, (bias.ndim - 1,))
        alive = lowest != -math.inf
        bias = xp.where(alive, bias, 0).astype(bias.dtype, copy=False)
        weights = softmax.forward(elementwise.apply("add", scores, bias), -1 % scores.ndim, False)
        weights = weights if causal else xp.where(alive, weights, 0).astype(weights.dtype, copy=False)
    return matmul(weights, v).astype(dtype, copy=False), weights


def backward(
    gy: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    causal: bool,
    scale: float,
    kept: Array,
) -> tuple[Array, Array, Array]:
    """Gradients gq, gk and gv, from what forward kept."""
    dtype = q.dtype
    if not kept.size:
        return tuple([array_module(a).zeros_like(a) for a in (q, k, v)])  # type: ignore[return-value]
    gy, q, k, v = map(wide, (gy, q, k, v))
    gv = matmul(kept.swapaxes(-1, -2), gy)
    slopes = softmax.backward(matmul(gy, v.swapaxes(-1, -2)), kept, kept.ndim - 1, False)
    gq = _times(matmul(slopes, k), scale)
    gk = _times(matmul(slopes.swapaxes(-1, -2), q), scale)
    return gq.astype(dtype, copy=False), gk.astype(dtype, copy=False), gv.astype(dtype, copy=False)


def _times(a: Array, scale: float) -> Array:
    return elementwise.apply("multiply", a, scale)


def _added(mask: Array, scores: Array) -> Array:
    """What a mask adds to the scores: of a bool one 0 where it is true, else -inf."""
    if mask.dtype != bool:
        return mask.astype(scores.dtype, copy=False)
    return array_module(mask).where(mask, 0, -math.inf).astype(scores.dtype)


def _causal(scores: Array) -> Array:
    """(L, S): -inf for the keys behind each row's place."""
    rows, columns = (constant(np.arange(n), scores) for n in scores.shape[-2:])
    return array_module(scores).where(columns <= rows[:, None], 0, -math.inf).astype(scores.dtype)
