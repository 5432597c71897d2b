"""From indices to a batch: what a DataLoader runs in the iterating thread, ahead in another, or in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gpunn.data.collate import Batch, default_collate, default_convert, emptied
from gpunn.data.dataset import Index, IterableDataset, Samples, TensorDataset, is_batched
from gpunn.data.resident import Gathering
from gpunn.data.subset import Subset
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import DataError, GpunnError

# First words of seeds: the shuffle, the transforms and the workers draw from separate streams.
ORDER, TRANSFORM, WORKER = 0, 1, 2
END = object()  # what an IterableDataset gives that has no sample left


class Part(NamedTuple):
    """One of `size` parts of a batch, number `rank`: its next `samples` samples, fewer or none at the end."""

    rank: int
    size: int
    samples: int

    def of(self, batch: Any) -> Any:
        """This part of what a batch is made of."""
        return batch[self.rank * self.samples : (self.rank + 1) * self.samples]


Share: TypeAlias = tuple[int, int]  # rank and size of processes that share each batch; size 0: none do
Agreed: TypeAlias = Callable[[Iterator[Any]], Iterator[Any]]  # what processes agree on of the batches' indices


class Job(NamedTuple):
    """Batch number `number` of an epoch: an index, or several; `turn` tells one pass of a loader from another.

    Of a `part` it is that alone, and `number` counts parts.
    """

    seed: int
    epoch: int
    number: int
    index: Index
    turn: int
    part: Part | None = None

    def __str__(self) -> str:
        if self.part is None:
            return f"batch {self.number} of epoch {self.epoch}"
        number, rank = divmod(self.number, self.part.size)
        return f"part {rank} of batch {number} of epoch {self.epoch}"


def jobs_of(
    numbered: Iterator[tuple[int, Index]], seed: int, epoch: int, turn: int, share: Share, samples: int | None
) -> Iterator[Job]:
    """The jobs of a pass; with a share (rank, size) that part of each batch, of `samples` or of as many as it has."""
    rank, size = share
    for i, index in numbered:
        if not size:
            yield Job(seed, epoch, i, index, turn)
            continue
        known: Any = index if index is None or isinstance(index, np.ndarray) else list(index)
        part = Part(rank, size, -(-(samples or len(known)) // size))
        yield Job(seed, epoch, i * size + rank, known, turn, part)


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
            index = job.index if job.part is None else job.part.of(job.index)
            return self.gathering.batch(index, np.random.default_rng((TRANSFORM, *job[:3])))
        step = ["reading the data set"]
        try:
            found = self._next(job.turn) if self.iterable else job.index
            if found is END:
                return END
            mine = found if job.part is None else job.part.of(found)
            if job.part is None or len(mine):
                return self._made(job, mine, step)
            first = found[0]  # an empty part is what this sample's batches are but for their length
            return emptied(self._made(job, [first], step), self._made(job, [first, first], step))
        except (GpunnError, MemoryError):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"DataLoader: {step[0]} failed at {job} ({what})") from error

    def _made(self, job: Job, found: Any, step: list[str]) -> Batch:
        """The batch of these samples of an IterableDataset, or of those at these indices."""
        batch = self._collated(found, step) if self.iterable else self._read(found, step)
        if self.transform is None:
            return batch
        step[0] = "transform"
        return self._transformed(batch, np.random.default_rng((TRANSFORM, *job[:3])))

    def _read(self, index: Index, step: list[str]) -> Batch:
        if self.whole:
            return _as_tuple(self.dataset[_rows(index)])
        if self.tensors is not None:  # the same as by samples and default_collate, in a hundredth of the time
            tensors, rows = self.tensors
            at = _rows(index)
            return [t[at if rows is None else rows[at]] for t in tensors]
        if self.size is None:
            step[0] = f"sample {index}"
            return self._collated(self.dataset[index], step)
        if hasattr(self.dataset, "__getitems__"):  # PyTorch's word for samples asked for together
            samples = self.dataset.__getitems__(list(index))
        else:
            samples = []
            for i in index:
                step[0] = f"sample {i}"
                samples.append(self.dataset[i])
        return self._collated(samples, step)

    def _collated(self, samples: Any, step: list[str]) -> Batch:
        if self.size is None:
            return (self.collate_fn or default_convert)(samples)
        step[0] = "collating"
        return (self.collate_fn or default_collate)(samples)

    def _next(self, turn: int) -> Any:
        """A batch's samples of an IterableDataset, or one where they come alone; END where there is none left."""
        if turn != self._turn:
            self._turn, self._samples = turn, iter(self.dataset)
        if self.size is None:
            return next(self._samples, END)
        samples = list(islice(self._samples, self.size))
        return END if not samples or (self.drop_last and len(samples) < self.size) else samples

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
