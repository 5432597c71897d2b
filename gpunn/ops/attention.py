"""Scaled dot-product attention: softmax(scale q k^T + mask) v (Vaswani et al., Attention Is All You Need, 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, check_same_device, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.arithmetic import add, matmul, mul
from gpunn.ops.attention_masks import as_bias
from gpunn.ops.comparison import where
from gpunn.ops.dropout import dropout
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast, narrowed
from gpunn.ops.shape import broadcast_to, reshape, transpose, unsqueeze
from gpunn.ops.softmax import softmax
from gpunn.scalars import as_number, as_probability


@with_out
def scaled_dot_product_attention(
    query: A,
    key: A,
    value: A,
    attn_mask: Operand | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """softmax(scale query key^T + mask) value: query (..., L, E), key (..., S, E), value (..., S, Ev); (..., L, Ev).

    A row that may see no key gives zeros, as PyTorch's. On `cpu` the scores are computed in blocks, forward and back,
    and no L x S array is kept; with dropout, or a mask that asks for its gradient, and on a GPU they are.

    Args:
        attn_mask: broadcast to (..., L, S); bool, True where a key may be seen, or floating point, added to the scores.
        dropout_p: the probability with which a weight is dropped; always heeded, so pass 0.0 in evaluation.
        is_causal: row i sees the keys 0 to i; without attn_mask.
        scale: 1 / sqrt(E) where it is None.
        enable_gqa: key and value may have fewer heads, a divisor of query's, which then share them (Ainslie, 2023).

    Raises:
        ValueError: shapes that do not fit, a mask beside is_causal, a probability outside 0 to 1.
        TypeError: dtypes that differ, a mask of integers.

    >>> x = np.eye(2)
    >>> ops.scaled_dot_product_attention(x, x, x, is_causal=True).round(3)
    array([[1.  , 0.  ],
           [0.33, 0.67]])
    """
    op = "scaled_dot_product_attention"
    dropout_p = as_probability(op, dropout_p, "a weight", "dropout_p")
    if asked():
        query, key, value = narrowed(query, key, value)
    query, key, value = _fitted(op, query, key, value, enable_gqa)
    q, k, v = arrays(op, query=query, key=key, value=value)
    scale = (1 / math.sqrt(q.shape[-1] or 1)) if scale is None else as_number(op, "scale", scale)
    mask = None if attn_mask is None else _checked_mask(op, attn_mask, q, k, is_causal)
    if attn_mask is not None and wants_grad(attn_mask):
        bias = as_bias(op, "attn_mask", attn_mask, q, True)
        return cast(attended(query, key, value, bias, scale, dropout_p)[0], q.dtype)
    if dropout_p:
        query, key, value = in_float32(query, key, value)
        weights = dropout(_weights(matmul(query, transpose(key, -1, -2)), mask, bool(is_causal), scale), dropout_p)
        return cast(matmul(weights, value), q.dtype)
    twin = twins(q).attention
    y, kept = twin.forward(q, k, v, mask, bool(is_causal), scale)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return twin.backward(gy, q, k, v, mask, bool(is_causal), scale, kept)

    return record(op, y, (query, key, value), backward, owned=True)


def _weights(scores: A, mask: Array | None, causal: bool, scale: float) -> A:
    """softmax(scale scores + mask), 0 in a row that sees nothing."""
    a = data_of(scores)
    twin = twins(a).attention
    y = twin.weights(a, mask, causal, scale)
    return record("softmax", y, (scores,), lambda gy, needs: (twin.weights_backward(gy, y, scale),), owned=True)


def _fitted(op: str, query: A, key: A, value: A, enable_gqa: bool) -> tuple[A, A, A]:
    """All three with the same leading axes."""
    q, k, v = (data_of(x) for x in (query, key, value))
    shapes = f"query {q.shape}, key {k.shape}, value {v.shape}"
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ValueError(f"{op}: expected at least 2 dimensions each, (..., L, E), but got {shapes}; reshape them")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"{op}: expected query (..., L, E), key (..., S, E) and value (..., S, Ev), but got {shapes}; "
            "make E equal for query and key, and S for key and value"
        )
    if enable_gqa and min(q.ndim, k.ndim, v.ndim) > 2:
        key, value = (_shared(op, x, data_of(x).shape, q.shape[-3], shapes) for x in (key, value))
        k, v = data_of(key), data_of(value)
    try:
        lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise ValueError(
            f"{op}: the leading sizes do not broadcast ({shapes}), expected equal ones, or 1; reshape them, or pass "
            "enable_gqa=True where heads share keys"
        ) from None
    return _spread(query, lead), _spread(key, lead), _spread(value, lead)


def _spread(x: A, lead: Shape) -> A:
    shape = data_of(x).shape
    return x if shape[:-2] == lead else broadcast_to(x, (*lead, *shape[-2:]))


def _shared(op: str, x: A, shape: Shape, heads: int, shapes: str) -> A:
    """Keys or values with each head as often as query's heads take it."""
    own = shape[-3]
    if own == heads:
        return x
    if not own or heads % own:
        raise ValueError(f"{op}: with enable_gqa {heads} heads of query share {own}, expected a divisor ({shapes})")
    wide = broadcast_to(unsqueeze(x, -3), (*shape[:-2], heads // own, *shape[-2:]))
    return reshape(wide, (*shape[:-3], heads, *shape[-2:]))


def _checked_mask(op: str, attn_mask: Operand, q: Array, k: Array, is_causal: bool) -> Array:
    mask, shape = data_of(attn_mask), (*q.shape[:-1], k.shape[-2])
    if is_causal:
        raise ValueError(f"{op}: attn_mask {mask.shape} and is_causal are both given, expected one; leave one out")
    check_same_device(op, q, mask, "query", "attn_mask")
    if mask.dtype.kind not in "bfV":
        raise TypeError(
            f"{op}: attn_mask is {mask.dtype}, expected bool, True where a key may be seen, or floating point, "
            "which is added to the scores; convert it"
        )
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{op}: attn_mask is {mask.shape}, expected what broadcasts to (..., L, S) {shape}; reshape it"
        )
    return mask


def in_float32(*inputs: A) -> tuple[A, ...]:
    """All of them, those of 16 bits in float32."""
    return tuple([cast(x, np.dtype(np.float32)) if data_of(x).dtype.itemsize == 2 else x for x in inputs])


def attended(
    query: A, key: A, value: A, bias: Any, scale: float, dropout_p: float, safe: bool = True
) -> tuple[Any, Any]:
    """The result and the weights (..., L, S), which are kept for the way back; of 16 bits both in float32.

    A row that sees nothing gives 0 where it is `safe`, else NaN.
    """
    query, key, value = in_float32(query, key, value)
    scores, alive = matmul(mul(query, scale), transpose(key, -1, -2)), None
    if bias is not None:
        a = data_of(bias)
        if safe and a.shape[-1]:
            alive = a.max(axis=-1, keepdims=True) != -math.inf
            bias = where(alive, bias, 0.0)
        scores = add(scores, bias)
    weights = softmax(scores, -1)
    weights = weights if alive is None else where(alive, weights, 0.0)
    weights = dropout(weights, dropout_p) if dropout_p else weights
    return matmul(weights, value), weights
