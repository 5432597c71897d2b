"""Linear, and the layers that only reshape or pass on: Flatten, Identity."""

from __future__ import annotations

import math
from typing import Any

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import as_count
from gpunn.engine.operators import A
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import empty
from gpunn.nn.placed import placed


class Linear(Module):
    """y = x weight^T + bias for x (..., in_features), weight (out_features, in_features).

    >>> layer = nn.Linear(4, 2)
    >>> layer
    Linear(4->2)
    >>> layer(np.ones((5, 4), np.float32)).shape
    (5, 2)
    """

    @placed
    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features = as_count("Linear", "in_features", in_features)
        self.out_features = as_count("Linear", "out_features", out_features)
        self.weight, self.bias = empty(out_features, in_features), empty(out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The first values anew: uniform over +-1 / sqrt(fan_in)."""
        init.default_(self.weight, self.bias)

    def forward(self, x: Tensor, activation: str | None = None) -> Tensor:
        """y, through "relu" or "tanh" where one is named."""
        return ops.linear(x, self.weight, self.bias, activation)

    def extra_repr(self) -> str:
        return f"{self.in_features}->{self.out_features}" + ("" if self.bias is not None else ", no bias")

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * math.prod(y_shape) * self.in_features


class Flatten(Module):
    """Joins the axes from start_dim to end_dim: (N, C, H, W) to (N, C*H*W).

    >>> nn.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: A) -> A:
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"dims {self.start_dim} to {self.end_dim}"


class Identity(Module):
    """x as it is; takes and ignores any arguments, as PyTorch's does.

    >>> nn.Identity()(np.array([1.0]))
    array([1.])
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, x: A) -> A:
        return x
