"""A convolution whose output channels read some of the input channels each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpunn import nn, ops
from gpunn.backend import default_device, to_device
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, as_count, as_ints
from gpunn.engine.tensor import Tensor
from gpunn.nn.parameter import empty
from gpunn.nn.receptive import Reach
from gpunn.window import size_text


class TableConv2d(nn.Module):
    """conv2d by a connection table: output channel k reads the input channels table[k] (LeCun et al. 1998, table I).

    weight (connections, R, S) holds one filter a connection, in the table's order, bias (K,) one number an output
    channel: nothing is kept for pairs without a connection. Initial values are uniform over +-1 / sqrt(fan_in), each
    output channel with its own fan_in.
    """

    def __init__(self, table: Sequence[Sequence[int]], kernel_size: Ints, in_channels: int | None = None):
        super().__init__()
        flat = [c for row in table for c in row]
        if not flat or min(map(len, table)) == 0 or min(flat) < 0 or any(len(set(row)) < len(row) for row in table):
            raise ValueError(f"TableConv2d: table is {table}, expected different channels from 0 for each output")
        self.in_channels = max(flat) + 1 if in_channels is None else as_count("TableConv2d", "in_channels", in_channels)
        if max(flat) >= self.in_channels:
            raise ValueError(f"TableConv2d: table names channel {max(flat)}, but in_channels is {self.in_channels}")
        self.kernel_size = as_ints("TableConv2d", "kernel_size", kernel_size, 2, 1)
        self.out_channels, self.connections = len(table), len(flat)
        self.weight, self.bias = empty(self.connections, *self.kernel_size), empty(self.out_channels)
        # Where in `weight`, with one filter of zeros behind it, the filter of each pair (output, input) stands.
        places = np.full((self.out_channels, self.in_channels), self.connections)
        first = 0
        for k, row in enumerate(table):
            places[k, list(row)] = range(first, first + len(row))
            bound = 1 / math.sqrt(len(row) * math.prod(self.kernel_size))
            nn.init.uniform_(self.weight.array[first : first + len(row)], -bound, bound)
            nn.init.uniform_(self.bias.array[k : k + 1], -bound, bound)
            first += len(row)
        self.register_buffer("places", to_device(places, default_device()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        zeros = Tensor(self.weight.array[:1] * 0)
        filters = ops.getitem(ops.concatenate([self.weight, zeros]), self.places)
        return ops.conv2d(x, filters, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}->{self.out_channels}, {size_text(self.kernel_size)}"
        return f"{text}, {self.connections} of {self.in_channels * self.out_channels} connections"

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return self.kernel_size, (1, 1)

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 2 * y_shape[0] * math.prod(y_shape[2:]) * self.connections * math.prod(self.kernel_size)
