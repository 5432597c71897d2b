"""Padding layers: padding is one size for all sides, or (left, right), then (top, bottom), then (front, back).

A size below 0 takes elements away.
"""

from __future__ import annotations

import math

from gpunn import ops
from gpunn.checks import Ints, as_ints
from gpunn.engine.operators import A
from gpunn.nn.module import Module
from gpunn.window import short_text


class _Pad(Module):
    """ops.pad around the last `rank` axes of x (N, C, *) or (C, *)."""

    rank: int
    mode: str

    def __init__(self, padding: Ints):
        super().__init__()
        self.padding = as_ints(type(self).__name__, "padding", padding, 2 * self.rank, -math.inf)
        self.value = 0.0

    def forward(self, x: A) -> A:
        if x.ndim not in (self.rank + 1, self.rank + 2):
            letters = ("C, L", "C, H, W", "C, D, H, W")[self.rank - 1]
            raise ValueError(
                f"{type(self).__name__}: x has {x.ndim} dimensions {x.shape}, expected (N, {letters}) or ({letters}); "
                "reshape it"
            )
        return ops.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return short_text(self.padding) if len(set(self.padding)) == 1 else str(self.padding)


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Ints, value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, value {self.value}"


class ConstantPad1d(_ConstantPad):
    """Adds `value` around x (N, C, L).

    >>> nn.ConstantPad1d(1, 9)(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[9., 1., 2., 3., 9.]]])
    """

    rank = 1


class ConstantPad2d(_ConstantPad):
    """Adds `value` around x (N, C, H, W).

    >>> nn.ConstantPad2d(1, 9)(np.array([[[[1.0, 2.0]]]]))[0, 0]
    array([[9., 9., 9., 9.],
           [9., 1., 2., 9.],
           [9., 9., 9., 9.]])
    """

    rank = 2


class ConstantPad3d(_ConstantPad):
    """Adds `value` around x (N, C, D, H, W).

    >>> nn.ConstantPad3d(1, 9)(np.ones((1, 1, 2, 3, 4))).shape
    (1, 1, 4, 5, 6)
    """

    rank = 3


class ZeroPad1d(_Pad):
    """Adds zeros around x (N, C, L).

    >>> nn.ZeroPad1d((1, 2))(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[0., 1., 2., 3., 0., 0.]]])
    """

    rank, mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Adds zeros around x (N, C, H, W).

    >>> nn.ZeroPad2d(1)(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
    array([[0., 0., 0., 0.],
           [0., 1., 2., 0.],
           [0., 3., 4., 0.],
           [0., 0., 0., 0.]])
    """

    rank, mode = 2, "constant"


class ZeroPad3d(_Pad):
    """Adds zeros around x (N, C, D, H, W).

    >>> nn.ZeroPad3d(1)(np.ones((1, 1, 2, 3, 4))).shape
    (1, 1, 4, 5, 6)
    """

    rank, mode = 3, "constant"


class ReflectionPad1d(_Pad):
    """Adds mirror images around x (N, C, L), the edge itself not repeated.

    >>> nn.ReflectionPad1d((1, 2))(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[2., 1., 2., 3., 2., 1.]]])
    """

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Adds mirror images around x (N, C, H, W), the edge itself not repeated.

    >>> nn.ReflectionPad2d(1)(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
    array([[4., 3., 4., 3.],
           [2., 1., 2., 1.],
           [4., 3., 4., 3.],
           [2., 1., 2., 1.]])
    """

    rank, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Adds mirror images around x (N, C, D, H, W), the edge itself not repeated.

    >>> nn.ReflectionPad3d(1)(np.ones((1, 1, 2, 3, 4))).shape
    (1, 1, 4, 5, 6)
    """

    rank, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Repeats the edge of x (N, C, L).

    >>> nn.ReplicationPad1d((1, 2))(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[1., 1., 2., 3., 3., 3.]]])
    """

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Repeats the edge of x (N, C, H, W).

    >>> nn.ReplicationPad2d(1)(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.],
           [3., 3., 4., 4.],
           [3., 3., 4., 4.]])
    """

    rank, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Repeats the edge of x (N, C, D, H, W).

    >>> nn.ReplicationPad3d(1)(np.ones((1, 1, 2, 3, 4))).shape
    (1, 1, 4, 5, 6)
    """

    rank, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Adds what stands on the other side of x (N, C, L).

    >>> nn.CircularPad1d((1, 2))(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[3., 1., 2., 3., 1., 2.]]])
    """

    rank, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Adds what stands on the other side of x (N, C, H, W).

    >>> nn.CircularPad2d(1)(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
    array([[4., 3., 4., 3.],
           [2., 1., 2., 1.],
           [4., 3., 4., 3.],
           [2., 1., 2., 1.]])
    """

    rank, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Adds what stands on the other side of x (N, C, D, H, W).

    >>> nn.CircularPad3d(1)(np.ones((1, 1, 2, 3, 4))).shape
    (1, 1, 4, 5, 6)
    """

    rank, mode = 3, "circular"
