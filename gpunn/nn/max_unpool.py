"""Max unpooling layers."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn import ops
from gpunn.checks import Ints, as_ints
from gpunn.engine.operators import A, Operand
from gpunn.nn.module import Module
from gpunn.window import short_text, size_text


class _MaxUnpool(Module):
    """What the layers of the three ranks share."""

    rank: int

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0):
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.kernel_size = as_ints(op, "kernel_size", kernel_size, rank, 1)
        self.stride = self.kernel_size if stride is None else as_ints(op, "stride", stride, rank, 1)
        self.padding = as_ints(op, "padding", padding, rank, 0)

    def forward(self, x: A, indices: Operand, output_size: Sequence[int] | None = None) -> A:
        op = (ops.max_unpool1d, ops.max_unpool2d, ops.max_unpool3d)[self.rank - 1]
        return op(x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"{size_text(self.kernel_size)}, stride {short_text(self.stride)}, padding {short_text(self.padding)}"


class MaxUnpool1d(_MaxUnpool):
    """ops.max_unpool1d: layer(x, indices, output_size=None), with what MaxPool1d(..., return_indices=True) gave.

    >>> y, indices = nn.MaxPool1d(2, return_indices=True)(np.array([[1.0, 5.0, 7.0, 2.0]]))
    >>> nn.MaxUnpool1d(2)(y, indices)
    array([[0., 5., 7., 0.]])
    """

    rank = 1


class MaxUnpool2d(_MaxUnpool):
    """ops.max_unpool2d: layer(x, indices, output_size=None), with what MaxPool2d(..., return_indices=True) gave.

    >>> y, indices = nn.MaxPool2d(2, return_indices=True)(np.arange(8.0).reshape(1, 2, 4))
    >>> nn.MaxUnpool2d(2)(y, indices)
    array([[[0., 0., 0., 0.],
            [0., 5., 0., 7.]]])
    """

    rank = 2


class MaxUnpool3d(_MaxUnpool):
    """ops.max_unpool3d: layer(x, indices, output_size=None), with what MaxPool3d(..., return_indices=True) gave.

    >>> y, indices = nn.MaxPool3d(2, return_indices=True)(np.ones((1, 4, 4, 4)))
    >>> nn.MaxUnpool3d(2)(y, indices).shape
    (1, 4, 4, 4)
    """

    rank = 3
