"""How a convolution is cut into blocks: by shape alone, so that results do not depend on the number of threads."""

from __future__ import annotations

import math
from collections.abc import Iterator

BYTES = 3 << 20  # one block of cols; smaller ones fit L2 but hand the GIL over too often (1.7 ms against 1.0)
ROWS = 256  # and at least so many rows, over which BLAS spreads the packing of the weights


class Blocks:
    """How the batch is cut: `images` to a task, and a task into slabs of `depth` along the first spatial axis."""

    def __init__(self, images: int, out: tuple[int, ...], row_bytes: int) -> None:
        target = max(ROWS, BYTES // max(row_bytes, 1))
        positions = max(1, math.prod(out))
        self.total, self.out = images, out
        tasks = -(-images // max(1, target // positions))
        tasks += tasks % 2  # an even number, so that two threads share alike
        self.images = max(1, -(-images // max(tasks, 1)))
        self.count = -(-images // self.images) if math.prod(out) else 0
        self.depth = max(1, out[0] if positions <= target else target * out[0] // positions)

    def span(self, task: int) -> tuple[int, int]:
        return task * self.images, min(self.total, (task + 1) * self.images)

    def slabs(self) -> Iterator[tuple[int, int]]:
        for low in range(0, self.out[0], self.depth):
            yield low, min(self.out[0], low + self.depth)
