"""Padding layers: padding is one size for all sides, or (left, right, top, bottom)."""

from __future__ import annotations

from typing import Any

from gpunn import ops
from gpunn.nn.conv import short
from gpunn.nn.module import Module
from gpunn.ops.checks import Ints, ints


class _Pad2d(Module):
    """ops.pad around the last two axes of x (N, C, H, W) or (C, H, W)."""

    mode: str

    def __init__(self, padding: Ints):
        super().__init__()
        self.padding = ints(type(self).__name__, "padding", padding, 4, 0)
        self.value: Any = 0.0

    def forward(self, x: Any) -> Any:
        if x.ndim not in (3, 4):
            raise ValueError(
                f"{type(self).__name__}: x has {x.ndim} dimensions {x.shape}, expected (N, C, H, W) or (C, H, W); "
                "reshape it"
            )
        return ops.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return short(self.padding) if len(set(self.padding)) == 1 else str(self.padding)


class ConstantPad2d(_Pad2d):
    """Adds `value` around."""

    mode = "constant"

    def __init__(self, padding: Ints, value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, value {self.value}"


class ZeroPad2d(_Pad2d):
    """Adds zeros around."""

    mode = "constant"


class ReflectionPad2d(_Pad2d):
    """Adds mirror images around, the edge itself not repeated."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """Repeats the edge."""

    mode = "replicate"


class CircularPad2d(_Pad2d):
    """Adds what stands on the other side."""

    mode = "circular"
