"""Batches on their way to a device."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeAlias

from gpunn import backend
from gpunn.backend import Array, Device
from gpunn.cuda.staging import Staging
from gpunn.data.collate import Batch, mapped
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.packed import PackedSequence

Place: TypeAlias = Callable[[Array], Array]


class Moved(tuple):
    """Arrays on a device; `given` is what they were made of, for whoever would else have to wait for the device."""

    given: tuple


class MovedList(list):
    """Tensors on a device; `given` are the arrays that they were made of."""

    given: list


def all_moved(batches: Iterator[Batch], device: Device, pinned: bool) -> Generator[Batch, None, None]:
    """The batches on the device; with `pinned` on a GPU each is copied while the one before is computed with."""
    if not pinned or device.type != "cuda":
        yield from (moved(batch, lambda array: backend.to_device(array, device)) for batch in batches)
        return
    with closing(Staging(device.index)) as staging:
        coming = _placed(next(batches, None), staging)
        while coming is not None:
            batch, copied = coming
            staging.arrive(copied)  # before the next one is begun: what a `break` leaves behind is waited for, too
            coming = _placed(next(batches, None), staging)
            yield batch


def moved(batch: Batch, place: Place) -> Batch:
    """The batch with its arrays, and its Tensors', where `place` puts them, in whatever structure holds them."""
    if isinstance(batch, tuple) and not hasattr(batch, "_fields"):  # a batched data set's arrays
        there = Moved(_there(part, place) for part in batch)
        there.given = batch
        return there
    if isinstance(batch, list):
        made = MovedList(_there(part, place) for part in batch)
        made.given = [data_of(part) if isinstance(part, Tensor) else part for part in batch]
        return made
    return _there(batch, place)


def _placed(batch: Batch | None, staging: Staging) -> tuple[Batch, object] | None:
    """The batch on its way, and the moment of its arrival; None for none."""
    if batch is None:
        return None
    staging.begin()
    return moved(batch, staging.place), staging.end()


def _there(value: Batch, place: Place) -> Batch:
    if isinstance(value, Tensor):
        there = place(data_of(value))
        return Tensor(there) if not value.requires_grad else value.to(backend.device_of(there))
    if backend.is_array(value):
        return place(value)
    if isinstance(value, PackedSequence):  # whose batch_sizes stay on the host
        names = ("data", "sorted_indices", "unsorted_indices")
        return value._replace(**{name: _there(getattr(value, name), place) for name in names})
    return mapped(lambda part: _there(part, place), value)
