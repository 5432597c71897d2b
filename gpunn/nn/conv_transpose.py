"""Transposed convolution layers."""

from __future__ import annotations

import math

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, as_ints
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.conv import as_channels, extent, parameters, window_repr
from gpunn.nn.module import Module
from gpunn.nn.placed import placed
from gpunn.nn.receptive import Reach
from gpunn.window import short_text


class _ConvTranspose(Module):
    """What the layers of the three ranks share."""

    rank: int

    @placed
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
    ):
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.in_channels, self.out_channels = as_channels(op, in_channels, out_channels, groups)
        self.kernel_size = as_ints(op, "kernel_size", kernel_size, rank, 1)
        self.stride, self.dilation = as_ints(op, "stride", stride, rank, 1), as_ints(op, "dilation", dilation, rank, 1)
        self.padding = as_ints(op, "padding", padding, rank, 0)
        self.output_padding = as_ints(op, "output_padding", output_padding, rank, 0)
        self.groups = groups
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.weight, self.bias = parameters(shape, out_channels if bias else 0)

    def reset_parameters(self) -> None:
        """The first values anew: uniform over +-1 / sqrt(fan_in)."""
        init.default_(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        op = (ops.conv_transpose1d, ops.conv_transpose2d, ops.conv_transpose3d)[self.rank - 1]
        options = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return op(x, self.weight, self.bias, *options)

    def extra_repr(self) -> str:
        text = window_repr(self)
        text += f", output_padding {short_text(self.output_padding)}" if max(self.output_padding) else ""
        return text if self.bias is not None else text + ", no bias"

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * math.prod(x_shape) * math.prod(self.weight.shape[1:])

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        most = tuple(-(-n // s) for n, s in zip(extent(self), self.stride, strict=True))  # x's that meet in one of y
        return most, tuple(1 / s for s in self.stride)


class ConvTranspose1d(_ConvTranspose):
    """conv_transpose1d with a learned weight (in_channels, out_channels / groups, S) and bias.

    >>> nn.ConvTranspose1d(8, 3, 2, stride=2)(np.ones((2, 8, 4), np.float32)).shape
    (2, 3, 8)
    """

    rank = 1


class ConvTranspose2d(_ConvTranspose):
    """conv_transpose2d with a learned weight (in_channels, out_channels / groups, R, S) and bias.

    >>> layer = nn.ConvTranspose2d(8, 3, 2, stride=2)
    >>> layer
    ConvTranspose2d(8->3, 2x2, stride 2, padding 0)
    >>> layer(np.ones((2, 8, 4, 4), np.float32)).shape
    (2, 3, 8, 8)
    """

    rank = 2


class ConvTranspose3d(_ConvTranspose):
    """conv_transpose3d with a learned weight (in_channels, out_channels / groups, T, R, S) and bias.

    >>> nn.ConvTranspose3d(8, 3, 2, stride=2)(np.ones((2, 8, 2, 3, 4), np.float32)).shape
    (2, 3, 4, 6, 8)
    """

    rank = 3
