"""Pooling."""

from __future__ import annotations

from typing import Any, Protocol

from gpunn.backend.contract.terms import Array, Shape
from gpunn.errors import Known
from gpunn.window import Window


class Pool(Protocol):
    """Pooling of two or three dimensions: x (N, C, *spatial), y (N, C, *out)."""

    def max_forward(self, x: Array, win: Window, ceil_mode: bool, wanted: bool = True) -> tuple[Array, Any]:
        """y, and the winner's position (a*R + r)*S + s in its window: a byte up to 256 positions, else two; or None."""
        ...

    def max_backward(self, gy: Array, index: Array, x_shape: Shape, win: Window) -> Array:
        """gx: each gy at its window's winner."""
        ...

    def max_backward_from(self, gy: Array, place: Array, x_shape: Shape, win: Window | None, known: Known) -> Array:
        """gx: each gy at its int32 or int64 place in the plane, -1 nowhere; raises PlaceError for others.

        Without a window any places, else those inside it. On a device wrong ones are dropped, and a later read raises.
        """
        ...

    def avg_forward(self, x: Array, win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
        """y: the mean of each window, over its elements or over those inside the input."""
        ...

    def avg_backward(self, gy: Array, x_shape: Shape, win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
        """gx: each gy shared out over its window."""
        ...

    def places(self, index: Array, x_shape: Shape, win: Window) -> Array:
        """int64 places (d*H + h)*W + w in the plane of such positions; -1 outside of it."""
        ...


class AdaptivePool(Protocol):
    """Pooling of x (N, C, *spatial) to y (N, C, *out_size) by windows that cover the input evenly."""

    def avg_forward(self, x: Array, out_size: Shape) -> Array:
        """y: the mean of each window."""
        ...

    def avg_backward(self, gy: Array, x_shape: Shape) -> Array:
        """gx: each gy shared out over its window."""
        ...

    def max_forward(self, x: Array, out_size: Shape, wanted: bool = True) -> tuple[Array, Any]:
        """y, and where ``wanted`` the winner's place (a*R + r)*S + s in its window, R and S those of the largest one.

        The place is of the smallest type that holds it: one byte up to 256 positions.
        """
        ...

    def max_backward(self, gy: Array, index: Array, x_shape: Shape) -> Array:
        """gx: each gy at its window's winner."""
        ...

    def max_backward_from(self, gy: Array, place: Array, x_shape: Shape, known: Known) -> Array:
        """gx: each gy at its int32 or int64 place in the plane, as Pool.max_backward_from has it."""
        ...

    def places(self, index: Array, x_shape: Shape) -> Array:
        """int64 places (d*H + h)*W + w in the plane of such winners."""
        ...


class NormPool(Protocol):
    """Pooling of x (N, C, *spatial) by the norm of each window, of order ``power``; no padding, no dilation."""

    def forward(self, x: Array, win: Window, ceil_mode: bool, power: float) -> Array:
        """y = (scale times the sum of x^power)^(1 / power), the scale A*R*S over the elements inside the input."""
        ...

    def backward(self, gy: Array, x: Array, y: Array, win: Window, ceil_mode: bool, power: float) -> Array:
        """gx: each gy times scale (x / y)^(power - 1); 0 where y is."""
        ...
