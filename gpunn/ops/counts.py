"""What a mean was taken over, told to whoever averages means: labels that are ignored count nothing there either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gpunn.backend import Array


@dataclass
class Count:
    """The weights' sum that a mean over `labels` was divided by: the last number of `sums`, perhaps on a device."""

    sums: Array
    labels: Array
    ignore_index: int


class _Here(threading.local):
    """This thread's list of counts; None where nobody asked."""

    taken: list[Count] | None = None


here = _Here()


@contextmanager
def counting() -> Iterator[list[Count]]:
    """A list that takes the count of each mean over class indices within the block.

    Examples:
        >>> from gpunn.ops.counts import counting
        >>> with counting() as counts:
        ...     loss = ops.cross_entropy(np.zeros((3, 2)), np.array([0, -100, 1]))
        >>> float(counts[0].sums)
        2.0
    """
    before, here.taken = here.taken, []
    try:
        yield here.taken
    finally:
        here.taken = before
