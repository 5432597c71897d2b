"""Matrix products."""

import numpy as np

from gpunn.reference.naive.walk import every

F64 = np.float64


def matmul(a, b):
    """(M, L) times (L, N), one dot product an element."""
    a, b = np.asarray(a, F64), np.asarray(b, F64)
    y = np.zeros((a.shape[0], b.shape[1]))
    for m, n in every(y.shape):
        y[m, n] = (a[m] * b[:, n]).sum()
    return y


def linear(x, w, b):
    """x (N, C) times the transpose of w (K, C), plus b (K,)."""
    y = matmul(x, np.asarray(w).T)
    return y if b is None else y + np.asarray(b, F64)
