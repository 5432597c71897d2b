"""Sizes, borders and windows, drawn anew for each image where their names begin with Random."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpunn.data.transforms import chance
from gpunn.data.transforms import functional as F
from gpunn.data.transforms.conversion import as_ratio
from gpunn.data.transforms.image import Fill, Image, InterpolationMode, as_mode, as_range, as_size, dimensions
from gpunn.data.transforms.place import MODES, as_padding
from gpunn.errors import DataError

BILINEAR = InterpolationMode.BILINEAR


class Resize:
    """An image of another size: (height, width), or that of the shorter side; see functional.resize."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode = BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        as_size("Resize", size)
        self.size, self.interpolation = size, as_mode("Resize", interpolation)
        self.max_size, self.antialias = max_size, antialias

    def __call__(self, img: Image) -> Image:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value}, max_size={self.max_size}, "
            f"antialias={self.antialias})"
        )


class CenterCrop:
    """The window (height, width) in the middle; a smaller image gets a border of 0 first."""

    def __init__(self, size: int | Sequence[int]):
        self.size = as_size("CenterCrop", size)

    def __call__(self, img: Image) -> Image:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class Pad:
    """A border; see functional.pad."""

    def __init__(self, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant"):
        self.padding, self.fill, self.padding_mode = padding, fill, as_padding_mode("Pad", padding, padding_mode)

    def __call__(self, img: Image) -> Image:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop:
    """A window (height, width) at a random place of the image and its border; `data.RandomCrop` is of whole batches.

    Args:
        padding: the border; see functional.pad. `fill` and `padding_mode` are its.
        pad_if_needed: whether an image that is too small then gets as much border on either side as the window needs.

    Examples:
        >>> data.transforms.RandomCrop(32, padding=4)(np.zeros((3, 32, 32))).shape
        (3, 32, 32)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Fill = 0,
        padding_mode: str = "constant",
    ):
        self.size = as_size("RandomCrop", size)
        self.padding, self.pad_if_needed, self.fill = padding, pad_if_needed, fill
        self.padding_mode = as_padding_mode("RandomCrop", 0 if padding is None else padding, padding_mode)

    def __call__(self, img: Image) -> Image:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        h, w = self.size
        _, height, width = dimensions("RandomCrop", img)
        if self.pad_if_needed and (height < h or width < w):
            img = F.pad(img, [max(w - width, 0), max(h - height, 0)], self.fill, self.padding_mode)
            _, height, width = dimensions("RandomCrop", img)
        if h > height or w > width:
            raise DataError(
                f"RandomCrop: a window of {h} x {w} does not fit into an image of {height} x {width}; use a smaller "
                "size, padding or pad_if_needed=True"
            )
        if (h, w) == (height, width):
            return img
        return F.crop(img, chance.whole(0, height - h + 1), chance.whole(0, width - w + 1), h, w)

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop:
    """A random window, scaled to `size` (Szegedy et al. 2014): what networks for ImageNet are trained on.

    Args:
        scale: (low, high) of the window's share of the image's area. `ratio`: of its width over its height.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: InterpolationMode = BILINEAR,
        antialias: bool | None = True,
    ):
        self.size = as_size("RandomResizedCrop", size)
        self.scale = as_range("RandomResizedCrop", "scale", scale, least=0)
        self.ratio = as_ratio("RandomResizedCrop", ratio)
        self.interpolation, self.antialias = as_mode("RandomResizedCrop", interpolation), antialias

    def __call__(self, img: Image) -> Image:
        _, height, width = dimensions("RandomResizedCrop", img)
        return F.resized_crop(img, *self._window(height, width), self.size, self.interpolation, self.antialias)

    def _window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width; after ten that do not fit the largest one in the middle."""
        for _ in range(10):
            area = height * width * chance.uniform(*self.scale)
            ratio = math.exp(chance.uniform(*map(math.log, self.ratio)))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return chance.whole(0, height - h + 1), chance.whole(0, width - w + 1), h, w
        low, high = self.ratio
        w, h = width, height
        if width / height < low:
            h = round(width / low)
        elif width / height > high:
            w = round(height * high)
        return (height - h) // 2, (width - w) // 2, h, w

    def __repr__(self) -> str:
        return (
            f"RandomResizedCrop(size={self.size}, scale={self.scale}, ratio={self.ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


def as_padding_mode(function: str, padding: int | Sequence[int], mode: str) -> str:
    """The mode of a border, once both are looked at."""
    as_padding(function, padding)
    if mode not in MODES:
        raise DataError(f"{function}: padding_mode is {mode!r}, expected one of {', '.join(MODES)}")
    return mode
