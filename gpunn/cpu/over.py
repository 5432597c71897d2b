"""The walk over arrays in blocks that stay in the cache, shared by threads, and the blocks' own memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from gpunn.cpu.layout import scratch
from gpunn.cpu.threads import parallel_for

BLOCK = 1 << 16  # elements: of float32 two arrays are 512 KB, and a call of NumPy's costs a tenth of its work
ROW = 1 << 12  # numbers of a part's row, as of half the channels: shorter ones are copied first


def over(task: Callable[..., None], x: np.ndarray, *others: np.ndarray, count: int = 1) -> tuple[np.ndarray, ...]:
    """`count` new arrays that lie in memory as x does: the task's, of blocks of x, of the others and of these."""
    made = tuple([np.empty_like(x) for _ in range(count)])
    over_into(task, (x, *others), made)
    return made


def over_into(task: Callable[..., None], given: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> None:
    """The same into memory that there is, of the given arrays' shape."""
    x = given[0]
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    given, to = ([a.transpose(axes) for a in some] for some in (given, made))
    row = min([_row(a) for a in (*given, *to)])
    if row < ROW:
        given, row = [np.ascontiguousarray(a) for a in given], max(1, x.size)
    rows = [a.reshape(-1, row) for a in (*given, *to)]
    blocks = -(-row // BLOCK)

    def block(i: int) -> None:
        n, low = i // blocks, i % blocks * BLOCK
        task(*[a[n, low : low + BLOCK] for a in rows])

    parallel_for(block, x.size // row * blocks, 8 * x.size)
    for a, found in zip(to, rows[len(given) :], strict=True):
        if not np.may_share_memory(a, found):  # no view of it has rows of this length
            a[...] = found.reshape(a.shape)


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
    """A block's numbers between two others, NaN kept, in one pass where maximum and minimum are two."""
    return a.clip(low, high, out=out)


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


def pick_beyond(values: np.ndarray, a: np.ndarray, width: float, out: np.ndarray) -> None:
    """The same where |a| > width or a is NaN: without the sign, bits as integers are in the order of their numbers."""
    kind = np.dtype(f"i{a.dtype.itemsize}")
    least = np.asarray(abs(width), a.dtype).view(kind) if width >= 0 else -1
    bits = np.abs(a, out=out).view(kind)
    np.subtract(least, bits, out=bits)
    bits >>= 8 * kind.itemsize - 1  # all ones where that is below 0
    bits &= values.view(kind)


def ones(mask: np.ndarray, like_it: np.ndarray, name: str) -> np.ndarray:
    """1 where mask, else 0, as numbers of a block's type, in its own memory."""
    y = like(like_it, name)
    y[...] = mask
    return y
