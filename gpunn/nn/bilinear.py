"""Bilinear: a learned form of two inputs."""

from __future__ import annotations

import math

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import as_count
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import empty
from gpunn.nn.placed import placed


class Bilinear(Module):
    """ops.bilinear with a learned weight (out_features, in1_features, in2_features) and bias (out_features,).

    >>> layer = nn.Bilinear(4, 3, 2)
    >>> layer
    Bilinear(4 by 3->2)
    >>> layer(np.ones((5, 4), np.float32), np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    @placed
    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in1_features = as_count("Bilinear", "in1_features", in1_features)
        self.in2_features = as_count("Bilinear", "in2_features", in2_features)
        self.out_features = as_count("Bilinear", "out_features", out_features)
        self.weight = empty(out_features, in1_features, in2_features)
        self.bias = empty(out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The first values anew: uniform over +-1 / sqrt(in1_features)."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                init.uniform_(parameter, -bound, bound)

    def forward(self, x1: Operand, x2: Operand) -> Tensor:
        return ops.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in1_features} by {self.in2_features}->{self.out_features}"
        return text + ("" if self.bias is not None else ", no bias")

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * math.prod(y_shape) * (self.in1_features + 1) * self.in2_features
