"""Between what a pooling is given and what its twin takes: a batch always, and two axes of space at least."""

from __future__ import annotations

from typing import NamedTuple

from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.checks import cached, check_planes

LETTERS = {1: "N, C, L", 2: "N, C, H, W", 3: "N, C, D, H, W"}


class Frame(NamedTuple):
    """Axes of space that x has, and whether it has a batch; of one axis it is a row of height 1, by a view."""

    rank: int
    batched: bool

    def lift(self, a: Array) -> Array:
        """x as the twin takes it."""
        a = a if self.batched else a[None]
        return a[:, :, None] if self.rank == 1 else a

    def drop(self, y: Array) -> Array:
        """What the twin gave in the axes of x."""
        y = y[:, :, 0] if self.rank == 1 else y
        return y if self.batched else y[0]

    def sizes(self, sizes: tuple[int, ...], none: int) -> tuple[int, ...]:
        """A size an axis, `none` along the one that x lacks."""
        return (none, *sizes) if self.rank == 1 else sizes

    def shape(self, shape: Shape) -> Shape:
        """The shape that `lift` gives an array of this one."""
        shape = shape if self.batched else (1, *shape)
        return (*shape[:2], 1, *shape[2:]) if self.rank == 1 else shape


@cached
def frame_of(op: str, rank: int, shape: Shape) -> Frame:
    """The frame of x; refuses other ranks than (N, C, *) and (C, *), and zero sizes but N."""
    return Frame(rank, check_planes(op, shape, rank, LETTERS[rank]))
