"""Samplers: in which order a DataLoader takes the samples, and which of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gpunn.data.draws import Source, rng_of
from gpunn.errors import DataError

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base class of samplers: a subclass has `__iter__`, of indices or lists of indices, and best `__len__`.

    Examples:
        >>> class Backwards(data.Sampler):
        ...     def __iter__(self):
        ...         return iter([2, 1, 0])
        ...     def __len__(self):
        ...         return 3
        >>> list(data.DataLoader("abc", batch_size=2, sampler=Backwards()))
        [['c', 'b'], ['a']]
    """

    def __init__(self, data_source: Sized | None = None):
        del data_source  # a name of PyTorch's, which kept nothing of it either

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__; write one that gives indices")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... len(data_source) - 1.

    Examples:
        >>> list(data.SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices of `data_source` in random order.

    Args:
        replacement: whether each is drawn from all of them, so that some come twice.
        num_samples: how many; None: as many as there are. More than these, without replacement: order after order.
        generator: draws them; None: gpunn's global stream (gpunn.manual_seed).

    Examples:
        >>> sorted(data.RandomSampler("abcd"))
        [0, 1, 2, 3]
        >>> len(list(data.RandomSampler("abcd", replacement=True, num_samples=9)))
        9
    """

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Source = None
    ):
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement is {replacement!r}; give True or False")
        self.data_source, self.replacement, self._num_samples = data_source, replacement, num_samples
        self.generator = generator
        _check_count("RandomSampler", self.num_samples)

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count, rng = len(self.data_source), self.num_samples, rng_of("RandomSampler", self.generator)
        if self.replacement:
            return iter(rng.integers(0, n, count).tolist())
        return iter(np.concatenate([rng.permutation(n) for _ in range(-(-count // n))])[:count].tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order.

    Examples:
        >>> sorted(data.SubsetRandomSampler([3, 8, 5]))
        [3, 5, 8]
    """

    def __init__(self, indices: Sequence[int], generator: Source = None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        order = rng_of("SubsetRandomSampler", self.generator).permutation(len(self.indices))
        return (self.indices[i] for i in order.tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices, each drawn in proportion to its weight; weights need not sum to 1.

    Examples:
        >>> list(data.WeightedRandomSampler([0, 2.5, 0], 3))
        [1, 1, 1]
    """

    def __init__(self, weights: ArrayLike, num_samples: int, replacement: bool = True, generator: Source = None):
        _check_count("WeightedRandomSampler", num_samples)
        if not isinstance(replacement, bool):
            raise DataError(f"WeightedRandomSampler: replacement is {replacement!r}; give True or False")
        self.weights = np.asarray(weights, dtype=np.float64)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator
        if self.weights.ndim != 1:
            raise DataError(f"WeightedRandomSampler: weights have shape {self.weights.shape}; give one a sample, (n,)")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.sum() > 0):
            raise DataError("WeightedRandomSampler: weights must be finite, at least 0, and one of them above 0")
        if not replacement and num_samples > (above := np.count_nonzero(self.weights)):
            raise DataError(
                f"WeightedRandomSampler: {num_samples} samples without replacement of {above} with a weight above 0;"
                " give fewer, or replacement=True"
            )

    def __iter__(self) -> Iterator[int]:
        rng = rng_of("WeightedRandomSampler", self.generator)
        share = self.weights / self.weights.sum()
        return iter(rng.choice(len(share), self.num_samples, replace=self.replacement, p=share).tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler; the last may be shorter, or is dropped.

    Examples:
        >>> list(data.BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        _check_count("BatchSampler", batch_size, "batch_size")
        if not isinstance(drop_last, bool):
            raise DataError(f"BatchSampler: drop_last is {drop_last!r}; give True or False")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type] - TypeError where it has no length
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _check_count(sampler: str, count: object, name: str = "num_samples") -> None:
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count <= 0:
        raise DataError(f"{sampler}: {name} is {count!r}; give a whole number of at least 1")
