"""Multi-head attention as one function: projections, masks, scaled_dot_product_attention, and the last projection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gpunn.backend import Array, array_module
from gpunn.checks import as_count
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import data_of
from gpunn.ops.attention import attended, scaled_dot_product_attention
from gpunn.ops.attention_masks import joined_bias, with_zeros
from gpunn.ops.joining import concatenate
from gpunn.ops.linear import linear
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast
from gpunn.ops.reduce import mean
from gpunn.ops.shape import broadcast_to, permute, reshape, squeeze, unsqueeze
from gpunn.ops.splitting import split
from gpunn.scalars import as_probability

OP = "multi_head_attention_forward"


class Sizes(NamedTuple):
    """Of one call: batch, heads, width of a head, and where batch and place stand in query, key and value."""

    N: int
    H: int
    E: int
    batch_first: bool


@with_out
def multi_head_attention_forward(
    query: A,
    key: A,
    value: A,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: A | None,
    in_proj_bias: A | None,
    bias_k: A | None,
    bias_v: A | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: A,
    out_proj_bias: A | None,
    training: bool = True,
    key_padding_mask: Operand | None = None,
    need_weights: bool = True,
    attn_mask: Operand | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: A | None = None,
    k_proj_weight: A | None = None,
    v_proj_weight: A | None = None,
    static_k: A | None = None,
    static_v: A | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
    out: tuple[Array | None, ...] | None = None,
) -> tuple[A, A | None]:
    """What nn.MultiheadAttention calls: query (L, N, E), key (S, N, Ek), value (S, N, Ev), all with no N, or N first.

    Gives the result like query, and the weights (N, L, S), over heads where not averaged (N, H, L, S), or None.

    Args:
        in_proj_weight: (3 E, E), or None with use_separate_proj_weight, whose three are (E, E), (E, Ek) and (E, Ev).
        bias_k, bias_v: (1, 1, E), one more key and value for all; add_zero_attn: one more of zeros.
        key_padding_mask: (N, S); bool, True where a key is left out, or floating point, added to the scores.
        attn_mask: (L, S) or (N H, L, S), likewise.
        is_causal: that attn_mask is causal, which is needed beside it.
        static_k, static_v: (N H, S, E / H) instead of the projected ones.

    Raises:
        ValueError: shapes that do not fit, an embed_dim that num_heads does not divide. TypeError: dtypes.

    >>> x, w = np.eye(2)[:, None], np.concatenate([np.eye(2)] * 3)
    >>> y, weights = ops.multi_head_attention_forward(
    ...     x, x, x, 2, 1, w, None, None, None, False, 0.0, np.eye(2), None)
    >>> weights.round(2)
    array([[[0.67, 0.33],
            [0.33, 0.67]]])
    """
    dropout_p = as_probability(OP, dropout_p, "a weight", "dropout_p") if training else 0.0
    query, key, value, batched, sizes = _checked(query, key, value, embed_dim_to_check, num_heads, batch_first)
    if is_causal and attn_mask is None:
        raise ValueError(f"{OP}: is_causal is True and attn_mask None, expected the mask that it speaks of; pass it")
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = _separate(query, key, value, weights, in_proj_bias)
    else:
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    q, k, v = (_in_heads(x, sizes) for x in (q, k, v))
    k, v = (_static(name, x, given, sizes) for name, x, given in (("static_k", k, static_k), ("static_v", v, static_v)))
    length, seen = data_of(q).shape[2], data_of(k).shape[2]
    bias = joined_bias(OP, attn_mask, key_padding_mask, data_of(q), (length, seen), batched)
    k, v, more = _longer(k, v, bias_k, bias_v, add_zero_attn, sizes)
    bias = bias if bias is None or not more else with_zeros(bias, more)
    scale = 1 / math.sqrt(sizes.E)
    if need_weights:
        y, shares = attended(q, k, v, bias, scale, dropout_p, safe=False)
        y, shares = cast(y, data_of(q).dtype), cast(shares, data_of(q).dtype)
    else:
        y, shares = scaled_dot_product_attention(q, k, v, bias, dropout_p, scale=scale), None
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    joined = permute(y, order)
    y = linear(reshape(joined, (*data_of(joined).shape[:2], sizes.H * sizes.E)), out_proj_weight, out_proj_bias)
    if shares is not None and average_attn_weights:
        shares = mean(shares, 1)
    if not batched:
        y, shares = squeeze(y, 0 if batch_first else 1), None if shares is None else squeeze(shares, 0)
    return y, shares


def _checked(
    query: A, key: A, value: A, embed_dim: int, num_heads: int, batch_first: bool
) -> tuple[A, A, A, bool, Sizes]:
    """All three with a batch, and whether they had one."""
    q, k, v = (data_of(x) for x in (query, key, value))
    shapes = f"query {q.shape}, key {k.shape}, value {v.shape}"
    if q.ndim not in (2, 3) or k.ndim != q.ndim or v.ndim != q.ndim:
        raise ValueError(f"{OP}: expected 3 dimensions each, or 2 without a batch, but got {shapes}; reshape them")
    heads = as_count(OP, "num_heads", num_heads)
    if q.shape[-1] != embed_dim or embed_dim % heads:
        raise ValueError(
            f"{OP}: embed_dim is {embed_dim}, expected query's last size and a multiple of num_heads={heads} ({shapes})"
        )
    batched, at = q.ndim == 3, 0 if batch_first else 1
    if not batched:
        same = key is query, value is key
        query, unbatched = unsqueeze(query, at), (key, value)
        key = query if same[0] else unsqueeze(unbatched[0], at)
        value = key if same[1] else unsqueeze(unbatched[1], at)
        q, k, v = (data_of(x) for x in (query, key, value))
    if not q.shape[at] == k.shape[at] == v.shape[at] or k.shape[1 - at] != v.shape[1 - at]:
        raise ValueError(f"{OP}: expected one batch size, and as many keys as values, but got {shapes}; reshape them")
    return query, key, value, batched, Sizes(q.shape[at], heads, embed_dim // heads, batch_first)


def _projected(query: A, key: A, value: A, weight: A | None, bias: A | None) -> Sequence[A]:
    """q, k and v by one weight (3 E, E): one product of what is one array."""
    E = data_of(query).shape[-1]
    if weight is None or data_of(weight).shape != (3 * E, E):
        got = "None" if weight is None else data_of(weight).shape
        raise ValueError(f"{OP}: in_proj_weight is {got}, expected {(3 * E, E)}, or use_separate_proj_weight=True")
    if query is key is value:
        return split(linear(query, weight, bias), E, -1)
    weights, biases = split(weight, E, 0), [None] * 3 if bias is None else split(bias, E, 0)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


def _separate(query: A, key: A, value: A, weights: tuple[A | None, ...], bias: A | None) -> Sequence[A]:
    """q, k and v each by a weight of its own."""
    E = data_of(query).shape[-1]
    for name, w in zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), weights, strict=True):
        if w is None:
            raise ValueError(
                f"{OP}: {name} is None, expected a weight, since use_separate_proj_weight is True; pass it"
            )
    biases = [None] * 3 if bias is None else split(bias, E, 0)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]  # type: ignore[arg-type]


def _in_heads(x: A, sizes: Sizes) -> A:
    """(L, N, H E) as (N, H, L, E), a view."""
    shape = data_of(x).shape
    order = (0, 2, 1, 3) if sizes.batch_first else (1, 2, 0, 3)
    return permute(reshape(x, (*shape[:2], sizes.H, sizes.E)), order)


def _static(name: str, x: A, given: A | None, sizes: Sizes) -> A:
    """What is given (N H, S, E) instead of projected keys or values."""
    if given is None:
        return x
    shape = data_of(given).shape
    if len(shape) != 3 or shape[0] != sizes.N * sizes.H or shape[2] != sizes.E:
        raise ValueError(f"{OP}: {name} is {shape}, expected ({sizes.N * sizes.H}, S, {sizes.E}); reshape it")
    return reshape(given, (sizes.N, sizes.H, *shape[1:]))


def _longer(k: A, v: A, bias_k: A | None, bias_v: A | None, add_zero_attn: bool, sizes: Sizes) -> tuple[A, A, int]:
    """Keys and values with those that all rows see besides, and how many these are."""
    if (bias_k is None) != (bias_v is None):
        raise ValueError(f"{OP}: one of bias_k and bias_v is None, expected both or neither; pass the other")
    more: list[tuple[A, A]] = []
    N, H, E, _ = sizes
    if bias_k is not None and bias_v is not None:
        for name, b in (("bias_k", bias_k), ("bias_v", bias_v)):
            if data_of(b).size != H * E:
                raise ValueError(f"{OP}: {name} is {data_of(b).shape}, expected {(1, 1, H * E)}; pass that")
        wide = [broadcast_to(reshape(b, (1, H, 1, E)), (N, H, 1, E)) for b in (bias_k, bias_v)]
        more.append((wide[0], wide[1]))
    if add_zero_attn:
        none = array_module(data_of(k)).zeros_like(data_of(k), shape=(N, H, 1, E))
        more.append((none, none))  # type: ignore[arg-type]
    if not more:
        return k, v, 0
    return concatenate([k, *[a for a, _ in more]], 2), concatenate([v, *[b for _, b in more]], 2), len(more)
