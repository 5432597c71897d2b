"""A run of several ranks: joining them, one who speaks, and what one does before the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gpunn import dist
from gpunn.errors import UsageError
from gpunn.ranks import environment
from gpunn.ranks.group import current
from gpunn.recipes.config import Config
from gpunn.recipes.device import usable_device
from gpunn.terminal import silence

PATIENCE = 86400.0  # seconds for a download, or for unpacking, that one rank does for all


@contextmanager
def among_ranks(config: Config) -> Iterator[None]:
    """A block in which this process is one of the ranks that a launcher has started, if any has; rank 0 alone speaks.

    UsageError for a batch with less than an image for each.
    """
    size = environment.place().size
    if size > 1 and not dist.is_initialized():
        if config.batch_size < size:
            raise UsageError(
                f"train: a batch of {config.batch_size} images has none for some of {size} ranks; give --batch-size "
                f"{size} or more, or start fewer"
            )
        dist.init(usable_device(config.device).type)
    with silence(current().rank > 0):
        yield


@contextmanager
def in_turn() -> Iterator[None]:
    """A block that rank 0 goes through first, however long that takes, and then all others."""
    group = current()
    limit, group.timeout = group.timeout, PATIENCE
    try:
        if group.rank > 0:
            group.barrier()
        yield
        if group.rank == 0:
            group.barrier()
    finally:
        group.timeout = limit
