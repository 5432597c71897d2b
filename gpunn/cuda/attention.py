"""Scaled dot-product attention on CUDA and emulated arrays: batched products, and softmax between them."""

from __future__ import annotations

from gpunn.backend import Array, array_module
from gpunn.cuda import elementwise, masked_softmax, softmax
from gpunn.cuda.dtypes import wide
from gpunn.cuda.matmul import matmul


def forward(q: Array, k: Array, v: Array, mask: Array | None, causal: bool, scale: float) -> tuple[Array, Array]:
    """Forward: y = softmax(scale q k^T + mask) v, and for backward the weights, in float32 at least."""
    dtype = q.dtype
    q, k, v = map(wide, (q, k, v))
    scores = matmul(q, k.swapaxes(-1, -2))
    if not scores.size:
        return array_module(q).zeros_like(q, shape=(*q.shape[:-1], v.shape[-1])).astype(dtype, copy=False), scores
    shares = weights(scores, mask, causal, scale)
    return matmul(shares, v).astype(dtype, copy=False), shares


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
    above = matmul(elementwise.apply("multiply", gy, scale), v.swapaxes(-1, -2))
    slopes = softmax.backward(above, kept, kept.ndim - 1, False)
    gq, gk = matmul(slopes, k), matmul(slopes.swapaxes(-1, -2), q)
    return gq.astype(dtype, copy=False), gk.astype(dtype, copy=False), gv.astype(dtype, copy=False)


def weights(scores: Array, mask: Array | None, causal: bool, scale: float) -> Array:
    """softmax(scale scores + mask) of (..., L, S), 0 in a row that sees nothing."""
    return masked_softmax.forward(scores, mask, causal, scale)


def weights_backward(gy: Array, y: Array, scale: float) -> Array:
    """The gradient of the scores, from what `weights` gave."""
    return elementwise.apply("multiply", softmax.backward(gy, y, y.ndim - 1, False), scale)
