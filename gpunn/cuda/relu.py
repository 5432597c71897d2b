"""max(x, 0) and its gradient: CuPy's own kernels, which move each number once."""

from __future__ import annotations

from typing import Any

from gpunn.backend import array_module


def forward(x: Any) -> Any:
    """max(x, 0); NaN stays NaN."""
    return array_module(x).maximum(x, 0)


def backward(gy: Any, y: Any) -> Any:
    """gy where the unit is on, also where y is NaN; exactly 0 elsewhere, also where gy is infinite or NaN."""
    return array_module(gy).where(y != 0, gy, gy.dtype.type(0))
