"""Layers that pool to a wanted size."""

from __future__ import annotations

from typing import ClassVar

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import as_ints
from gpunn.engine.operators import A
from gpunn.nn.module import Module, Reach
from gpunn.ops.adaptive_pool import Sizes
from gpunn.window import size_text


class _Adaptive(Module):
    """What the layers share: the wanted size, an int an axis, None where it is x's own."""

    rank: ClassVar[int]

    def __init__(self, output_size: Sizes):
        super().__init__()
        sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * self.rank
        name = type(self).__name__
        as_ints(name, "output_size", tuple([1 if size is None else size for size in sizes]), self.rank, 1)
        self.output_size: tuple[int | None, ...] = sizes * self.rank if len(sizes) == 1 else sizes

    def extra_repr(self) -> str:
        """(None, 2) as "to *x2": an asterisk keeps x's size."""
        return "to " + size_text(["*" if size is None else size for size in self.output_size])

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        """The largest window, from floor(i n / m) to ceil((i + 1) n / m), and the mean distance between windows."""
        sizes = list(zip(x_shape[-self.rank :], y_shape[-self.rank :], strict=True))
        largest = [max(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in sizes]
        return tuple(largest), tuple(n / m for n, m in sizes)


class _AdaptiveMax(_Adaptive):
    """The same, whose op may give indices too."""

    def __init__(self, output_size: Sizes, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveAvgPool1d(_Adaptive):
    """ops.adaptive_avg_pool1d.

    >>> nn.AdaptiveAvgPool1d(2)(np.ones((2, 3, 7), np.float32)).shape
    (2, 3, 2)
    """

    rank = 1

    def forward(self, x: A) -> A:
        return ops.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """ops.adaptive_avg_pool2d; AdaptiveAvgPool2d(1) is the global pool, from (N, C, H, W) to (N, C, 1, 1).

    >>> layer = nn.AdaptiveAvgPool2d(1)
    >>> layer
    AdaptiveAvgPool2d(to 1x1)
    >>> layer(np.ones((2, 3, 7, 7), np.float32)).shape
    (2, 3, 1, 1)
    """

    rank = 2

    def forward(self, x: A) -> A:
        return ops.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveAvgPool3d(_Adaptive):
    """ops.adaptive_avg_pool3d.

    >>> nn.AdaptiveAvgPool3d((1, 2, None))(np.ones((2, 3, 4, 5, 6), np.float32)).shape
    (2, 3, 1, 2, 6)
    """

    rank = 3

    def forward(self, x: A) -> A:
        return ops.adaptive_avg_pool3d(x, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """ops.adaptive_max_pool1d; with return_indices it gives (y, indices).

    >>> nn.AdaptiveMaxPool1d(2)(np.ones((2, 3, 7), np.float32)).shape
    (2, 3, 2)
    """

    rank = 1

    def forward(self, x: A) -> A | tuple[A, A]:
        if self.return_indices:
            return ops.adaptive_max_pool1d(x, self.output_size, return_indices=True)
        return ops.adaptive_max_pool1d(x, self.output_size)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """ops.adaptive_max_pool2d; with return_indices it gives (y, indices). AdaptiveMaxPool2d(1) is the global pool.

    >>> layer = nn.AdaptiveMaxPool2d((2, 3))
    >>> layer
    AdaptiveMaxPool2d(to 2x3)
    >>> layer(np.ones((2, 3, 7, 7), np.float32)).shape
    (2, 3, 2, 3)
    """

    rank = 2

    def forward(self, x: A) -> A | tuple[A, A]:
        if self.return_indices:
            return ops.adaptive_max_pool2d(x, self.output_size, return_indices=True)
        return ops.adaptive_max_pool2d(x, self.output_size)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """ops.adaptive_max_pool3d; with return_indices it gives (y, indices).

    >>> nn.AdaptiveMaxPool3d(2)(np.ones((2, 3, 4, 5, 6), np.float32)).shape
    (2, 3, 2, 2, 2)
    """

    rank = 3

    def forward(self, x: A) -> A | tuple[A, A]:
        if self.return_indices:
            return ops.adaptive_max_pool3d(x, self.output_size, return_indices=True)
        return ops.adaptive_max_pool3d(x, self.output_size)
