"""What the properties draw: shapes, geometry, numbers. Few examples, the same in every run."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from gpunn import Tensor

few = settings(derandomize=True, deadline=None, max_examples=40, database=None)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def scattered(index: np.ndarray, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of x.flat[index]: each value added to the element that it was read from."""
    size = int(np.prod(shape))
    return np.bincount(np.ravel(index), np.ravel(values), size).reshape(shape)


def places(shape: tuple[int, ...]) -> np.ndarray:
    """Every element's own number."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def gradient(x: Tensor) -> np.ndarray:
    assert x.gradient is not None and x.gradient.shape == x.shape
    return x.gradient
