"""From indices to a batch: what a DataLoader runs in the iterating thread, ahead in another, or in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from gpunn.data.collate import Batch, default_collate, default_convert
from gpunn.data.dataset import Index, IterableDataset, Samples, TensorDataset, is_batched
from gpunn.data.resident import Gathering
from gpunn.data.subset import Subset
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import DataError, GpunnError

# First words of seeds: the shuffle, the transforms and the workers draw from separate streams.
ORDER, TRANSFORM, WORKER = 0, 1, 2
END = object()  # what an IterableDataset gives that has no sample left


class Job(NamedTuple):
    """Batch number `number` of an epoch: an index, or several; `turn` tells one pass of a loader from another."""

    seed: int
    epoch: int
    number: int
    index: Index
    turn: int


class Fetch:
    """Makes batches of one data set. A copy in a worker process makes the same ones.

    Args:
        size: samples a batch of an IterableDataset, else without meaning; None: single samples, not collated.
    """

    def __init__(
        self,
        dataset: Samples,
        size: int | None,
        drop_last: bool,
        collate_fn: Callable | None,
        transform: Callable | None,
        gathering: Gathering | None,
    ):
        self.dataset, self.size, self.drop_last, self.transform = dataset, size, drop_last, transform
        self.collate_fn, self.gathering = collate_fn, gathering
        self.iterable = isinstance(dataset, IterableDataset)
        self.whole = is_batched(dataset) and collate_fn is None and size is not None and not self.iterable
        self.tensors = _tensors(dataset) if collate_fn is None and size is not None else None
        self._turn = -1
        self._samples: Iterator = iter(())

    def __call__(self, job: Job) -> Batch:
        """The batch, or END. DataError names the batch, and the sample, whose making failed."""
        if self.gathering is not None:
            return self.gathering.batch(job.index, np.random.default_rng((TRANSFORM, *job[:3])))
        step = ["reading the data set"]
        try:
            batch = self._made(job.index, step) if not self.iterable else self._next(job.turn, step)
            if self.transform is not None and batch is not END:
                step[0] = "transform"
                batch = self._transformed(batch, np.random.default_rng((TRANSFORM, *job[:3])))
        except (GpunnError, MemoryError):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(
                f"DataLoader: {step[0]} failed at batch {job.number} of epoch {job.epoch} ({what})"
            ) from error
        return batch

    def _made(self, index: Index, step: list[str]) -> Batch:
        if self.whole:
            return _as_tuple(self.dataset[_rows(index)])
        if self.tensors is not None:  # the same as by samples and default_collate, in a hundredth of the time
            tensors, rows = self.tensors
            at = _rows(index)
            return [t[at if rows is None else rows[at]] for t in tensors]
        if self.size is None:
            step[0] = f"sample {index}"
            return (self.collate_fn or default_convert)(self.dataset[index])
        if hasattr(self.dataset, "__getitems__"):  # PyTorch's word for samples asked for together
            samples = self.dataset.__getitems__(list(index))
        else:
            samples = []
            for i in index:
                step[0] = f"sample {i}"
                samples.append(self.dataset[i])
        step[0] = "collating"
        return (self.collate_fn or default_collate)(samples)

    def _next(self, turn: int, step: list[str]) -> Batch:
        if turn != self._turn:
            self._turn, self._samples = turn, iter(self.dataset)
        if self.size is None:
            sample = next(self._samples, END)
            return END if sample is END else (self.collate_fn or default_convert)(sample)
        samples = list(islice(self._samples, self.size))
        if not samples or (self.drop_last and len(samples) < self.size):
            return END
        step[0] = "collating"
        return (self.collate_fn or default_collate)(samples)

    def _transformed(self, batch: Batch, rng: np.random.Generator) -> Batch:
        assert self.transform is not None
        if self.whole:
            return _as_tuple(self.transform(*batch, rng), len(batch), "transform")
        if not isinstance(batch, list) or not all(isinstance(part, Tensor) for part in batch):
            raise DataError(
                "DataLoader: transform takes the arrays of a batch, but this one is no list of Tensors; leave transform"
                " away and do it in collate_fn"
            )
        made = _as_tuple(self.transform(*map(data_of, batch), rng), len(batch), "transform")
        return [part if isinstance(part, Tensor) else Tensor(part) for part in made]


def _tensors(dataset: object) -> tuple[tuple[Tensor, ...], np.ndarray | None] | None:
    """The Tensors of a TensorDataset, or of Subsets of one and which rows; None for other data sets.

    Of these very classes alone: a subclass may make its samples otherwise.
    """
    rows = None
    while type(dataset) is Subset:
        rows = dataset.indices if rows is None else dataset.indices[rows]
        dataset = dataset.dataset
    return (dataset.tensors, rows) if type(dataset) is TensorDataset else None


def _rows(index: Index) -> np.ndarray:
    """The indices of a batch as int64; TypeError for what would be rounded to some."""
    rows = np.asarray(index)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(f"the indices of a batch are {rows.dtype} of shape {rows.shape}, expected whole numbers (n,)")
    return rows.astype(np.int64, copy=False)


def _as_tuple(value: object, parts: int = 1, source: str = "the data set") -> tuple:
    if isinstance(value, (tuple, list)):
        return tuple(value)
    if parts == 1 and hasattr(value, "shape"):  # one array, not a tuple of its rows
        return (value,)
    raise DataError(
        f"DataLoader: {source} returned {type(value).__name__} for a batch of {parts} arrays;"
        " return a tuple with one array for each"
    )
