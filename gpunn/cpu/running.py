"""Running sums of float32, added up in float64, of pieces side by side: NumPy's waits for each sum before the next."""

from __future__ import annotations

import math

import numpy as np

from gpunn.cpu.layout import scratch
from gpunn.cpu.threads import parallel_for

_PIECE = 16  # numbers that are added up one after another, of all pieces at once; short rows have two pieces
_BLOCK = 1 << 16  # numbers of a task
_WIDE = 64  # places side by side from which on whole rows are added


def running_sums(x: np.ndarray, axis: int) -> np.ndarray:
    """Sums of x along the axis up to each place."""
    lead, n, trail = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    y = np.empty(x.shape, x.dtype)
    if not x.size:
        return y
    rows, made = (a.reshape(lead, n, trail) for a in (x, y))
    if trail >= _WIDE:
        parallel_for(lambda i: _by_rows(rows[i], made[i]), lead, x.size)
    elif trail == 1:
        step = max(1, _BLOCK // n)
        flat, to = rows[..., 0], made[..., 0]
        parallel_for(
            lambda i: _by_pieces(*[a[i * step : (i + 1) * step] for a in (flat, to)]), -(-lead // step), x.size
        )
    else:
        y[...] = x.cumsum(axis, dtype=np.float64)
    return y


def _by_rows(x: np.ndarray, y: np.ndarray) -> None:
    """Down the columns of a matrix."""
    total = scratch("running", x.shape[1:], np.float64)
    total[...] = -0.0  # to which even -0.0 is added without a change
    for row, to in zip(x, y, strict=True):
        total += row
        to[...] = total


def _by_pieces(x: np.ndarray, y: np.ndarray) -> None:
    """Along the rows of a matrix: inside pieces first, whose ends are then added up."""
    n = x.shape[1]
    size = _PIECE if n > 4 * _PIECE else -(-n // 2)
    count = -(-n // size)
    sums = scratch("running", (len(x), count * size), np.float64)
    sums[:, :n] = x
    sums[:, n:] = 0
    pieces = sums.reshape(len(x), count, size)
    for i in range(1, size):
        pieces[..., i] += pieces[..., i - 1]
    pieces[:, 1:] += pieces[:, :-1, -1].cumsum(1)[..., None]
    y[...] = sums[:, :n]
