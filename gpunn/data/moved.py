"""Batches on their way to a device."""

from __future__ import annotations

from gpunn import backend
from gpunn.backend import Device
from gpunn.data.collate import Batch, mapped
from gpunn.engine.tensor import Tensor, data_of


class Moved(tuple):
    """Arrays on a device; `given` is what they were made of, for whoever would else have to wait for the device."""

    given: tuple


class MovedList(list):
    """Tensors on a device; `given` are the arrays that they were made of."""

    given: list


def moved(batch: Batch, device: Device) -> Batch:
    """The batch on the device: its arrays and Tensors, in whatever structure holds them."""
    if isinstance(batch, tuple) and not hasattr(batch, "_fields"):  # a batched data set's arrays
        there = Moved(_there(part, device) for part in batch)
        there.given = batch
        return there
    if isinstance(batch, list):
        made = MovedList(_there(part, device) for part in batch)
        made.given = [data_of(part) if isinstance(part, Tensor) else part for part in batch]
        return made
    return _there(batch, device)


def _there(value: Batch, device: Device) -> Batch:
    if isinstance(value, Tensor):
        return Tensor(backend.to_device(data_of(value), device))
    if backend.is_array(value):
        return backend.to_device(value, device)
    return mapped(lambda part: _there(part, device), value)
