"""The last step of every sum that was split among blocks."""

from __future__ import annotations

import math

from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch


def sum_parts(parts: Scratch, out: str, dtype: str) -> Launch:
    """``out``, an operand of this dtype: the parts added up along their first axis, in order."""
    count, *shape = parts.shape
    items = math.prod(shape)
    args = (parts, out, items, count)
    return Launch("reduce/sum_parts", storage_macros(dtype), (blocks(items, 256),), (256,), args)
