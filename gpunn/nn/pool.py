"""Pooling layers."""

from __future__ import annotations

from typing import ClassVar

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, as_ints, cached
from gpunn.engine.operators import A
from gpunn.nn.conv import extent
from gpunn.nn.module import Module, Reach
from gpunn.window import Pooling, short_text, size_text

_max, _avg = cached(Pooling.max), cached(Pooling.avg)


class _MaxPool(Module):
    """What the layers of maxima share."""

    rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        name = type(self).__name__
        self.kernel_size, self.stride, self.padding = _window(name, kernel_size, stride, padding, self.rank)
        self.dilation = as_ints(name, "dilation", dilation, self.rank, 1)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def extra_repr(self) -> str:
        text = _window_repr(self)
        text += f", dilation {short_text(self.dilation)}" if max(self.dilation) > 1 else ""
        return text + ", ceil_mode" * self.ceil_mode

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return extent(self), self.stride


class _AvgPool(Module):
    """What the layers of means share."""

    rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        name = type(self).__name__
        self.kernel_size, self.stride, self.padding = _window(name, kernel_size, stride, padding, self.rank)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def extra_repr(self) -> str:
        return (
            _window_repr(self) + ", ceil_mode" * self.ceil_mode + ", padding not counted" * (not self.count_include_pad)
        )

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return self.kernel_size, self.stride


class MaxPool2d(_MaxPool):
    """ops.max_pool2d; with return_indices it gives (y, indices).

    >>> layer = nn.MaxPool2d(3, stride=2, padding=1)
    >>> layer
    MaxPool2d(3x3, stride 2, padding 1)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape
    (2, 3, 4, 4)
    """

    rank = 2

    def forward(self, x: A) -> A | tuple[A, A]:
        geometry = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        if self.return_indices:
            return ops.max_pool2d(x, *geometry, return_indices=True)
        return ops.max_pool2d(x, *geometry)

    @property
    def pooling(self) -> Pooling | None:
        """The layer as nn.Conv2d takes it to pool its own output; None where it gives indices too."""
        geometry = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return None if self.return_indices else _max(*geometry)


class AvgPool2d(_AvgPool):
    """ops.avg_pool2d.

    >>> layer = nn.AvgPool2d(2)
    >>> layer
    AvgPool2d(2x2, stride 2, padding 0)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape
    (2, 3, 4, 4)
    """

    rank = 2

    def forward(self, x: A) -> A:
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    @property
    def pooling(self) -> Pooling:
        """The layer as nn.Conv2d takes it to pool its own output."""
        return _avg(self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class MaxPool1d(_MaxPool):
    """ops.max_pool1d; with return_indices it gives (y, indices).

    >>> nn.MaxPool1d(2)(np.ones((2, 3, 8), np.float32)).shape
    (2, 3, 4)
    """

    rank = 1

    def forward(self, x: A) -> A | tuple[A, A]:
        geometry = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        if self.return_indices:
            return ops.max_pool1d(x, *geometry, return_indices=True)
        return ops.max_pool1d(x, *geometry)


class MaxPool3d(_MaxPool):
    """ops.max_pool3d; with return_indices it gives (y, indices).

    >>> nn.MaxPool3d(2)(np.ones((2, 3, 4, 6, 8), np.float32)).shape
    (2, 3, 2, 3, 4)
    """

    rank = 3

    def forward(self, x: A) -> A | tuple[A, A]:
        geometry = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        if self.return_indices:
            return ops.max_pool3d(x, *geometry, return_indices=True)
        return ops.max_pool3d(x, *geometry)


class AvgPool1d(_AvgPool):
    """ops.avg_pool1d.

    >>> nn.AvgPool1d(2)(np.ones((2, 3, 8), np.float32)).shape
    (2, 3, 4)
    """

    rank = 1

    def forward(self, x: A) -> A:
        return ops.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool3d(_AvgPool):
    """ops.avg_pool3d.

    >>> nn.AvgPool3d(2)(np.ones((2, 3, 4, 6, 8), np.float32)).shape
    (2, 3, 2, 3, 4)
    """

    rank = 3

    def forward(self, x: A) -> A:
        return ops.avg_pool3d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


def _window(op: str, kernel_size: Ints, stride: Ints | None, padding: Ints, rank: int) -> tuple[Shape, Shape, Shape]:
    size = as_ints(op, "kernel_size", kernel_size, rank, 1)
    stride = size if stride is None else as_ints(op, "stride", stride, rank, 1)
    padding = as_ints(op, "padding", padding, rank, 0)
    if any(2 * p > k for p, k in zip(padding, size, strict=True)):
        raise ValueError(f"{op}: padding is {padding}, expected at most half of kernel_size {size}; pad x with ops.pad")
    return size, stride, padding


def _window_repr(layer: _MaxPool | _AvgPool) -> str:
    return f"{size_text(layer.kernel_size)}, stride {short_text(layer.stride)}, padding {short_text(layer.padding)}"
