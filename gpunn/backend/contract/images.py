"""Images: filters, other sizes, samples at any place."""

from __future__ import annotations

from typing import Protocol

from gpunn.backend.contract.terms import Array, Shape
from gpunn.taps import Taps


class Filter(Protocol):
    """One kernel w, of one to three axes, correlated with x (..., *spatial); borders are the words of ops.filter2d."""

    def forward(self, x: Array, w: Array, border: str) -> Array:
        """y of x's shape: x correlated with w along its last axes."""
        ...

    def grad_input(self, gy: Array, w: Array, border: str) -> Array:
        """gx: each gy spread over the taps, and from the border back to where that was copied from."""
        ...

    def grad_kernel(self, gy: Array, x: Array, size: Shape, border: str) -> Array:
        """gw of this size: the sum over all places of gy times what each tap met there."""
        ...


class Resample(Protocol):
    """Images in another size."""

    def resample(self, x: Array, taps: tuple[Taps, ...]) -> Array:
        """Array with each of x's last axes resampled by its taps; of any dtype where these have no weights."""
        ...


class GridSample(Protocol):
    """Images x (N, C, *sizes) at the places of a grid (N, *places, axes), whose last axis has x's last axis first."""

    def forward(self, x: Array, grid: Array, mode: str, padding: str, align_corners: bool) -> Array:
        """Samples y (N, C, *places); modes and paddings are those of gpunn.grids."""
        ...

    def backward(
        self, gy: Array, x: Array, grid: Array, mode: str, padding: str, align_corners: bool, needs: tuple[bool, bool]
    ) -> tuple[Array | None, Array | None]:
        """Gradients gx and ggrid, each where it is needed."""
        ...

    def base(self, theta: Array, sizes: Shape, align_corners: bool) -> Array:
        """(places, axes + 1): where each pixel of an image of these sizes lies, the last axis first, and 1."""
        ...
