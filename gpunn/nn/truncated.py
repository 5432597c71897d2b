"""The normal distribution between two bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def truncated(count: int, low: float, high: float, source: Any) -> np.ndarray:
    """Standard normal numbers between two, by rejection: of normal ones, or in a narrow or far part of uniform ones."""
    inside = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    peak = min(max(0.0, low), high)  # where the density is greatest; past 12 from there nothing is left of it
    first, last = max(low, peak - 12), min(high, peak + 12)
    found, kept = np.empty(count), 0
    while kept < count:
        if inside > 0.2:
            drawn = source.normal(2 * (count - kept) + 16, dtype=np.float64)
            drawn = drawn[(drawn >= low) & (drawn <= high)]
        else:
            drawn, chance = source.uniform((2, 4 * (count - kept) + 16), dtype=np.float64)
            drawn = first + drawn * (last - first)
            drawn = drawn[chance < np.exp((peak * peak - drawn * drawn) / 2)]
        part = drawn[: count - kept]
        found[kept : kept + len(part)] = part
        kept += len(part)
    return found
