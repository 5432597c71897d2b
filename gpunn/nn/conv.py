"""Convolution layers."""

from __future__ import annotations

import math
from typing import Protocol

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, as_count, as_ints, check_choice
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import Parameter, empty
from gpunn.nn.placed import placed
from gpunn.nn.receptive import Reach
from gpunn.window import Pooling, Window, short_text, size_text

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Windowed(Protocol):
    """A layer with a sliding window."""

    kernel_size: Shape
    dilation: Shape


class Convolving(Windowed, Protocol):
    """A layer that convolves, this way or that."""

    in_channels: int
    out_channels: int
    stride: Shape
    groups: int

    @property
    def padding(self) -> Shape | str: ...


def extent(layer: Windowed) -> tuple[int, ...]:
    """From a layer's first window element to its last, dilation included; padding, perhaps a word, has no part."""
    return Window.of(layer.kernel_size, dilation=layer.dilation, rank=len(layer.kernel_size)).extent


class _Conv(Module):
    """What the layers of the three ranks share."""

    rank: int

    @placed
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.in_channels, self.out_channels = as_channels(op, in_channels, out_channels, groups)
        self.kernel_size = as_ints(op, "kernel_size", kernel_size, rank, 1)
        self.stride, self.dilation = as_ints(op, "stride", stride, rank, 1), as_ints(op, "dilation", dilation, rank, 1)
        self.groups, self.padding_mode = groups, padding_mode
        check_choice(op, "padding_mode", padding_mode, PADDING_MODES)
        if isinstance(padding, str):
            check_choice(op, "padding", padding, ("same", "valid"))
            if padding == "same" and max(self.stride) > 1:
                raise ValueError(
                    f'{op}: padding="same" needs stride 1, got stride {stride}; give the padding as numbers'
                )
        self.padding = padding if isinstance(padding, str) else as_ints(op, "padding", padding, rank, 0)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight, self.bias = parameters(shape, out_channels if bias else 0)

    def reset_parameters(self) -> None:
        """The first values anew: uniform over +-1 / sqrt(fan_in)."""
        init.default_(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        op = ops.conv1d if self.rank == 1 else ops.conv3d
        x, padding = self._padded(x)
        return op(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _padded(self, x: Tensor) -> tuple[Tensor, Shape | str | int]:
        """x, and the padding that is left to the op: none where it is not of zeros."""
        if self.padding_mode == "zeros":
            return x, self.padding
        return ops.pad(x, self._around(), mode=self.padding_mode), 0

    def _around(self) -> tuple[int, ...]:
        """(left, right, top, bottom, ...): padding as ops.pad takes it."""
        pairs = []
        for i in reversed(range(self.rank)):
            both = self.dilation[i] * (self.kernel_size[i] - 1) if self.padding == "same" else 0
            pairs += [both // 2, both - both // 2] if isinstance(self.padding, str) else [self.padding[i]] * 2
        return tuple(pairs)

    def extra_repr(self) -> str:
        text = window_repr(self)
        text += f", padding_mode {self.padding_mode}" if self.padding_mode != "zeros" else ""
        return text if self.bias is not None else text + ", no bias"

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * math.prod(y_shape) * math.prod(self.weight.shape[1:])

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return extent(self), self.stride


class Conv1d(_Conv):
    """conv1d with a learned weight (out_channels, in_channels / groups, S) and bias; padding_mode as in PyTorch.

    >>> layer = nn.Conv1d(3, 8, 5)
    >>> layer
    Conv1d(3->8, 5, stride 1, padding 0)
    >>> layer(np.ones((2, 3, 20), np.float32)).shape
    (2, 8, 16)
    """

    rank = 1


class Conv2d(_Conv):
    """conv2d with a learned weight (out_channels, in_channels / groups, R, S) and bias; padding_mode as in PyTorch.

    >>> layer = nn.Conv2d(3, 8, 3, padding=1)
    >>> layer
    Conv2d(3->8, 3x3, stride 1, padding 1)
    >>> layer(np.ones((2, 3, 16, 16), np.float32)).shape
    (2, 8, 16, 16)

    An activation ("relu", "tanh") and a pooling may follow in the same call, on a device in fewer launches:

    >>> layer(np.ones((2, 3, 16, 16), np.float32), activation="relu", pool=gpunn.Pooling.max(2)).shape
    (2, 8, 8, 8)
    """

    rank = 2

    def forward(self, x: Tensor, activation: str | None = None, pool: Pooling | None = None) -> Tensor:
        return self.convolved(x, self.weight, self.bias, activation, pool)

    def convolved(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        activation: str | None,
        pool: Pooling | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """What forward gives with these in place of its own weight and bias, and a residual as ops.conv2d adds it."""
        x, padding = self._padded(x)
        options = self.stride, padding, self.dilation, self.groups
        return ops.conv2d(x, weight, bias, *options, activation, pool, residual)

    def prepared(self, x: Tensor) -> tuple[Tensor, tuple[Shape, Shape | str | int, Shape, int]]:
        """x, padded where not by zeros, and the op's stride, padding, dilation and groups."""
        x, padding = self._padded(x)
        return x, (self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """conv3d with a learned weight (out_channels, in_channels / groups, T, R, S) and bias; see Conv2d.

    >>> layer = nn.Conv3d(1, 2, 3)
    >>> layer
    Conv3d(1->2, 3x3x3, stride 1, padding 0)
    >>> layer(np.ones((2, 1, 4, 8, 8), np.float32)).shape
    (2, 2, 2, 6, 6)
    """

    rank = 3


def as_channels(op: str, in_channels: int, out_channels: int, groups: int) -> tuple[int, int]:
    """The two counts, refused where groups do not divide them."""
    groups = as_count(op, "groups", groups)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if as_count(op, name, channels) % groups:
            raise ValueError(f"{op}: {name} is {channels}, expected a multiple of groups={groups}")
    return in_channels, out_channels


def parameters(shape: tuple[int, ...], biases: int) -> tuple[Parameter, Parameter | None]:
    """A weight and, unless biases is 0, a bias on the default device, with PyTorch's default values.

    The weight (K, C, *size) lies in memory as K, *size, C: as kernels read it.
    """
    k, c, *size = shape
    memory = empty(k, *size, c).array
    weight, bias = Parameter(memory.transpose((0, memory.ndim - 1, *range(1, memory.ndim - 1)))), None
    if biases:
        bias = empty(biases)
    init.default_(weight, bias)
    return weight, bias


def window_repr(layer: Convolving) -> str:
    """What the layers print of their channels and windows."""
    text = f"{layer.in_channels}->{layer.out_channels}, {size_text(layer.kernel_size)}"
    text += f", stride {short_text(layer.stride)}, padding {short_text(layer.padding)}"
    text += f", dilation {short_text(layer.dilation)}" if max(layer.dilation) > 1 else ""
    return text + (f", groups {layer.groups}" if layer.groups > 1 else "")
