"""Matrix products through the array library: CuPy's, which calls cuBLAS, or NumPy's for emulated arrays."""

from __future__ import annotations

from gpunn.backend import Array, array_module


def matmul(a: Array, b: Array) -> Array:
    """``numpy.matmul(a, b)``, of the operands' dtype where they share one (NumPy's of bfloat16 is float32)."""
    y = array_module(a).matmul(a, b)
    return y.astype(a.dtype, copy=False) if a.dtype == b.dtype else y
