"""What a DataLoader refuses among its arguments."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterable
from multiprocessing.context import BaseContext
from typing import Any, Protocol

import numpy as np

from gpunn import backend
from gpunn.backend import Device
from gpunn.data.dataset import IterableDataset, Samples
from gpunn.errors import DataError

KINDS = ("processes", "threads")


class Given(Protocol):
    """The arguments of a loader."""

    dataset: Samples
    batch_size: int | None
    shuffle: bool
    sampler: Iterable | None
    batch_sampler: Iterable | None
    num_workers: int
    drop_last: bool
    timeout: float
    multiprocessing_context: str | BaseContext | None
    prefetch_factor: int | None
    persistent_workers: bool
    prefetch: int | None
    device: Device | None
    workers: str


def check_loader(loader: Given) -> None:
    """DataError for arguments of a kind, or together, that make no loader."""
    iterable = isinstance(loader.dataset, IterableDataset)
    _check_counts(loader)
    _check_functions(loader)
    _check_order(loader, iterable)
    if not iterable:
        _check_samples(loader)
    _check_workers(loader, iterable)


def check_int(name: str, value: object, least: int, meaning: str) -> None:
    """DataError unless the value is a whole number of at least so much."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise DataError(f"DataLoader: {name} is {value!r}; give a whole number of at least {least}: {meaning}")


def check_device(device: str | Device | None) -> Device | None:
    """The device, which is there: one that is missing shows now, not at the first batch."""
    if device is None:
        return None
    backend.to_device(np.zeros(0), device)
    return backend.device(device)


def check_place(loader: Given, there: Device | None) -> None:
    """DataError for what does not go with a data set that lies on a device, which makes its batches."""
    if there is None:
        return
    if loader.device not in (None, there):
        raise DataError(f"DataLoader: device is {loader.device}, but the data set lies on {there}; leave it away")
    if loader.num_workers:
        got = f"num_workers is {loader.num_workers}"
        raise DataError(f"DataLoader: {got}, but the data set's device, {there}, makes its batches; leave it away")


def check_position(loader: Any, position: object) -> int:
    """The number of a batch of the loader's epoch, or one past the last."""
    try:
        most = len(loader)
    except TypeError:  # of a sampler or a data set that has none
        most = None
    check_int("position", position, 0, "a batch number" if most is None else f"a batch number up to {most}")
    assert isinstance(position, (int, np.integer))
    if most is not None and position > most:
        raise DataError(
            f"DataLoader: position {position} is past the epoch's {most} batches; resume with the same"
            " data set and batch_size as before"
        )
    return int(position)


def orders(loader: Given) -> tuple[Any, ...]:
    """What chooses the loader's samples: None, where it does itself."""
    return loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)


def check_part(loader: Given, rank: object, size: object) -> None:
    """DataError for a part of a batch that there is not."""
    check_int("size", size, 1, "processes that share each batch")
    check_int("rank", rank, 0, "the process's number among them")
    assert isinstance(rank, (int, np.integer)) and isinstance(size, (int, np.integer))
    if rank >= size:
        raise DataError(f"DataLoader: rank is {rank} of {size} processes; give a number from 0 to {size - 1}")
    if loader.batch_size is None and loader.batch_sampler is None:
        raise DataError("DataLoader: single samples (batch_size=None) have no parts; give a batch_size")
    for order in orders(loader):
        if size > 1 and getattr(order, "num_replicas", 1) > 1:
            raise DataError(
                f"DataLoader: {type(order).__name__} gives each process other samples already, of which a part would "
                f"leave {size - 1} of {size} out; leave the sampler away, with shuffle=True for one order of all"
            )


def _check_counts(loader: Given) -> None:
    if loader.batch_size is not None:
        check_int("batch_size", loader.batch_size, 1, "samples a batch")
    if loader.prefetch is not None:
        check_int("prefetch", loader.prefetch, 0, "batches made ahead (0: no thread)")
    check_int("num_workers", loader.num_workers, 0, "processes that make batches (0: none)")
    if loader.prefetch_factor is not None:
        check_int("prefetch_factor", loader.prefetch_factor, 1, "batches that each worker makes ahead")
    number = isinstance(loader.timeout, (int, float, np.number)) and not isinstance(loader.timeout, bool)
    if not number or not 0 <= loader.timeout < math.inf:
        raise DataError(f"DataLoader: timeout is {loader.timeout!r}; give seconds, at least 0 (0: no limit)")


def _check_functions(loader: Given) -> None:
    form = {"transform": "transform(*batch, rng)", "collate_fn": "collate_fn(samples)", "worker_init_fn": "init(id)"}
    for name, how in form.items():
        function = getattr(loader, name)
        if function is not None and not callable(function):
            raise DataError(f"DataLoader: {name} is {function!r}; give a function {how}")


def _check_order(loader: Given, iterable: bool) -> None:
    given = [name for name in ("sampler", "batch_sampler") if getattr(loader, name) is not None]
    for name in given:
        order = getattr(loader, name)
        if not hasattr(order, "__iter__") and not hasattr(order, "__getitem__"):
            what = "indices" if name == "sampler" else "lists of indices"
            raise DataError(f"DataLoader: {name} is {order!r}; give an iterable of {what}")
    if iterable and (given or loader.shuffle):
        what = given[0] if given else "shuffle"
        raise DataError(f"DataLoader: an IterableDataset has its own order, but {what} was given; leave it away")
    if given and loader.shuffle:
        raise DataError(f"DataLoader: {given[0]} and shuffle=True both choose the order; give one of them")
    if loader.batch_sampler is not None and (loader.batch_size != 1 or loader.sampler is not None or loader.drop_last):
        raise DataError(
            "DataLoader: batch_sampler replaces batch_size, shuffle, sampler and drop_last; leave these away"
        )
    if loader.batch_size is None and loader.drop_last:
        raise DataError("DataLoader: batch_size=None makes no batches, so drop_last drops none; leave it away")


def _check_samples(loader: Given) -> None:
    dataset, size = loader.dataset, loader.batch_size
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            f"DataLoader: {type(dataset).__name__} lacks __getitem__ or __len__; give both, or derive it from"
            " gpunn.data.IterableDataset"
        )
    if loader.sampler is None and loader.batch_sampler is None:
        if len(dataset) == 0:
            raise DataError("DataLoader: the data set is empty; give one with at least one sample")
        if size is not None and loader.drop_last and len(dataset) < size:
            raise DataError(
                f"DataLoader: drop_last=True leaves no batch, since {len(dataset)} samples are fewer than"
                f" batch_size {size}; use a smaller batch_size or drop_last=False"
            )


def _check_workers(loader: Given, iterable: bool) -> None:
    if loader.workers not in KINDS:
        raise DataError(f'DataLoader: workers is {loader.workers!r}; give "processes" or "threads"')
    if not loader.num_workers:
        options = {
            "timeout": loader.timeout,
            "prefetch_factor": loader.prefetch_factor,
            "persistent_workers": loader.persistent_workers,
            "multiprocessing_context": loader.multiprocessing_context,
        }
        if found := [name for name, value in options.items() if value]:
            raise DataError(f"DataLoader: {found[0]} is for workers, and num_workers is 0; give num_workers=1 or more")
    context, known = loader.multiprocessing_context, multiprocessing.get_all_start_methods()
    if not isinstance(context, BaseContext | None) and context not in known:
        names = ", ".join(f'"{name}"' for name in known)
        raise DataError(f"DataLoader: multiprocessing_context is {context!r}; give {names}, or a context of these")
    if iterable and loader.num_workers and loader.workers == "threads":
        raise DataError(
            'DataLoader: threads cannot share an IterableDataset; give workers="processes" or num_workers=0'
        )
