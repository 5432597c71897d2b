"""Layers that move elements between channels and space, or see an axis as several."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn import ops
from gpunn.checks import as_count, as_ints
from gpunn.engine.operators import A
from gpunn.nn.module import Module
from gpunn.scalars import as_int


class PixelShuffle(Module):
    """ops.pixel_shuffle: (*, C*r*r, H, W) to (*, C, H*r, W*r).

    >>> nn.PixelShuffle(2)(np.ones((1, 8, 3, 3))).shape
    (1, 2, 6, 6)
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = as_count("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: A) -> A:
        return ops.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"times {self.upscale_factor}"


class PixelUnshuffle(Module):
    """ops.pixel_unshuffle: (*, C, H*r, W*r) to (*, C*r*r, H, W).

    >>> nn.PixelUnshuffle(2)(np.ones((1, 2, 6, 6))).shape
    (1, 8, 3, 3)
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = as_count("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: A) -> A:
        return ops.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"by {self.downscale_factor}"


class ChannelShuffle(Module):
    """ops.channel_shuffle of x (N, C, *).

    >>> nn.ChannelShuffle(2)(np.arange(4.0).reshape(1, 4, 1)).reshape(4)
    array([0., 2., 1., 3.])
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = as_count("ChannelShuffle", "groups", groups)

    def forward(self, x: A) -> A:
        return ops.channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        return f"{self.groups} groups"


class Unflatten(Module):
    """x with its axis dim as the axes unflattened_size, one of which may be -1: the way back from Flatten.

    >>> nn.Unflatten(1, (2, 3))(np.ones((4, 6))).shape
    (4, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim = as_int("Unflatten", "dim", dim)
        sizes = unflattened_size
        if not isinstance(sizes, (tuple, list)) or not sizes:
            raise TypeError(f"Unflatten: unflattened_size is {sizes!r}, expected a tuple of ints, as (2, 3)")
        self.unflattened_size = as_ints("Unflatten", "unflattened_size", tuple(sizes), len(sizes), -1)

    def forward(self, x: A) -> A:
        return ops.unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim {self.dim} to {self.unflattened_size}"
