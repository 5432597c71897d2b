"""Scaled dot-product attention on NumPy arrays, in blocks of heads and rows whose scores stay in the cache.

The scores are computed a second time on the way back, from each row's largest one and its sum of exponentials, so that
no L x S array lives in between (Dao et al., FlashAttention, 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gpunn.cpu import softmax
from gpunn.cpu.narrow import in_float32
from gpunn.cpu.threads import parallel_for

BLOCK = 1 << 17  # scores of a block, which stay in the L2 cache
Part = tuple[slice, slice, int]  # heads, rows, and how many keys the rows may see


@in_float32(kept=(1,))
def forward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None, causal: bool, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Forward: y = softmax(scale q k^T + mask) v, and for backward each row's peak, and 1 / sum, 0 of none."""
    (L, _), S, lead = q.shape[-2:], k.shape[-2], q.shape[:-2]
    y = _laid_as(q, v.shape[-1])
    rows_kept = np.zeros((*lead, L, 2), q.dtype)
    if not S:
        y[...] = 0
    queries, keys, values, made, kept = map(_heads, (q, k, v, y, rows_kept))
    bias = _bias(mask, (*lead, L, S))

    def task(n: int, parts: list[Part]) -> None:
        for heads, rows, seen in parts:
            scores = _scores(queries, keys, bias, causal, scale, n, heads, rows, seen)
            peak = _peaks(scores)
            scores -= peak
            np.exp(scores, out=scores)
            share = _shares(scores)
            out = made[n, heads, rows]
            np.matmul(scores, values[n, heads, :seen], out=out)
            out *= share
            kept[n, heads, rows] = np.concatenate([peak, share], axis=-1)

    _by_blocks(task, queries.shape[:2], L, S, causal)
    return y, rows_kept


@in_float32
def backward(
    gy: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None,
    causal: bool,
    scale: float,
    kept: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients gq, gk and gv, from what forward kept."""
    (L, _), S, lead = q.shape[-2:], k.shape[-2], q.shape[:-2]
    gq, gk, gv = (np.zeros_like(a) for a in (q, k, v))
    above, queries, keys, values, rows_kept = map(_heads, (gy, q, k, v, kept))
    to_q, to_k, to_v = map(_heads, (gq, gk, gv))
    bias = _bias(mask, (*lead, L, S))

    def task(n: int, parts: list[Part]) -> None:
        for heads, rows, seen in parts:
            weights = _scores(queries, keys, bias, causal, scale, n, heads, rows, seen)
            peak, share = np.split(rows_kept[n, heads, rows], 2, axis=-1)
            weights -= peak
            np.exp(weights, out=weights)  # times `share`, which the few columns of gy take instead
            given = above[n, heads, rows] * share
            to_v[n, heads, :seen] += np.matmul(weights.swapaxes(1, 2), given)
            slope = np.matmul(given, values[n, heads, :seen].swapaxes(1, 2))
            slope -= np.einsum("hls,hls->hl", weights, slope)[..., None] * share
            slope *= weights
            to_q[n, heads, rows] = np.matmul(slope, keys[n, heads, :seen]) * q.dtype.type(scale)
            to_k[n, heads, :seen] += np.matmul(slope.swapaxes(1, 2), queries[n, heads, rows] * q.dtype.type(scale))

    _by_blocks(task, queries.shape[:2], L, S, causal)
    return gq, gk, gv


def _scores(
    q: np.ndarray,
    k: np.ndarray,
    bias: np.ndarray | None,
    causal: bool,
    scale: float,
    n: int,
    heads: slice,
    rows: slice,
    seen: int,
) -> np.ndarray:
    """scale q k^T + mask of a block, -inf where nothing may be seen."""
    scores = np.matmul(q[n, heads, rows] * q.dtype.type(scale), k[n, heads, :seen].swapaxes(1, 2))
    _hide(scores, None if bias is None else bias[n, heads, rows, :seen], causal, rows.start)
    return scores


def _hide(scores: np.ndarray, bias: np.ndarray | None, causal: bool, first: int) -> None:
    """Add what a mask adds, -inf where nothing may be seen; the rows are those of the queries from `first` on."""
    if bias is not None and bias.dtype == bool:
        np.copyto(scores, -np.inf, where=~bias)
    elif bias is not None:
        scores += bias
    if causal:
        rows, seen = scores.shape[-2:]
        np.copyto(scores, -np.inf, where=np.arange(seen) > np.arange(first, first + rows)[:, None])


def weights(scores: np.ndarray, mask: np.ndarray | None, causal: bool, scale: float) -> np.ndarray:
    """softmax(scale scores + mask) of (..., L, S), 0 in a row that sees nothing."""
    y = scores * scores.dtype.type(scale)
    if not y.size:
        return y
    _hide(y, None if mask is None else np.broadcast_to(mask, y.shape), causal, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        y -= _peaks(y)
        np.exp(y, out=y)
        y *= _shares(y)
    return y


def weights_backward(gy: np.ndarray, y: np.ndarray, scale: float) -> np.ndarray:
    """The gradient of the scores, from what `weights` gave."""
    return softmax.backward(gy, y, y.ndim - 1, False) * y.dtype.type(scale)


def _peaks(scores: np.ndarray) -> np.ndarray:
    """The largest score of each row, 0 of one that sees nothing, which gives 0 then, not NaN."""
    peak = scores.max(axis=-1, keepdims=True)
    peak[np.isneginf(peak)] = 0
    return peak


def _shares(powers: np.ndarray) -> np.ndarray:
    """1 / the sum of each row, 0 of none."""
    total = powers.sum(axis=-1, keepdims=True)
    return np.where(total == 0, 0, 1 / total)


def _by_blocks(task: Callable[[int, list[Part]], None], heads: tuple[int, int], L: int, S: int, causal: bool) -> None:
    """The task of each image's heads, some of them together, row after row: sums over rows have one order."""
    if not (S and L and heads[0] and heads[1]):
        return
    rows = min(L, max(16, BLOCK // S))
    together = min(heads[1], max(1, BLOCK // (rows * S)))
    groups = -(-heads[1] // together)

    def parts(group: int) -> Iterator[Part]:
        some = slice(group * together, min((group + 1) * together, heads[1]))
        for low in range(0, L, rows):
            high = min(low + rows, L)
            yield some, slice(low, high), min(S, high) if causal else S

    parallel_for(lambda i: task(i // groups, list(parts(i % groups))), heads[0] * groups, heads[0] * heads[1] * L * S)


def _heads(a: np.ndarray) -> np.ndarray:
    """(..., L, E) as (N, H, L, E); a view of up to four axes, and of any dense memory."""
    if a.ndim <= 4:
        return a[(None,) * (4 - a.ndim)]
    return a.reshape(-1, *a.shape[-3:])


def _bias(mask: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    return None if mask is None else _heads(np.broadcast_to(mask, shape))


def _laid_as(q: np.ndarray, width: int) -> np.ndarray:
    """Memory for (..., L, width) with q's order of axes, but row-major where there are more than four."""
    shape = (*q.shape[:-1], width)
    if q.ndim > 4:
        return np.empty(shape, q.dtype)
    order = sorted(range(q.ndim - 1), key=lambda axis: -abs(q.strides[axis]))
    made = np.empty([shape[axis] for axis in order] + [width], q.dtype)
    return made.transpose([*(order.index(axis) for axis in range(q.ndim - 1)), q.ndim - 1])
