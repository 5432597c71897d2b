"""Samples put together into a batch, by PyTorch's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from gpunn import ops
from gpunn.backend import array_module, device_of, is_array
from gpunn.data.dataset import Sample
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import DataError

Batch: TypeAlias = Sample  # the structure of a sample, its leaves with a new first axis
WORDS = "tensors, arrays, numbers, strings, dicts, tuples or lists"


def default_collate(batch: Sequence) -> Batch:
    """A batch of samples of one kind: Tensors with a new first axis, in the structure that the samples have.

    Tensors, arrays and numbers become a Tensor (float -> float64, int -> int64, bool -> bool), strings and bytes stay
    a list; a dict gives a dict of batches, a named tuple a named tuple, a tuple or list a list. Raises TypeError for
    what is none of these, and DataError where samples differ in shape or length.

    Examples:
        >>> data.default_collate([({"x": np.zeros(2, np.float32)}, "a"), ({"x": np.ones(2, np.float32)}, "b")])
        [{'x': Tensor([[0., 0.],
                [1., 1.]])}, ['a', 'b']]
    """
    if not len(batch):
        raise DataError("default_collate: got no samples; give at least one")
    first = batch[0]
    if isinstance(first, Tensor) or is_array(first):
        return _stacked(batch)
    if isinstance(first, (np.number, np.bool_)):
        return Tensor(np.asarray(batch))
    if isinstance(first, float):
        return Tensor(np.asarray(batch, dtype=np.float64))
    if isinstance(first, int):
        kinds = {type(sample) for sample in batch}  # an int64 that is too large for one raises OverflowError
        return Tensor(np.asarray(batch, dtype=np.float32 if float in kinds else bool if kinds == {bool} else np.int64))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        made = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return made if type(first) is dict else _like(first, made)
    if isinstance(first, Sequence):
        return _transposed(first, batch)
    hint = "; turn images into tensors first, with transforms.ToTensor()" if hasattr(first, "getbands") else ""
    raise TypeError(f"default_collate: a batch holds {WORDS}, but found {type(first).__name__}{hint}")


def default_convert(sample: Sample) -> Sample:
    """The sample with its arrays as Tensors: what a DataLoader with batch_size=None gives.

    Examples:
        >>> data.default_convert([np.arange(2), "a", 1.5])
        [Tensor([0, 1], dtype=int64), 'a', 1.5]
    """
    if isinstance(sample, (np.generic, np.ndarray)) and sample.dtype.kind in "SUO":
        return sample
    if is_array(sample) or isinstance(sample, np.generic):
        return Tensor(sample)
    return mapped(default_convert, sample)


def mapped(change: Callable[[Sample], Sample], value: Sample) -> Sample:
    """Dicts, tuples and lists with `change` of what they hold; anything else as it is."""
    if isinstance(value, Mapping):
        made = {key: change(part) for key, part in value.items()}
        return made if type(value) is dict else _like(value, made)
    if isinstance(value, tuple):
        made = [change(part) for part in value]
        return type(value)(*made) if hasattr(value, "_fields") else made
    return [change(part) for part in value] if isinstance(value, list) else value


def emptied(one: Batch, two: Batch) -> Batch:
    """The batch of no samples, of the batches of a sample once and twice, which tell what grows by the sample."""
    if isinstance(one, Tensor) or is_array(one):
        if one.ndim and two.shape[0] == 2 * one.shape[0]:
            return one[:0]
    elif isinstance(one, Mapping):
        made = {key: emptied(part, two[key]) for key, part in one.items()}
        return made if type(one) is dict else _like(one, made)
    elif isinstance(one, (tuple, list)):
        if (len(one), len(two)) == (1, 2):
            return one[:0]
        made = [emptied(*parts) for parts in zip(one, two, strict=True)]
        return type(one)(*made) if hasattr(one, "_fields") else made if type(one) is list else tuple(made)
    raise DataError(
        f"DataLoader: a part of a batch has no samples, but the batch holds {type(one).__name__}, which has no axis of "
        "samples; let collate_fn and transform give arrays and lists of one entry a sample, in tuples, lists or dicts"
    )


def _stacked(batch: Sequence) -> Tensor:
    if any(isinstance(sample, Tensor) and sample.requires_grad for sample in batch):
        return ops.stack(tuple(batch))
    arrays = [data_of(sample) for sample in batch]
    if arrays[0].dtype.kind in "SUO":
        raise TypeError(f"default_collate: a batch holds {WORDS}, but found an array of {arrays[0].dtype}")
    if len({type(a) for a in arrays}) > 1 and len(places := {str(device_of(a)) for a in arrays}) > 1:
        where = " and ".join(sorted(places))
        raise DataError(
            f"default_collate: samples lie on {where}, expected one device; move them first, with .to(device)"
        )
    if len(shapes := {a.shape for a in arrays}) > 1:
        few = ", ".join(map(str, sorted(shapes)[:3]))
        raise DataError(
            f"default_collate: samples have the shapes {few}, expected one; scale or crop them, or give collate_fn"
        )
    return Tensor(array_module(arrays[0]).stack(arrays))


def _transposed(first: Sequence, batch: Sequence) -> Batch:
    if any(len(sample) != len(first) for sample in batch):
        lengths = sorted({len(sample) for sample in batch})
        raise DataError(f"default_collate: samples have {lengths} parts, expected equally many; give collate_fn")
    parts = [default_collate(part) for part in zip(*batch, strict=True)]
    if hasattr(first, "_fields"):  # a named tuple
        return type(first)(*parts)
    return parts if isinstance(first, (tuple, list)) else _like(first, parts)


def _like(first: Sample, made: Batch) -> Batch:
    """`made` in the type of `first`, if that can be made of it."""
    try:
        return type(first)(made)
    except TypeError:
        return made
