"""The last step of every sum that was split among blocks."""

from __future__ import annotations

from typing import Any

from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks, kernel


def sum_parts(parts: Any, out: Any) -> None:
    """out = parts added up along their first axis, in order."""
    launch = kernel("reduce/sum_parts", **storage_macros(out.dtype.name))
    launch((blocks(out.size, 256),), (256,), parts, out, out.size, parts.shape[0])
