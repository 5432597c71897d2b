"""Mirrors, rotations and affine maps, drawn anew for each image."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn.data.transforms import chance
from gpunn.data.transforms import functional as F
from gpunn.data.transforms.geometry import as_point
from gpunn.data.transforms.image import (
    Fill,
    Image,
    InterpolationMode,
    as_chance,
    as_mode,
    as_range,
    dimensions,
    is_number,
)
from gpunn.errors import DataError

NEAREST = InterpolationMode.NEAREST


class RandomHorizontalFlip:
    """Left and right exchanged with probability p; `data.RandomHorizontalFlip` is of whole batches."""

    flip = staticmethod(F.hflip)

    def __init__(self, p: float = 0.5):
        self.p = as_chance(type(self).__name__, p)

    def __call__(self, img: Image) -> Image:
        return self.flip(img) if chance.uniform() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with probability p."""

    flip = staticmethod(F.vflip)


class RandomRotation:
    """The image turned by a random angle of `degrees`: (low, high), or one number a for -a to a."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode = NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ):
        self.degrees = as_range("RandomRotation", "degrees", degrees, centre=0)
        self.interpolation, self.expand = as_mode("RandomRotation", interpolation), expand
        self.center, self.fill = as_point("RandomRotation", "center", center), fill

    def __call__(self, img: Image) -> Image:
        angle = chance.uniform(*self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        return (
            f"RandomRotation(degrees={list(self.degrees)}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}, fill={self.fill})"
        )


class RandomAffine:
    """The image turned, shifted, scaled and sheared by random amounts; `data.RandomAffine` is of whole batches.

    Args:
        degrees: of the turn, (low, high), or one number a for -a to a.
        translate: the most either way, as shares of width and height. `scale`: (low, high) of the factor.
        shear: degrees along x: one number a for -a to a, or (low, high); or four numbers, along x and y.
        interpolation, fill, center: those of functional.affine.

    Examples:
        >>> data.transforms.RandomAffine(10, translate=(0.1, 0.1))(np.ones((1, 8, 8))).shape
        (1, 8, 8)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode = NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ):
        name = "RandomAffine"
        self.degrees, self.translate = (
            as_range(name, "degrees", degrees, centre=0),
            as_point(name, "translate", translate),
        )
        if self.translate is not None and not all(0 <= share <= 1 for share in self.translate):
            raise DataError(f"{name}: translate is {translate!r}, expected shares of width and height, 0 to 1")
        self.scale = None if scale is None else as_range(name, "scale", scale, least=0)
        if self.scale is not None and self.scale[0] == 0:
            raise DataError(f"{name}: scale is {scale!r}, expected factors above 0")
        self.shear = None if shear is None else _shears(shear)
        self.interpolation, self.fill = as_mode(name, interpolation), fill
        self.center = as_point(name, "center", center)

    def __call__(self, img: Image) -> Image:
        _, height, width = dimensions("RandomAffine", img)
        angle = chance.uniform(*self.degrees)
        shares = (0.0, 0.0) if self.translate is None else self.translate
        shift = [round(chance.uniform(-share * n, share * n)) for share, n in zip(shares, (width, height), strict=True)]
        scale = 1.0 if self.scale is None else chance.uniform(*self.scale)
        shear = [0.0, 0.0] if self.shear is None else [chance.uniform(*each) for each in self.shear]
        return F.affine(img, angle, shift, scale, shear, self.interpolation, self.fill, self.center)

    def __repr__(self) -> str:
        return (
            f"RandomAffine(degrees={list(self.degrees)}, translate={self.translate}, scale={self.scale}, "
            f"shear={self.shear}, interpolation={self.interpolation.value}, fill={self.fill})"
        )


def _shears(shear: float | Sequence[float]) -> list[tuple[float, float]]:
    """(low, high) of the angles along x and y."""
    four = not is_number(shear) and len(shear) == 4  # type: ignore[arg-type]
    parts = [shear[:2], shear[2:]] if four else [shear]  # type: ignore[index]
    found = [as_range("RandomAffine", "shear", part, centre=0) for part in parts]
    if any(max(map(abs, each)) >= 90 for each in found):
        raise DataError(f"RandomAffine: shear is {shear!r}, expected less than 90 degrees")
    return found if four else [*found, (0.0, 0.0)]
