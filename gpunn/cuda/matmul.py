"""Matrix products through the array library: CuPy's, which calls cuBLAS, or NumPy's for emulated arrays."""

from __future__ import annotations

from typing import Any

from gpunn.backend import array_module


def matmul(a: Any, b: Any) -> Any:
    """``numpy.matmul(a, b)``."""
    return array_module(a).matmul(a, b)
