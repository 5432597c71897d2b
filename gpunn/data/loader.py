"""Batches of a data set, in seeded order, made ahead of time by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Any, TypeAlias

import numpy as np

from gpunn import backend
from gpunn.backend import Device
from gpunn.data.dataset import Indexable
from gpunn.data.draws import checked_seed
from gpunn.data.resident import Gathered, gathering
from gpunn.errors import DataError, GpunnError

ORDER, TRANSFORM = 0, 1  # first words of the seeds: the shuffle and the transforms draw from separate streams
_END = object()
Batch: TypeAlias = tuple | Gathered


class Moved(tuple):
    """A batch on a device; `given` is what it was made of, for whoever would else have to wait for the device."""

    given: tuple

    def __new__(cls, given: tuple, device: Device) -> Moved:
        moved = super().__new__(cls, (backend.to_device(a, device) for a in given))
        moved.given = given
        return moved


class DataLoader:
    """Iterates over `dataset` in batches, each a tuple of arrays.

    The order depends on (seed, epoch) alone. `epoch` starts at 0; `set_epoch` sets it, and a pass that reaches its end
    adds one. `transform(*batch, rng)` returns the batch to use instead, as a tuple (or one array for one): `rng`, a
    numpy.random.Generator, depends on (seed, epoch, batch) alone, so that `iter_from` resumes to the same bytes.
    `prefetch` batches are made ahead in a thread; 0 makes each when it is asked for. `device` moves batches there; of a
    Resident data set they are made there, by one launch each.
    """

    def __init__(
        self,
        dataset: Indexable,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        prefetch: int = 2,
        transform: Callable[..., Any] | None = None,
        device: str | Device | None = None,
    ):
        _check_int("batch_size", batch_size, 1, "samples a batch")
        _check_int("prefetch", prefetch, 0, "batches made ahead (0: no thread)")
        if len(dataset) == 0:
            raise DataError("DataLoader: the data set is empty; give one with at least one sample")
        if drop_last and len(dataset) < batch_size:
            raise DataError(
                f"DataLoader: drop_last=True leaves no batch, since {len(dataset)} samples are fewer than"
                f" batch_size {batch_size}; use a smaller batch_size or drop_last=False"
            )
        if transform is not None and not callable(transform):
            raise DataError(f"DataLoader: transform is {transform!r}; give a function transform(*batch, rng)")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, int(batch_size), shuffle, drop_last
        self.seed, self.prefetch, self.transform = checked_seed("DataLoader", seed), int(prefetch), transform
        self.device = _device(device)
        self.epoch = 0
        self._gathering = found = gathering(dataset, transform)
        if found is not None and self.device not in (None, found.resident.device):
            raise DataError(
                f"DataLoader: device is {self.device}, but the data set lies on {found.resident.device}; leave it away"
            )

    def __len__(self) -> int:
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    @property
    def is_resident(self) -> bool:
        """Whether a device makes the batches, of a Resident data set."""
        return self._gathering is not None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next pass follows."""
        _check_int("epoch", epoch, 0, "the epoch's number")
        self.epoch = int(epoch)

    def __iter__(self) -> Iterator[Batch]:
        return self.iter_from(0)

    def iter_from(self, position: int) -> Iterator[Batch]:
        """The epoch's batches from number `position` on, equal to those of a whole pass."""
        _check_int("position", position, 0, f"a batch number up to {len(self)}")
        if position > len(self):
            raise DataError(
                f"DataLoader: position {position} is past the epoch's {len(self)} batches; resume with the same"
                " data set and batch_size as before"
            )
        return self._pass(int(position), self.epoch)

    def _pass(self, position: int, epoch: int) -> Iterator[Batch]:
        order = self._order(epoch)
        jobs = (lambda i=i: self._batch(order, epoch, i) for i in range(position, len(self)))
        with closing(_ahead(jobs, self.prefetch) if self.prefetch else (job() for job in jobs)) as batches:
            for batch in batches:
                yield self._moved(batch)
        if self.epoch == epoch:
            self.epoch += 1

    def _order(self, epoch: int) -> np.ndarray:
        n = len(self.dataset)
        return np.random.default_rng((ORDER, self.seed, epoch)).permutation(n) if self.shuffle else np.arange(n)

    def _batch(self, order: np.ndarray, epoch: int, i: int) -> Batch:
        index, seed = order[i * self.batch_size : (i + 1) * self.batch_size], (TRANSFORM, self.seed, epoch, i)
        if self._gathering is not None:
            return self._gathering.batch(index, np.random.default_rng(seed))
        step = "reading the data set"
        try:
            batch = _as_batch(self.dataset[index])
            if self.transform is not None:
                step = "transform"
                rng = np.random.default_rng(seed)
                batch = _as_batch(self.transform(*batch, rng), len(batch), step)
        except (GpunnError, MemoryError):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"DataLoader: {step} failed at batch {i} of epoch {epoch} ({what})") from error
        return batch

    def _moved(self, batch: Batch) -> Batch:
        """The batch on the device; in the iterating thread, so that copies keep their order with its work."""
        if self.device is None or isinstance(batch, Gathered):
            return batch
        return Moved(batch, self.device)


def _ahead(jobs: Iterator[Callable[[], Batch]], depth: int) -> Generator[Batch, None, None]:
    """The jobs' results in order, up to `depth` of them made ahead by a thread that ends when the iterator does."""
    results: queue.SimpleQueue = queue.SimpleQueue()
    free = threading.Semaphore(depth)
    stop = threading.Event()

    def work() -> None:
        try:
            for job in jobs:
                free.acquire()
                if stop.is_set():
                    return
                results.put((job(), None))
            results.put((_END, None))
        except BaseException as error:  # whatever it is, the iterating thread has to learn of it
            results.put((None, error))

    thread = threading.Thread(target=work, name="gpunn-prefetch", daemon=True)
    try:
        thread.start()  # inside: Ctrl-C may strike while it waits for the thread's first sign of life
        while True:
            result, error = results.get()
            if error is not None:
                raise error
            if result is _END:
                return
            free.release()
            yield result
    finally:  # also reached by `break`, by an exception in the loop's body and by Ctrl-C
        stop.set()
        free.release()
        with suppress(RuntimeError):  # never started
            thread.join()


def _as_batch(value, parts: int = 1, source: str = "the data set") -> tuple:
    if isinstance(value, (tuple, list)):
        return tuple(value)
    if parts == 1 and hasattr(value, "shape"):  # one array, not a tuple of its rows
        return (value,)
    raise DataError(
        f"DataLoader: {source} returned {type(value).__name__} for a batch of {parts} arrays;"
        " return a tuple with one array for each"
    )


def _check_int(name: str, value, least: int, meaning: str) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise DataError(f"DataLoader: {name} is {value!r}; give a whole number of at least {least}: {meaning}")


def _device(device):
    if device is None:
        return None
    backend.to_device(np.zeros(0), device)  # a device that is missing shows now, not at the first batch
    return backend.device(device)
