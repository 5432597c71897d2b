"""Upsample: ops.interpolate as a layer."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.checks import check_choice
from gpunn.engine.operators import A
from gpunn.nn.module import Module
from gpunn.nn.receptive import Reach
from gpunn.ops.resample import MODES

TAPS = {"nearest": 1, "nearest-exact": 1, "bicubic": 4}  # elements that an output reads along an axis; others 2


class Upsample(Module):
    """x (N, C, *) in the size `size`, or scale_factor times as large; modes and coordinates as in ops.interpolate.

    >>> nn.Upsample(scale_factor=2)(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        name = type(self).__name__
        check_choice(name, "mode", mode, MODES)
        if (size is None) == (scale_factor is None):
            raise ValueError(
                f"{name}: size is {size} and scale_factor is {scale_factor}, expected one of them and None"
            )
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: A) -> A:
        how = self.mode, self.align_corners, self.recompute_scale_factor
        return ops.interpolate(x, self.size, self.scale_factor, *how)

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        taps = TAPS.get(self.mode, 2)
        sizes = list(zip(x_shape[2:], y_shape[2:], strict=True))
        reads = [min(-(-n // m) if self.mode == "area" else taps, n) for n, m in sizes]
        return tuple(1 if n == m else k for k, (n, m) in zip(reads, sizes, strict=True)), tuple(n / m for n, m in sizes)

    def extra_repr(self) -> str:
        text = f"to {self.size}" if self.size is not None else f"times {self.scale_factor}"
        return f"{text}, {self.mode}" + ", align_corners" * bool(self.align_corners)


class UpsamplingNearest2d(Upsample):
    """Upsample in the mode "nearest", of images.

    >>> nn.UpsamplingNearest2d(scale_factor=2)(np.array([[[[1.0, 2.0]]]])).shape
    (1, 1, 2, 4)
    """

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample in the mode "bilinear" with align_corners=True.

    >>> nn.UpsamplingBilinear2d((1, 3))(np.array([[[[1.0, 2.0]]]]))
    array([[[[1. , 1.5, 2. ]]]])
    """

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)
