"""Sums that are split among blocks, of which the last adds up the parts: what kernels/conv2d/split.cuh takes."""

from __future__ import annotations

import math
from typing import NamedTuple

from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Scratch, Tickets

ADDED_AT_ONCE = 8  # parts that one block adds up about as fast as two rounds of blocks do


class Split(NamedTuple):
    """Arguments of a kernel, in its order."""

    parts: Scratch | None
    tickets: Tickets | None
    count: int
    fan: int


def split(count: int, tiles: int, rows: int, columns: int) -> Split:
    """Tiles of rows x columns sums, and one beside each row, in so many parts: nothing to keep where it is one.

    A block adds up all of a few parts, else about their root, so that sums and sums of sums are as many.
    """
    if count == 1:
        return Split(None, None, 1, 1)
    fan = count if count <= ADDED_AT_ONCE else math.isqrt(count - 1) + 1
    parts = Scratch("parts", (count, tiles, rows * columns + rows), "float32")
    return Split(parts, Tickets(tiles * (1 + blocks(count, fan))), count, fan)
