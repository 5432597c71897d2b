"""Ranks with unequal numbers of batches: those that are done take part until all are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.dist.alike import share
from gpunn.dist.averaging import Averaging
from gpunn.errors import DistError
from gpunn.nn import SyncBatchNorm
from gpunn.optim import Optimizer
from gpunn.ranks.group import Group


@contextmanager
def joining(
    averaging: Averaging, optimizers: Sequence[Optimizer], enable: bool, throw_on_early_termination: bool
) -> Iterator[None]:
    """The block of `DataParallel.join`."""
    group = averaging.group
    if not enable or group.size == 1:
        yield
        return
    if averaging.meet is not None:
        raise DistError("DataParallel.join: called inside another block of join; leave the inner one out")
    for name, layer in averaging.module.named_modules():
        if isinstance(layer, SyncBatchNorm):
            raise DistError(
                f"DataParallel.join: {name or 'the network'} is a SyncBatchNorm, to which all ranks have to come in "
                "each forward; give all ranks as many batches, of no samples where there are none left"
            )
    meeting = Meeting(group, throw_on_early_termination)
    averaging.meet = meeting.forward
    try:
        yield
    finally:
        averaging.meet = None
    arrays, buffers = ([t.array for t in some] for some in (averaging.module.parameters(), averaging.module.buffers()))
    while asked := meeting.done():
        due, with_buffers = asked
        if due and with_buffers:
            share(buffers, group, meeting.last)
        if due:
            averaging.take_part()
    share([*arrays, *buffers], group, meeting.last)
    for optimizer in optimizers:
        share_state(optimizer, group, meeting.last)


class Meeting:
    """Where ranks say before each forward that they have a batch, or that they are done.

    last: a rank that had a batch when any had one the last time.
    """

    def __init__(self, group: Group, throw: bool):
        self.group, self.throw, self.last = group, throw, 0

    def forward(self, due: bool, with_buffers: bool) -> int:
        """Say that this rank has a batch; whose buffers count."""
        self._say([due, with_buffers])
        return self.last

    def done(self) -> list[bool] | None:
        """Say that this rank is done; what those do that are not, None where all are."""
        return self._say(None)[self.last]

    def _say(self, mine: list[bool] | None) -> list[list[bool] | None]:
        found = self.group.exchange(mine)
        here = [rank for rank, one in enumerate(found) if one is not None]
        if self.throw and 0 < len(here) < len(found):
            rank = next(rank for rank, one in enumerate(found) if one is None)
            raise DistError(
                f"DataParallel.join: rank {rank} has no more batches, but others have; give all ranks as many, or "
                "leave throw_on_early_termination out"
            )
        self.last = here[0] if here else self.last
        return found


def share_state(optimizer: Optimizer, group: Group, src: int) -> None:
    """Give all ranks what rank src's optimizer keeps, and its options."""
    saved = optimizer.state_dict()
    arrays: list[Array] = []
    skeleton = _without_arrays(saved, arrays)
    skeleton = group.exchange(skeleton if group.rank == src else None)[src]
    theirs: object = saved
    if group.rank != src:
        where = backend.device_of(next(iter(optimizer.parameters())).array)
        arrays = []
        theirs = _with_arrays(skeleton, arrays, where)
    share(arrays, group, src)
    if group.rank != src:
        optimizer.load_state_dict(theirs)  # type: ignore[arg-type]


def _without_arrays(value: object, arrays: list[Array]) -> object:
    """A tree of what JSON takes, where dtype and shape stand for each array, which is appended to the list."""
    if backend.is_array(value):
        arrays.append(value)
        return {"array of": [value.dtype.name, list(value.shape)]}
    if isinstance(value, dict):
        return {str(key): _without_arrays(one, arrays) for key, one in value.items()}
    return [_without_arrays(one, arrays) for one in value] if isinstance(value, (list, tuple)) else value


def _with_arrays(value: object, arrays: list[Array], where: backend.Device) -> object:
    """The tree again, of arrays to be filled in."""
    if isinstance(value, dict) and value.keys() == {"array of"}:
        dtype, shape = value["array of"]
        arrays.append(backend.to_device(np.zeros(shape, dtype), where))
        return arrays[-1]
    if isinstance(value, dict):
        return {key: _with_arrays(one, arrays, where) for key, one in value.items()}
    return [_with_arrays(one, arrays, where) for one in value] if isinstance(value, list) else value
