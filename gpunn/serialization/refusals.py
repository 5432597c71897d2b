"""What no file holds, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.dtypes import KNOWN
from gpunn.nn.module import Module


def check_dtype(dtype: np.dtype, where: str) -> None:
    """Refuses what PyTorch has no type for."""
    if dtype.name not in KNOWN:
        raise TypeError(f"save: {where} is of {dtype}, expected one of {', '.join(KNOWN)}; convert it")


def remedy(value: Any) -> str:
    """What to save in place of a value that no file holds."""
    if isinstance(value, type) or (callable(value) and not hasattr(value, "state_dict")):
        return "whose code no file holds; save the numbers that it works with"
    if hasattr(value, "state_dict"):
        word = "model" if isinstance(value, Module) else "optimizer"
        return f"whose code no file holds; pass {word}.state_dict()"
    return "expected Tensors, arrays, numbers, strings, dicts, lists and tuples of them; convert it"
