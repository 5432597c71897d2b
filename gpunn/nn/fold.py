"""Windows of images as columns, and back."""

from __future__ import annotations

from gpunn import ops
from gpunn.checks import Ints, as_ints
from gpunn.engine.operators import A
from gpunn.nn.module import Module
from gpunn.window import short_text, size_text


class Unfold(Module):
    """ops.unfold: x (N, C, H, W) to columns (N, C*R*S, L).

    >>> layer = nn.Unfold(3, padding=1)
    >>> layer
    Unfold(3x3, stride 1, padding 1)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape
    (2, 27, 64)
    """

    def __init__(self, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1):
        super().__init__()
        _take(self, kernel_size, dilation, padding, stride)

    def forward(self, x: A) -> A:
        return ops.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return _text(self)


class Fold(Module):
    """ops.fold: columns (N, C*R*S, L) to images (N, C, H, W) of output_size, summed where windows overlap.

    >>> layer = nn.Fold((8, 8), 2, stride=2)
    >>> layer
    Fold(to 8x8, 2x2, stride 2, padding 0)
    >>> layer(np.ones((2, 12, 16), np.float32)).shape
    (2, 3, 8, 8)
    """

    def __init__(self, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1):
        super().__init__()
        self.output_size = as_ints("Fold", "output_size", output_size, 2, 1)
        _take(self, kernel_size, dilation, padding, stride)

    def forward(self, x: A) -> A:
        return ops.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"to {size_text(self.output_size)}, {_text(self)}"


def _take(layer: Unfold | Fold, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> None:
    op = type(layer).__name__
    layer.kernel_size = as_ints(op, "kernel_size", kernel_size, 2, 1)
    layer.dilation, layer.stride = as_ints(op, "dilation", dilation, 2, 1), as_ints(op, "stride", stride, 2, 1)
    layer.padding = as_ints(op, "padding", padding, 2, 0)


def _text(layer: Unfold | Fold) -> str:
    text = f"{size_text(layer.kernel_size)}, stride {short_text(layer.stride)}, padding {short_text(layer.padding)}"
    return text + (f", dilation {short_text(layer.dilation)}" if max(layer.dilation) > 1 else "")
