"""Seeds, and what data sets and samplers draw by."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from gpunn import random
from gpunn.errors import DataError

Source: TypeAlias = random.Generator | np.random.Generator | None  # None: gpunn's global stream


def rng_of(function: str, generator: Source) -> np.random.Generator:
    """NumPy's generator, started by `generator`: gpunn's own, NumPy's (itself), or None for gpunn's global stream."""
    if isinstance(generator, np.random.Generator):
        return generator
    source = random if generator is None else generator
    if not hasattr(source, "random_uint32"):
        raise DataError(
            f"{function}: generator is {generator!r}; give a gpunn.Generator, a numpy.random.Generator or None"
        )
    return np.random.default_rng(source.random_uint32(4))


def checked_seed(function: str, seed) -> int:
    """`seed` as an int, or DataError in the words of `function`."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise DataError(f"{function}: seed is {seed!r}; give a whole number of at least 0")
    return int(seed)
