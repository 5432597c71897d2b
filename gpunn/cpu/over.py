"""The walk over arrays in blocks that stay in the cache, shared by threads, and the blocks' own memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from gpunn.cpu.layout import scratch
from gpunn.cpu.threads import parallel_for

BLOCK = 1 << 15  # elements: of float32 five arrays are 640 KB, and a call of NumPy's costs a fifth of its work
ROW = 1 << 12  # numbers of a part's row, as of half the channels: shorter ones are copied first


def over(task: Callable[..., None], x: np.ndarray, *others: np.ndarray, count: int = 1) -> tuple[np.ndarray, ...]:
    """`count` new arrays that lie in memory as x does: the task's, of blocks of x, of the others and of these."""
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    given = [a.transpose(axes) for a in (x, *others)]
    made = [np.empty(given[0].shape, x.dtype) for _ in range(count)]
    row = min([_row(a) for a in given])
    if row < ROW:
        given, row = [np.ascontiguousarray(a) for a in given], max(1, x.size)
    rows = [a.reshape(-1, row) for a in (*given, *made)]
    blocks = -(-row // BLOCK)

    def block(i: int) -> None:
        n, low = i // blocks, i % blocks * BLOCK
        task(*[a[n, low : low + BLOCK] for a in rows])

    parallel_for(block, x.size // row * blocks, 8 * x.size)
    back = np.argsort(axes)
    return tuple([a.transpose(back) for a in made])


def _row(a: np.ndarray) -> int:
    """How many numbers lie one behind another: all, or those of a part's row."""
    count = 1
    for size, stride in zip(reversed(a.shape), reversed(a.strides), strict=True):
        if size != 1 and stride != count * a.itemsize:
            break
        count *= size
    return count


def like(a: np.ndarray, name: str) -> np.ndarray:
    """Memory of a block's own."""
    return scratch(f"curve {name}", a.shape, a.dtype)


def zeros(a: np.ndarray) -> np.ndarray:
    """As many zeros as a block has numbers: NumPy's maximum of an array and a number takes four times as long."""
    return filled(a, 0.0)


def held(a: np.ndarray, low: float, high: float, out: np.ndarray) -> np.ndarray:
    """A block's numbers between two others, NaN kept: NumPy's clip, whose checks take as long as its work."""
    np.maximum(a, filled(a, low), out=out)
    return np.minimum(out, filled(a, high), out=out)


def filled(a: np.ndarray, number: float) -> np.ndarray:
    """A number as often as a block has numbers."""
    return _filled(a.dtype, number)[: a.size]


@lru_cache(8)
def _filled(dtype: np.dtype, number: float) -> np.ndarray:
    y = np.full(BLOCK, number, dtype)
    y.flags.writeable = False
    return y


def pick(values: np.ndarray, mask: np.ndarray, out: np.ndarray) -> None:
    """A block's values where mask, else exactly 0, into other memory: select, in half its time."""
    kind = np.dtype(f"i{values.dtype.itemsize}")
    bits = out.view(kind)
    bits[...] = mask.view(np.int8)
    np.multiply(bits, values.view(kind), out=bits)


def ones(mask: np.ndarray, like_it: np.ndarray, name: str) -> np.ndarray:
    """1 where mask, else 0, as numbers of a block's type, in its own memory."""
    y = like(like_it, name)
    y[...] = mask
    return y
