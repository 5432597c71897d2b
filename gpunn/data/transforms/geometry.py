"""Rotation, shift, scale and shear about a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpunn.data.transforms.image import (
    PILLOW,
    Fill,
    Image,
    InterpolationMode,
    as_fill,
    as_ink,
    as_mode,
    dimensions,
    is_number,
    is_picture,
    like,
    pixels,
)
from gpunn.data.transforms.resample import mapped
from gpunn.errors import DataError

NEAREST = InterpolationMode.NEAREST


def rotate(
    img: Image,
    angle: float,
    interpolation: InterpolationMode = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Image:
    """The image turned by `angle` degrees, counter-clockwise.

    Args:
        expand: whether the result is as large as the turned image, not as the image; about its middle alone.
        center: (x, y) of the point that stays, from the upper left corner; None: the middle.

    Examples:
        >>> data.transforms.functional.rotate(np.array([[[1, 2], [3, 4]]]), 90).tolist()
        [[[2, 4], [1, 3]]]
    """
    mode = as_mode("rotate", interpolation)
    if not is_number(angle):
        raise TypeError(f"rotate: angle is {angle!r}, expected a number of degrees")
    channels, height, width = dimensions("rotate", img)
    point = as_point("rotate", "center", center)
    if is_picture(img):
        return img.rotate(angle, PILLOW[mode], expand, point, fillcolor=as_ink("rotate", fill, img))
    about = (0.0, 0.0) if point is None else (point[0] - width * 0.5, point[1] - height * 0.5)
    matrix = _inverse(about, -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    size = _spread(matrix, height, width) if expand else (height, width)
    return _taken("rotate", img, matrix, size, mode, fill, channels)


def affine(
    img: Image,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode = NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Image:
    """The image turned by `angle` degrees (clockwise), scaled and sheared about `center`, and shifted.

    Args:
        translate: pixels to the right and down. `shear`: degrees along x, or (along x, along y).
        center: (x, y) of the point that stays, from the upper left corner; None: the middle.

    Examples:
        >>> data.transforms.functional.affine(np.array([[[1, 2, 3]]]), 0, [1, 0], 1.0, 0).tolist()
        [[[0, 1, 2]]]
    """
    mode, shift = as_mode("affine", interpolation), as_point("affine", "translate", translate)
    lean = (shear, 0.0) if is_number(shear) else as_point("affine", "shear", _pair(shear))
    if not is_number(angle) or shift is None or lean is None:
        raise TypeError(f"affine: got angle {angle!r}, translate {translate!r} and shear {shear!r}; expected numbers")
    if not is_number(scale) or scale <= 0:
        raise DataError(f"affine: scale is {scale!r}, expected a number above 0")
    channels, height, width = dimensions("affine", img)
    point = as_point("affine", "center", center)
    if is_picture(img):
        about = (width * 0.5, height * 0.5) if point is None else point
        matrix = _inverse(about, angle, shift, scale, lean)  # type: ignore[arg-type]
        return img.transform((width, height), 0, matrix, PILLOW[mode], fillcolor=as_ink("affine", fill, img))  # AFFINE
    about = (0.0, 0.0) if point is None else (point[0] - width * 0.5, point[1] - height * 0.5)
    matrix = _inverse(about, angle, shift, scale, lean)  # type: ignore[arg-type]
    return _taken("affine", img, matrix, (height, width), mode, fill, channels)


def as_point(function: str, name: str, value: Sequence[float] | None) -> tuple[float, float] | None:
    """Two numbers, or None."""
    if value is None:
        return None
    if not isinstance(value, Sequence) or len(value) != 2 or not all(map(is_number, value)):
        raise DataError(f"{function}: {name} is {value!r}, expected two numbers (x, y)")
    return float(value[0]), float(value[1])


def _pair(shear: float | Sequence[float]) -> Sequence[float]:
    return [*shear, *shear] if isinstance(shear, Sequence) and len(shear) == 1 else shear  # type: ignore[return-value]


def _taken(
    function: str,
    img: Image,
    matrix: list[float],
    size: tuple[int, int],
    mode: InterpolationMode,
    fill: Fill,
    channels: int,
) -> Image:
    fills = None if fill is None else as_fill(function, fill, channels)
    return like(img, mapped(pixels(function, img), matrix, size, mode, fills))


def _inverse(
    about: tuple[float, float],
    angle: float,
    shift: tuple[float, float],
    scale: float,
    shear: tuple[float, float],
) -> list[float]:
    """The 2 x 3 matrix from the result's places to the image's.

    A place p goes to shift + about + scale * R * S (p - about), with the turn R and, by angles s and t along x and y,
    the shear S = [1 0; -tan t 1] [1 -tan s; 0 1]; R * S is [cos(a - t) / cos t, ...; sin(a - t) / cos t, ...].
    """
    turn, s, t = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a, c = math.cos(turn - t) / math.cos(t), math.sin(turn - t) / math.cos(t)
    b, d = -a * math.tan(s) - math.sin(turn), -c * math.tan(s) + math.cos(turn)
    (x, y), (right, down) = about, shift
    inverse = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]  # the determinant of R * S is 1
    for row, start in ((0, x), (3, y)):
        inverse[row + 2] = start - inverse[row] * (x + right) - inverse[row + 1] * (y + down)
    return inverse


def _spread(matrix: list[float], height: int, width: int) -> tuple[int, int]:
    """Height and width of the rectangle about the image's corners after the map."""
    corners = np.array([(-width, -height, 2), (-width, height, 2), (width, height, 2), (width, -height, 2)]) / 2
    # In float32 a right angle's corners lie where they should, not a hair outside.
    ends = (corners @ np.reshape(matrix, (2, 3)).T).astype(np.float32) + np.array((width / 2, height / 2), np.float32)
    low, high = (np.trunc(end / 1e-4) * 1e-4 for end in (ends.min(axis=0), ends.max(axis=0)))  # but for rounding
    size = np.ceil(high) - np.floor(low)
    return int(size[1]), int(size[0])
