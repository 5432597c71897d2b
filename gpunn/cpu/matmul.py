"""Matrix products cut over our own threads, with one BLAS thread each.

A BLAS that shares out a product itself leaves its helper thread spinning for the next one (25 ms in OpenBLAS), on the
core that the rest of the step wants: on a busy machine LeNet-5 took five times the processor time that way.
"""

from __future__ import annotations

import numpy as np

from gpunn.cpu.blas import blas
from gpunn.cpu.narrow import cast, operands
from gpunn.cpu.threads import parallel_for

_PIECE = 1 << 22  # multiply-adds that are worth a task: about 0.1 ms
_MOST = 8
_GRAIN = 64  # cuts lie at multiples of this, so that no piece has a ragged edge but the last


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``numpy.matmul(a, b)``, the same to the last bit for any number of threads: the cuts depend on shapes alone.

    16-bit floats are added in float32, in which NumPy would add float16 in 16 bits and leave bfloat16.
    """
    if a.dtype == b.dtype and a.dtype.itemsize == 2 and a.dtype.kind in "fV":
        return cast(np.asarray(matmul(a.astype(np.float32), b.astype(np.float32))), a.dtype)
    if a.dtype == b.dtype:
        a, b = operands(a, b)
    if a.ndim != 2 or b.ndim != 2:
        return _in_one(a, b)
    rows, columns = a.shape[0], b.shape[1]
    pieces = min(_MOST, rows * columns * a.shape[1] // _PIECE)
    if pieces < 2:
        return _in_one(a, b)
    y = np.empty((rows, columns), np.result_type(a, b))
    longest = max(rows, columns)
    step = -(-longest // pieces // _GRAIN) * _GRAIN

    def task(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        if rows == longest:
            np.matmul(a[part], b, out=y[part])
        else:
            np.matmul(a, b[:, part], out=y[:, part])

    parallel_for(task, -(-longest // step))
    return y


def _in_one(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return blas.single(np.matmul, a, b)
