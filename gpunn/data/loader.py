"""Batches of a data set, in seeded order, made ahead of time by a thread, or by worker processes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from copy import copy
from itertools import count, islice, repeat, takewhile
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np

from gpunn import random
from gpunn.backend import Device
from gpunn.data.ahead import made_ahead
from gpunn.data.arguments import check_device, check_int, check_loader, check_part, check_place, check_position, orders
from gpunn.data.dataset import Samples, is_batched
from gpunn.data.draws import Source, checked_seed, rng_of
from gpunn.data.fetch import END, ORDER, Agreed, Fetch, Job, Share, jobs_of
from gpunn.data.moved import all_moved
from gpunn.data.processes import Processes
from gpunn.data.resident import gathering
from gpunn.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from gpunn.data.worker import seed_of
from gpunn.errors import DataError

AHEAD = 2  # batches that a thread, or each worker, makes ahead
FIXED = frozenset(
    ("dataset", "batch_size", "sampler", "batch_sampler", "drop_last", "collate_fn", "transform", "persistent_workers")
)


class DataLoader:
    """Iterates over `dataset` in batches. Its arguments are PyTorch's, and behind them gpunn's own.

    A data set that makes samples (`dataset[i]`, or an IterableDataset) is asked for one at a time, and `collate_fn`
    puts them together: by default into Tensors, a list of them where a sample is a tuple. A data set that says
    `batched = True` (ArrayDataset, Resident, Subsets of these) is asked for `dataset[indices]`, and what it gives is
    the batch: a tuple of arrays. With a `collate_fn` it is asked for samples, too.

    Args:
        batch_size: samples a batch; None: single samples, their arrays as Tensors.
        shuffle: an order that depends on (seed, epoch) alone, or one that `generator` draws anew for each pass.
        sampler: an iterable of indices, which replaces `shuffle`; `batch_sampler` one of lists of indices, which
            replaces `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: processes that make the batches, in order; 0: none. Before a batch they start the global generators
            of Python, NumPy and gpunn from (seed, epoch, batch): samples are the same by however many workers.
            An exception in one arrives as a DataError that names it.
        pin_memory: with `device="cuda"`: batches go through page-locked memory, on a stream of their own, while the one
            before is computed with.
        timeout: seconds to wait for a worker; 0: for as long as it lives.
        worker_init_fn: called in each worker with its number. `multiprocessing_context`: "fork", "spawn", "forkserver".
        prefetch_factor: batches that each worker makes ahead (2). `persistent_workers` stay for the next epoch.
        seed: of the order and of `transform`; None: what gpunn.manual_seed was given.
        prefetch: batches made ahead in a thread; 0: none. None: 2 for a batched data set in the loader's own order,
            else 0, since samples may draw from global generators.
        transform: `transform(*batch, rng)` returns the batch to use instead, as a tuple (or one array for one), of the
            batch's arrays; `rng`, a numpy.random.Generator, depends on (seed, epoch, batch) alone, so that `iter_from`
            resumes to the same bytes.
        device: where batches go; of a Resident data set they are made there, by one launch each.
        workers: "processes" or "threads".

    `epoch` starts at 0; `set_epoch` sets it, and a pass that reaches its end adds one. Raises DataError for arguments
    that do not go together, and in a pass where the data set, a function or a worker fails.

    Examples:
        >>> pairs = data.TensorDataset(np.arange(10.0).reshape(5, 2), np.arange(5))
        >>> [y.tolist() for x, y in data.DataLoader(pairs, batch_size=2)]
        [[0, 1], [2, 3], [4]]
        >>> x, y = next(iter(data.DataLoader(data.ArrayDataset(np.zeros((5, 2)), np.arange(5)), 4)))
        >>> type(x).__name__, x.shape
        ('ndarray', (4, 2))
    """

    def __init__(
        self,
        dataset: Samples,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Source = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        seed: int | None = None,
        prefetch: int | None = None,
        transform: Callable[..., Any] | None = None,
        device: str | Device | None = None,
        workers: str = "processes",
    ):
        del pin_memory_device, in_order  # batches come in order always
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, bool(shuffle), drop_last
        self.sampler: Any = sampler
        self.batch_sampler, self.generator = batch_sampler, generator
        self.num_workers, self.workers, self.timeout = num_workers, workers, timeout
        self.collate_fn, self.worker_init_fn = collate_fn, worker_init_fn
        self.multiprocessing_context, self.prefetch_factor = multiprocessing_context, prefetch_factor
        self.persistent_workers, self.pin_memory, self.transform = persistent_workers, pin_memory, transform
        self.prefetch, self.device = prefetch, check_device(device)
        self.seed = checked_seed("DataLoader", random.get_state()["seed"] if seed is None else seed)
        self.epoch = 0
        self._turns = count()
        self._kept: Processes | None = None
        check_loader(self)
        whole = is_batched(dataset) and batch_size is not None and collate_fn is None
        found = gathering(dataset, transform) if whole else None
        check_place(self, found.resident.device if found is not None else None)
        self._gathering = found
        self._fetch = Fetch(dataset, batch_size, drop_last, collate_fn, transform, found)
        own_order = sampler is None and batch_sampler is None and not self._fetch.iterable
        if batch_sampler is not None:
            self.batch_size = None
        elif own_order:
            self.sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if prefetch is None:
            self.prefetch = AHEAD if own_order and (self._fetch.whole or found is not None) else 0
        self._own_order = own_order

    def __setattr__(self, name: str, value: object) -> None:
        if name in FIXED and "_own_order" in vars(self):
            raise DataError(f"DataLoader: {name} cannot change once the loader is made; make another one")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """Batches of a whole pass. TypeError where a sampler or an IterableDataset has no length."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type] - a TypeError of Python's tells
        n = len(self.dataset if self._fetch.iterable else self.sampler)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    @property
    def is_resident(self) -> bool:
        """Whether a device makes the batches, of a Resident data set."""
        return self._gathering is not None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next pass follows; a sampler's, too, that has such a method."""
        check_int("epoch", epoch, 0, "the epoch's number")
        self.epoch = int(epoch)
        for order in orders(self):
            if hasattr(order, "set_epoch"):
                order.set_epoch(self.epoch)

    def __iter__(self) -> Iterator[Any]:
        return self.iter_from(0)

    def iter_from(self, position: int) -> Iterator[Any]:
        """The epoch's batches from number `position` on, equal to those of a whole pass.

        Those of a `generator`, or of a sampler that draws, are equal where it was set back; of an IterableDataset the
        batches before are made, and dropped.
        """
        return self._pass(check_position(self, position), self.epoch)

    def iter_part(self, position: int, rank: int, size: int, agree: Agreed | None = None) -> Iterator[Any]:
        """One part of each of the epoch's batches from number `position` on: that of process `rank` of `size`.

        With p = ceil(batch_size / size) it is samples rank * p to (rank + 1) * p of the batch. Together the parts are
        the batch, and there are equally many for each process: the last may be empty batches, of N = 0. `transform` and
        workers draw as for batch i * size + rank: where size divides batch_size, part i is that batch of a loader with
        batch_size / size. Processes need one seed, and a `generator` or sampler that draws in one state; `agree` gets
        all indices and returns them. Each reads an IterableDataset whole. DataError for no batches and cut samplers.

        Examples:
            >>> loader = data.DataLoader(data.ArrayDataset(np.arange(7)), batch_size=4)
            >>> [[x.tolist() for (x,) in loader.iter_part(0, rank, 2)] for rank in (0, 1)]
            [[[0, 1], [4, 5]], [[2, 3], [6]]]
        """
        check_part(self, rank, size)
        return self._pass(check_position(self, position), self.epoch, (int(rank), int(size)), agree or iter)

    def _pass(self, position: int, epoch: int, share: Share = (0, 0), agree: Agreed = iter) -> Iterator[Any]:
        skipped = position if self._fetch.iterable else 0
        numbered = islice(enumerate(agree(self._indices(epoch))), position - skipped, None)
        jobs = jobs_of(numbered, self.seed, epoch, next(self._turns), share, self.batch_size)
        with closing(self._made(jobs, epoch)) as made:
            yield from self._placed(islice(made, skipped, None))
        if self.epoch == epoch:
            self.epoch += 1

    def _indices(self, epoch: int) -> Iterator[Any]:
        """What each batch of the epoch is made of: indices, or one; of an IterableDataset nothing, without end."""
        if self._fetch.iterable:
            return repeat(None)
        if self.batch_sampler is not None:
            return iter(self.batch_sampler)
        sampler = self._order(epoch) if self._own_order else self.sampler
        if self.batch_size is None:
            return iter(sampler.tolist() if isinstance(sampler, np.ndarray) else sampler)  # type: ignore[arg-type]
        if not isinstance(sampler, np.ndarray):
            return iter(BatchSampler(sampler, self.batch_size, self.drop_last))  # type: ignore[arg-type]
        size = self.batch_size
        cuts = (sampler[i * size : (i + 1) * size] for i in range(len(self)))
        return cuts if self._fetch.whole or self._fetch.tensors else (cut.tolist() for cut in cuts)

    def _order(self, epoch: int) -> np.ndarray:
        n = len(self.dataset)
        if not self.shuffle:
            return np.arange(n)
        rng = np.random.default_rng((ORDER, self.seed, epoch))
        return (rng if self.generator is None else rng_of("DataLoader", self.generator)).permutation(n)

    def _made(self, jobs: Iterator[Job], epoch: int) -> Generator[Any, None, None]:
        """The batches of the jobs, on the host or of a Resident: made here, by threads or by processes."""
        if self.num_workers and self.workers == "processes":
            yield from self._by_processes(jobs, epoch)
            return
        fetch = copy(self._fetch)  # two passes at once each have their own place in an IterableDataset
        depth = self.num_workers * (self.prefetch_factor or AHEAD) or self.prefetch
        batches = made_ahead(fetch, jobs, depth, self.num_workers or 1) if depth else (fetch(job) for job in jobs)
        with closing(batches):
            yield from takewhile(lambda batch: batch is not END, batches)

    def _by_processes(self, jobs: Iterator[Job], epoch: int) -> Generator[Any, None, None]:
        found, self._kept = self._kept, None
        if found is None:
            seed, factor = seed_of(self.seed, epoch), self.prefetch_factor or AHEAD
            how = self.multiprocessing_context, self.worker_init_fn, factor, self.timeout
            found = Processes(self._fetch, self.num_workers, seed, *how)
            if self.persistent_workers:
                weakref.finalize(self, found.close, at_once=True)
        whole = False
        try:
            yield from found.run(jobs)
            whole = True
        finally:  # also reached by `break`, by an exception in the loop's body and by Ctrl-C
            if whole and self.persistent_workers:
                self._kept = found
            else:
                found.close(at_once=not whole)

    def _placed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches on the device; by the iterating thread, so that copies keep their order with its work."""
        if self.device is None or self._gathering is not None:
            return batches
        return all_moved(batches, self.device, self.pin_memory)
