"""Data sets: the base classes, equally long arrays or Tensors side by side, and data sets made of others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gpunn.engine.tensor import Tensor
from gpunn.errors import DataError

T_co = TypeVar("T_co", covariant=True)
Sample: TypeAlias = Any  # numbers, strings, arrays, Tensors; dicts, tuples and lists of these; with collate_fn anything
Samples: TypeAlias = Any  # a data set: an Indexable, or an IterableDataset
Index: TypeAlias = Any  # an int, a slice, an array or list of whole numbers


class Indexable(Protocol):
    """What a DataLoader takes: a length, and what is at an index, or at an array of indices where it is `batched`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Index) -> Sample: ...


class Dataset(Generic[T_co]):
    """Base class of data sets: a subclass has `__len__`, and `__getitem__(i)`, which makes sample `i`.

    A DataLoader asks for one sample at a time and collates them into Tensors, as PyTorch's. Where the class says
    `batched = True`, it asks for the whole batch, `dataset[indices]` with an array of int64, and takes the arrays as
    they come.

    Examples:
        >>> class Squares(data.Dataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, i):
        ...         return np.float32(i) ** 2, i
        >>> [[x.tolist(), i.tolist()] for x, i in data.DataLoader(Squares(), batch_size=3)]
        [[[0.0, 1.0, 4.0], [0, 1, 2]], [[9.0], [3]]]
    """

    batched: bool = False

    def __getitem__(self, index: Index) -> T_co:
        raise NotImplementedError(
            f"{type(self).__name__} has no __getitem__; write one that makes the sample at an index"
        )

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


def is_batched(dataset: object) -> bool:
    """Whether the data set makes whole batches, by its own word."""
    return bool(getattr(dataset, "batched", False))


class ArrayDataset(Dataset[tuple]):
    """Arrays of one length side by side; `dataset[index]` is a tuple with one entry an array.

    `index` is an int, a slice or an array of indices. Arrays may lie on any device; lists become NumPy arrays. A
    DataLoader's batches of it are tuples of arrays.

    Examples:
        >>> pairs = data.ArrayDataset(np.arange(6).reshape(3, 2), [0, 1, 0])
        >>> pairs[1:]
        (array([[2, 3],
               [4, 5]]), array([1, 0]))
    """

    batched = True

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


class TensorDataset(Dataset[tuple]):
    """Tensors of one length side by side; `dataset[i]` is a tuple with row `i` of each, and a batch a list of Tensors.

    Args:
        tensors: Tensors, or arrays, of shape (N, ...), N alike.

    Examples:
        >>> pairs = data.TensorDataset(gpunn.tensor([[1.0], [2.0], [3.0]]), gpunn.tensor([4, 5, 6]))
        >>> len(pairs), pairs[1]
        (3, (Tensor([2.]), Tensor(5, dtype=int64)))
    """

    def __init__(self, *tensors: Tensor | ArrayLike):
        if not tensors:
            raise DataError("TensorDataset: got no tensors; give at least one, for example TensorDataset(x, y)")
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        shapes = ", ".join(str(tuple(t.shape)) for t in self.tensors)
        if any(t.ndim == 0 for t in self.tensors) or len({t.shape[0] for t in self.tensors}) > 1:
            raise DataError(f"TensorDataset: tensors of shapes {shapes}; give one row a sample in each, equally many")

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Index) -> tuple:
        return tuple(t[index] for t in self.tensors)


class IterableDataset(Dataset[T_co]):
    """Base class of data sets without indices: a subclass has `__iter__`, which makes one sample after another.

    In several workers each has a copy, and makes all samples unless it looks at `get_worker_info()`.

    Examples:
        >>> class Lines(data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter("abc")
        >>> list(data.DataLoader(Lines(), batch_size=2))
        [['a', 'b'], ['c']]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__} has no __iter__; write one that makes one sample after another"
        )

    def __add__(self, other: Dataset) -> ChainDataset:
        return ChainDataset([self, other])


class ConcatDataset(Dataset[T_co]):
    """The samples of several data sets, one after the other; each is asked for one sample at a time.

    Examples:
        >>> both = data.ConcatDataset([range(3), range(10, 12)])
        >>> len(both), both[3], both[-1]
        (5, 10, 11)
    """

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise DataError("ConcatDataset: got no data sets; give at least one")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise DataError("ConcatDataset: an IterableDataset has no indices; chain it with ChainDataset")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        at = range(len(self))[index]
        part = bisect_right(self.cumulative_sizes, at)
        return self.datasets[part][at - (self.cumulative_sizes[part - 1] if part else 0)]


class ChainDataset(IterableDataset[T_co]):
    """The samples of several iterable data sets, one after the other.

    Examples:
        >>> class Word(data.IterableDataset):
        ...     def __init__(self, word):
        ...         self.word = word
        ...     def __iter__(self):
        ...         return iter(self.word)
        >>> "".join(data.ChainDataset([Word("ab"), Word("c")]))
        'abc'
    """

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if wrong := [d for d in self.datasets if not isinstance(d, IterableDataset)]:
            raise DataError(
                f"ChainDataset: got {type(wrong[0]).__name__}, expected IterableDatasets; use ConcatDataset"
            )

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self.datasets:
            yield from dataset

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type] - TypeError where one has no length


class StackDataset(Dataset[Any]):
    """Data sets of one length side by side: a sample is a tuple of theirs, or a dict where they came by name.

    Examples:
        >>> data.StackDataset(range(3), "abc")[1], data.StackDataset(x=range(3), y="abc")[2]
        ((1, 'b'), {'x': 2, 'y': 'c'})
    """

    def __init__(self, *args: Indexable, **kwargs: Indexable):
        if bool(args) == bool(kwargs):
            got = "both" if args else "none"
            raise DataError(f"StackDataset: got {got}, expected data sets either in order or by name; give one kind")
        self.datasets: tuple | dict[str, Indexable] = args or kwargs
        lengths = [len(d) for d in args or kwargs.values()]
        if len(set(lengths)) > 1:
            raise DataError(f"StackDataset: data sets of {lengths} samples; give data sets of one length")
        self._length = lengths[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple | dict[str, Sample]:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)
