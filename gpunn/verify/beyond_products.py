"""Matrix products and linear layers past 2^31 elements: of an operand, of the result, and of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gpunn.backend import Array
from gpunn.verify.space import Beyond, Space, exact, numbers

ROWS, WIDE, KEPT = 2**20 + 3, 2056, 8  # rows of which those kept alone are not zeros
LONG = 2**24 - 8  # the longest rows that tiles take


def products(space: Space) -> Iterator[Beyond]:
    """Each with the last rows or columns of what is large."""
    last, few = numbers("a", KEPT, WIDE), numbers("b", WIDE, KEPT)
    yield _matmul(space, "rows of a", lambda: _ends(space, ROWS, last), few, exact(_of(last, few)))

    tall, narrow = numbers("tall", 130, KEPT), numbers("narrow", 130, KEPT)

    def across() -> Array:
        made = space.zeros(130, LONG)
        made[:, -KEPT:] = space.give(tall)
        return made.T

    yield _matmul(space, "a transposed", across, narrow, exact(_of(tall.T, narrow)))

    def result() -> tuple:
        a, b = _ends(space, ROWS, last[:, :KEPT]), space.give(few.T.copy())
        return (space.twins.matmul.matmul(a, b)[-1:, -KEPT:],)

    end = _of(last[-1:, :KEPT], few.T)[:, -KEPT:]
    yield Beyond("matmul.product", "result", 7, 2, result, lambda: exact(end))

    more = numbers("more", 32, 40)

    def batch() -> tuple:
        a = space.zeros(2**21 + 1, 32, 32)
        a[-1, -KEPT:] = space.give(last[:, :32])
        return (space.twins.matmul.matmul(a, space.give(more))[-1, -1:, -KEPT:],)

    yield Beyond("matmul.product", "batch", 10, 2, batch, lambda: exact(_of(last[-1:, :32], more)[:, -KEPT:]))
    yield from _linears(space, last, few)


def _linears(space: Space, last: np.ndarray, few: np.ndarray) -> Iterator[Beyond]:
    bias = numbers("bias", KEPT)

    def forward() -> tuple:
        x, w, b = _ends(space, ROWS, last), space.give(few.T.copy()), space.give(bias)
        return (space.twins.linear.forward(x, w, b, "relu")[-KEPT:],)

    def backward() -> tuple:
        gy, y, w = _ends(space, ROWS, last), _ends(space, ROWS, abs(last)), space.give(few)
        gx, *_ = space.twins.linear.backward(gy, None, w, y, "relu", False)
        assert gx is not None
        return (gx[-KEPT:],)

    yield Beyond("linear.forward", "x", 5, 2, forward, lambda: exact(np.maximum(_of(last, few) + bias, 0)))
    yield Beyond("linear.backward", "gy and y", 9, 2, backward, lambda: exact(_of(last, few)))


def _matmul(space: Space, name: str, a: Callable[[], Array], b: np.ndarray, want: tuple) -> Beyond:
    def run() -> tuple:
        return (space.twins.matmul.matmul(a(), space.give(b))[-KEPT:],)

    return Beyond("matmul.product", name, 5, 2, run, lambda: want)


def _ends(space: Space, rows: int, last: np.ndarray) -> Array:
    """(rows, columns) of which `last` are the last rows."""
    made = space.zeros(rows, last.shape[1])
    made[-len(last) :] = space.give(last)
    return made


def _of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.astype(np.float64) @ b.astype(np.float64)
