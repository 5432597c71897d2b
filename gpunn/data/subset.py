"""Parts of a data set."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from gpunn.data.dataset import Dataset, Index, Indexable, Sample, T_co, is_batched
from gpunn.data.draws import Source, checked_seed, rng_of
from gpunn.engine.tensor import Tensor
from gpunn.errors import DataError


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`, in that order; nothing is copied until it is read.

    `batched` as `dataset` is. `indices` are whole numbers: a list, a range, an array, a Tensor.

    Examples:
        >>> squares = data.TensorDataset(gpunn.arange(5) ** 2)
        >>> [int(x) for (x,) in data.Subset(squares, [4, 1])]
        [16, 1]
    """

    def __init__(self, dataset: Indexable, indices: ArrayLike | Tensor | range):
        self.dataset = dataset
        found = np.asarray(list(indices) if isinstance(indices, range) else indices)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise DataError(
                f"Subset: indices are {found.dtype} of shape {found.shape}, expected whole numbers of shape (n,);"
                " for a mask give np.flatnonzero(mask)"
            )
        self.indices = found.astype(np.int64)
        low, high = (self.indices.min(), self.indices.max()) if self.indices.size else (0, -1)
        if low < 0 or high >= len(dataset):
            raise DataError(f"Subset: indices {low} to {high} reach outside a data set of {len(dataset)} samples")

    @property
    def batched(self) -> bool:  # type: ignore[override] - a subclass of Dataset may decide when it is asked
        return is_batched(self.dataset)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Index) -> Sample:
        at = self.indices[index]
        if is_batched(self.dataset):
            return self.dataset[at]
        return self.dataset[int(at) if at.ndim == 0 else at.tolist()]

    def __repr__(self) -> str:
        return f"Subset({len(self)} of {self.dataset!r})"


def random_split(dataset: Indexable, lengths: Sequence[float], generator: Source = None) -> list[Subset]:
    """Parts of the data set with so many samples each, drawn at random, none of them twice.

    Args:
        lengths: whole numbers that sum to len(dataset), or shares that sum to 1, of which each gets
            floor(share * len(dataset)) samples and the first ones what is left, one each.
        generator: draws the order; None: gpunn's global stream (gpunn.manual_seed).

    Examples:
        >>> [len(part) for part in data.random_split(range(10), [0.7, 0.3])]
        [7, 3]
    """
    counts, n = list(lengths), len(dataset)
    if math.isclose(sum(counts), 1) and sum(counts) <= 1:
        if wrong := [share for share in counts if not 0 <= share <= 1]:
            raise DataError(f"random_split: the share {wrong[0]} is not between 0 and 1; give shares that sum to 1")
        counts = [math.floor(n * share) for share in counts]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
        for i in (i for i, count in enumerate(counts) if not count):
            warnings.warn(
                f"random_split: part {i} has no sample; give it a larger share than {lengths[i]}", stacklevel=2
            )
    if sum(counts) != n or any(count < 0 or count != int(count) for count in counts):
        raise DataError(
            f"random_split: lengths {list(lengths)} of {n} samples; give lengths that sum to {n}, or shares to 1"
        )
    order = rng_of("random_split", generator).permutation(n)
    ends = accumulate(int(count) for count in counts)
    return [Subset(dataset, order[end - int(count) : end]) for end, count in zip(ends, counts, strict=True)]


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
