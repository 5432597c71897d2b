"""Layers that pool by the norm of a window."""

from __future__ import annotations

from typing import ClassVar

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, as_ints
from gpunn.engine.operators import A
from gpunn.nn.module import Module, Reach
from gpunn.ops.norm_pool import as_order
from gpunn.window import short_text, size_text


class _LPPool(Module):
    """What the layers share: the order of the norm, and the window."""

    rank: ClassVar[int]

    def __init__(self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False):
        super().__init__()
        name = type(self).__name__
        self.norm_type = as_order(name, norm_type)
        self.kernel_size = as_ints(name, "kernel_size", kernel_size, self.rank, 1)
        self.stride = self.kernel_size if stride is None else as_ints(name, "stride", stride, self.rank, 1)
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        text = f"norm {self.norm_type:g}, {size_text(self.kernel_size)}, stride {short_text(self.stride)}"
        return text + ", ceil_mode" * self.ceil_mode

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return self.kernel_size, self.stride


class LPPool1d(_LPPool):
    """ops.lp_pool1d.

    >>> nn.LPPool1d(2, 3, stride=2)(np.ones((2, 3, 9), np.float32)).shape
    (2, 3, 4)
    """

    rank = 1

    def forward(self, x: A) -> A:
        return ops.lp_pool1d(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """ops.lp_pool2d.

    >>> layer = nn.LPPool2d(2, 2)
    >>> layer
    LPPool2d(norm 2, 2x2, stride 2)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape
    (2, 3, 4, 4)
    """

    rank = 2

    def forward(self, x: A) -> A:
        return ops.lp_pool2d(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """ops.lp_pool3d.

    >>> nn.LPPool3d(2, (1, 2, 2))(np.ones((2, 3, 4, 6, 8), np.float32)).shape
    (2, 3, 4, 3, 4)
    """

    rank = 3

    def forward(self, x: A) -> A:
        return ops.lp_pool3d(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)
