"""A loader's batches: checked, on the device, from any batch of the epoch on."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Hashable, Iterable, Iterator
from contextlib import closing, nullcontext
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.data import DataLoader, DistributedSampler, IterableDataset
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import DistError, UsageError
from gpunn.ranks.group import Group
from gpunn.train.agreement import common_numbers, told


class Loadable(Protocol):
    """A batch that the device makes itself of a few words from the host, as a Resident data set's loader gives it.

    To whoever unpacks it, it is (x, y). Batches of one `key` have words of one size and type, and results of one shape
    and memory order, so that a captured step of one is a step of all: `load` alone runs inside.
    """

    @property
    def key(self) -> Hashable: ...
    @property
    def device(self) -> backend.Device: ...
    @property
    def given(self) -> np.ndarray | None:
        """y as the host holds it, if it does."""
        ...

    def words(self) -> np.ndarray:
        """All that differs between batches of one key: contiguous, of one axis."""
        ...

    def load(self, words: Array) -> tuple[Array, Array]:
        """x and y from these words on the device: launches, and nothing that the host waits for."""
        ...

    def __len__(self) -> int:
        """Samples."""
        ...

    def __iter__(self) -> Iterator[Array]: ...


Batch: TypeAlias = tuple[Array, ...] | Loadable


def batches(
    loader: Any, epoch: int, start: int, what: str, device: backend.Device | None, group: Group
) -> Iterator[tuple[Batch, np.ndarray | None]]:
    """The epoch's batches from number `start` on, on the device, of each this rank's part; `what` is for errors.

    With each come the targets as the host holds them, where it does. All ranks get as many, some maybe without samples.
    """
    for one in (loader, getattr(loader, "sampler", None)):
        if one is not None and hasattr(one, "set_epoch"):
            one.set_epoch(epoch)
    found: Any = _from(loader, start) if group.size == 1 else _drawn_alike(_part(loader, start, group), group)
    # Closed even when a step raises: a prefetching loader ends its thread then.
    with closing(found) if hasattr(found, "close") else nullcontext():
        for pair in found:
            loadable = hasattr(pair, "load")  # a Loadable, found in a hundredth of what isinstance takes
            if not loadable and (not isinstance(pair, (tuple, list)) or len(pair) != 2):
                got = f"{type(pair).__name__} of {len(pair) if hasattr(pair, '__len__') else 1}"
                raise UsageError(f"Trainer: {what} gave a {got}, expected (x, y): inputs and targets")
            given = getattr(pair, "given", pair)
            given = given if loadable else given[1]
            as_it_is = loadable and device in (None, getattr(pair, "device", None))
            batch: Any = pair if as_it_is else tuple([backend.asarray(a, device=device) for a in pair])
            if samples(batch) or group.size > 1:
                yield batch, given if type(given) is np.ndarray else None


def _from(loader: Any, start: int) -> Any:
    return loader.iter_from(start) if hasattr(loader, "iter_from") else itertools.islice(loader, start, None)


def _drawn_alike(parts: Iterator[Batch], group: Group) -> Iterator[Batch]:
    """The parts, of which a sampler that draws has chosen the same samples on all ranks: it does at the first one."""
    with closing(parts) if hasattr(parts, "close") else nullcontext():  # type: ignore[arg-type]
        with common_numbers(group):
            first = list(itertools.islice(parts, 1))
        yield from first
        yield from parts


def _part(loader: Any, start: int, group: Group) -> Iterator[Batch]:
    """This rank's part of each batch; all of it where a sampler gives the rank its own samples."""
    if isinstance(getattr(loader, "sampler", None), DistributedSampler):
        return _as_many(loader, start, group)
    if hasattr(loader, "iter_part"):
        return loader.iter_part(start, group.rank, group.size, partial(_agreed, group) if _draws(loader) else None)
    return (_cut(pair, group, number == 0) for number, pair in enumerate(_from(loader, start)))


def _draws(loader: Any) -> bool:
    """Whether a loader's order is of more than its seed and the epoch, and has an end."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return False
    try:
        return len(loader) > 0 and not (loader._own_order and loader.generator is None)
    except TypeError:  # a sampler without end
        return False


def _agreed(group: Group, indices: Iterator[Any]) -> Iterator[Any]:
    """The indices of an epoch's batches, which all ranks have to draw alike: else samples come twice, or not at all."""
    found = list(indices)
    plain = [one.tolist() if isinstance(one, np.ndarray) else one for one in found]
    digests = told(group, "the start of an epoch", hashlib.sha256(repr(plain).encode()).hexdigest())
    for rank, digest in enumerate(digests):
        if digest != digests[0]:
            raise DistError(
                f"Trainer: the loader's sampler gives rank {rank} other samples than rank 0; give it a generator in "
                "one state on all ranks, such as np.random.default_rng(0), or take shuffle=True in its place"
            )
    return iter(found)


def _cut(pair: Batch, group: Group, first: bool) -> Batch:
    """Consecutive samples, an equal part to each rank but the last ones. DistError where ranks have other batches."""
    if not isinstance(pair, (tuple, list)):
        return pair  # which is refused
    if first:
        digests = told(group, "the first batch", [_digest(a) for a in pair])
        if rank := next((rank for rank, one in enumerate(digests) if one != digests[0]), 0):
            raise DistError(
                f"Trainer: rank {rank} has another first batch than rank 0; a loader gives the batches of all ranks, "
                "of which each takes its part; give all of them the same, or a DataLoader with a DistributedSampler"
            )
    size = -(-len(pair[0]) // group.size) if pair else 0
    return tuple([a[group.rank * size : (group.rank + 1) * size] for a in pair])


def _digest(values: object) -> str:
    """What tells arrays apart."""
    a = backend.to_numpy(data_of(values)) if isinstance(values, Tensor) or backend.is_array(values) else values
    a = np.asarray(a)
    return f"{a.dtype} {a.shape} {zlib.crc32(a.tobytes())}"


def _as_many(loader: Any, start: int, group: Group) -> Iterator[Batch]:
    """As many batches as the rank with the most of its own has: the last ones may be without samples."""
    most = max(told(group, "the start of a loader with a DistributedSampler", len(loader)))
    pair: Any = ()
    for pair in _from(loader, start):
        yield pair
    if not pair and most > start:
        pair = next(iter(loader), None) or _first_of(loader)
    for _ in range(most - max(start, len(loader))):
        yield tuple([a[:0] for a in pair])


def _first_of(loader: DataLoader) -> Any:
    """A batch of the first sample, for a rank that has none of its own."""
    how = {name: getattr(loader, name) for name in ("collate_fn", "transform", "device")}
    return next(iter(DataLoader(loader.dataset, 1, **how)))


def loader_state(loader: object) -> dict[str, Any]:
    """What a loader makes its batches of, as far as it says so."""
    dataset = getattr(loader, "dataset", None)
    return {
        "seed": getattr(loader, "seed", None),
        "batches": _length(loader),
        "batch_size": getattr(loader, "batch_size", None),
        "samples": _length(dataset),
        "shuffle": getattr(loader, "shuffle", None),
    }


def _length(of: Any) -> int | None:
    try:
        return len(of)
    except TypeError:  # an iterator's, or a loader's of an iterable data set
        return None


def beginning(loader: object) -> dict[str, Any]:
    """What ranks begin alike with, of the loaders that they were given: else they would leave out samples."""
    found = loader_state(loader)
    if isinstance(getattr(loader, "sampler", None), DistributedSampler):  # some ranks may have one more
        del found["batches"]
    return found


def are_alike(loader: Any) -> bool:
    """Whether the batches that each rank gets of a loader are of one shape, but for the last of an epoch."""
    plain = type(loader) is DataLoader and loader.batch_sampler is None and loader.collate_fn is None
    return plain and not isinstance(loader.dataset, IterableDataset)


def samples(batch: Batch) -> int:
    """How many samples a batch has."""
    return len(batch[0]) if isinstance(batch, tuple) else len(batch)


def with_last(batches: Iterable) -> Iterator[tuple[Any, bool]]:
    """Each batch, and whether it is the last: one is read ahead."""
    nothing = object()
    iterator = iter(batches)
    batch = next(iterator, nothing)
    while batch is not nothing:
        following = next(iterator, nothing)
        yield batch, following is nothing
        batch = following
