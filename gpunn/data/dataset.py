"""Data sets of equally long arrays, and parts of them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from gpunn.errors import DataError


class Indexable(Protocol):
    """What a DataLoader takes: a length, and a tuple of arrays for an array of indices."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> tuple: ...


class ArrayDataset:
    """Arrays of one length side by side; `dataset[index]` is a tuple with one entry an array.

    `index` is an int, a slice or an array of indices. Arrays may lie on any device; lists become NumPy arrays.
    """

    def __init__(self, *arrays: Any):
        if not arrays:
            raise DataError("ArrayDataset: got no arrays; give at least one, for example ArrayDataset(images, labels)")
        self.arrays = tuple(a if hasattr(a, "shape") and hasattr(a, "dtype") else np.asarray(a) for a in arrays)
        shapes = ", ".join(str(tuple(a.shape)) for a in self.arrays)
        if any(len(a.shape) == 0 for a in self.arrays):
            raise DataError(f"ArrayDataset: shapes {shapes}: a scalar has no samples; give arrays of shape (N, ...)")
        if len({a.shape[0] for a in self.arrays}) > 1:
            raise DataError(f"ArrayDataset: arrays of different length, shapes {shapes}; give one row a sample in each")

    def __len__(self) -> int:
        return self.arrays[0].shape[0]

    def __getitem__(self, index) -> tuple:
        return tuple(a[index] for a in self.arrays)

    def __repr__(self) -> str:
        return f"ArrayDataset({', '.join(f'{a.dtype}{tuple(a.shape)}' for a in self.arrays)})"


class Subset:
    """The samples of `dataset` at `indices`, in that order; nothing is copied until it is read."""

    def __init__(self, dataset: Indexable, indices: ArrayLike):
        self.dataset = dataset
        found = np.asarray(indices)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise DataError(
                f"Subset: indices are {found.dtype} of shape {found.shape}, expected whole numbers of shape (n,);"
                " for a mask give np.flatnonzero(mask)"
            )
        self.indices = found.astype(np.int64)
        low, high = (self.indices.min(), self.indices.max()) if self.indices.size else (0, -1)
        if low < 0 or high >= len(dataset):
            raise DataError(f"Subset: indices {low} to {high} reach outside a data set of {len(dataset)} samples")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index) -> tuple:
        return self.dataset[self.indices[index]]

    def __repr__(self) -> str:
        return f"Subset({len(self)} of {self.dataset!r})"


def split(dataset: Indexable, fraction: float, seed: int = 0) -> tuple[Subset, Subset]:
    """Cut off a random `fraction` of the samples, as for validation: (the rest, the fraction), each in ascending order.

    The choice depends on the length, `fraction` and `seed` alone. Raises DataError where a part would be empty.
    """
    n = len(dataset)
    if not 0 < fraction < 1:
        raise DataError(f"split: fraction is {fraction!r}; give the share to cut off, above 0 and below 1")
    count = round(n * fraction)
    if count in (0, n):
        raise DataError(f"split: {fraction:g} of {n} samples leaves a part empty; choose another fraction")
    order = np.random.default_rng(checked_seed("split", seed)).permutation(n)
    return Subset(dataset, np.sort(order[count:])), Subset(dataset, np.sort(order[:count]))


def checked_seed(function: str, seed) -> int:
    """`seed` as an int, or DataError in the words of `function`."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise DataError(f"{function}: seed is {seed!r}; give a whole number of at least 0")
    return int(seed)
