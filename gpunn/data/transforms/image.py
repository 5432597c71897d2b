"""What an image is: Pillow's, or pixels (..., H, W) of a Tensor or an array; and arguments that transforms share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from numbers import Real
from typing import TypeAlias

import numpy as np

from gpunn.backend import device_of, is_array
from gpunn.data.dataset import Sample
from gpunn.engine.tensor import Tensor
from gpunn.errors import DataError

Image: TypeAlias = Sample  # a Pillow image; a Tensor or an array (C, H, W)
Fill: TypeAlias = float | Sequence[float] | None


class InterpolationMode(Enum):
    """How pixels between pixels are found. BOX, HAMMING and LANCZOS are for Pillow's images alone.

    Examples:
        >>> data.transforms.InterpolationMode("bilinear").name
        'BILINEAR'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers, which torchvision takes in place of the names, too.
PILLOW = {InterpolationMode(name): code for name, code in (
    ("nearest", 0), ("nearest-exact", 0), ("lanczos", 1), ("bilinear", 2), ("bicubic", 3), ("box", 4), ("hamming", 5),
)}  # fmt: skip


def as_mode(function: str, value: InterpolationMode | int) -> InterpolationMode:
    """The mode, given itself or by Pillow's number; TypeError for what is neither."""
    for mode, code in PILLOW.items():
        if value is mode or (isinstance(value, int) and value == code):
            return mode
    raise TypeError(
        f"{function}: interpolation is {value!r}, expected an InterpolationMode; give InterpolationMode.BILINEAR"
    )


def is_picture(image: Image) -> bool:
    """Whether the image is Pillow's."""
    return hasattr(image, "getbands")


def pixels(function: str, image: Image) -> np.ndarray:
    """The array (..., H, W) behind a Tensor or an array on the cpu; TypeError or DataError for anything else."""
    array = image.array if isinstance(image, Tensor) else image
    if not is_array(array):
        raise TypeError(
            f"{function}: got {type(image).__name__}, expected a Pillow image, or a Tensor or an array (C, H, W)"
        )
    if isinstance(image, Tensor) and image.requires_grad:
        raise DataError(f"{function}: the image requires a gradient, which transforms do not carry; detach() it first")
    if not isinstance(array, np.ndarray):
        raise DataError(f"{function}: the image lies on {device_of(array)}; transform images before they are moved")
    if array.ndim < 2:
        raise DataError(f"{function}: the image has shape {array.shape}, expected (C, H, W) or (H, W)")
    if array.ndim == 3 and array.shape[2] in (1, 3, 4) and array.shape[0] not in (1, 3, 4):
        raise DataError(
            f"{function}: the image has shape {array.shape}, which looks like (H, W, C), expected (C, H, W); put "
            "ToTensor() or ToPILImage() first"
        )
    return array


def like(image: Image, array: np.ndarray) -> Image:
    """The array as a Tensor if `image` is one."""
    return Tensor(array) if isinstance(image, Tensor) else array


def dimensions(function: str, image: Image) -> tuple[int, int, int]:
    """Channels, height and width."""
    if is_picture(image):
        return len(image.getbands()), image.size[1], image.size[0]
    *outer, height, width = pixels(function, image).shape
    return outer[-1] if outer else 1, height, width


def is_number(value: object) -> bool:
    """Whether it is a real number and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def as_size(function: str, size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width, of (height, width) or of a square's side."""
    both = tuple(size) if isinstance(size, Sequence) and not isinstance(size, str) else (size,)
    both = both * 2 if len(both) == 1 else both
    if len(both) != 2 or not all(isinstance(n, (int, np.integer)) and is_number(n) and n > 0 for n in both):
        raise DataError(f"{function}: size is {size!r}, expected one whole number above 0, or (height, width)")
    return int(both[0]), int(both[1])


def as_range(
    function: str, name: str, value: float | Sequence[float], centre: float | None = None, least: float = -np.inf
) -> tuple[float, float]:
    """(low, high), both at least `least`; one number a is `centre` - a to `centre` + a, unless `centre` is None."""
    pair = value
    if centre is not None and is_number(value) and value >= 0:  # type: ignore[operator]
        pair = max(centre - value, least), centre + value  # type: ignore[operator]
    fits = isinstance(pair, Sequence) and len(pair) == 2 and all(map(is_number, pair))
    if not fits or not least <= pair[0] <= pair[1] < np.inf:  # type: ignore[index]
        one = "" if centre is None else "one number of at least 0, or "
        bound = "" if least == -np.inf else f", none below {least:g}"
        raise DataError(f"{function}: {name} is {value!r}, expected {one}(low, high){bound}")
    return float(pair[0]), float(pair[1])  # type: ignore[index]


def as_chance(function: str, p: float) -> float:
    """A probability, or DataError."""
    if not is_number(p) or not 0 <= p <= 1:
        raise DataError(f"{function}: p is {p!r}, expected a probability, 0 to 1")
    return float(p)


def as_fill(function: str, fill: Fill, channels: int) -> list[float]:
    """The value of each channel where there is no image; None is 0."""
    values: list[float] = list(fill) if isinstance(fill, Sequence) else [0 if fill is None else fill]
    if len(values) not in (1, channels) or not all(map(is_number, values)):
        raise DataError(
            f"{function}: fill is {fill!r}, but the image has {channels} channels; give one number, or one a channel"
        )
    return values * channels if len(values) == 1 else values


def as_ink(function: str, fill: Fill, image: Image) -> float | int | tuple[int, ...]:
    """`fill` as Pillow wants it for this picture: numbers of its mode."""
    values = as_fill(function, fill, len(image.getbands()))
    if image.mode == "F":
        return float(values[0])
    whole = [int(value) for value in values]
    return tuple(whole) if len(whole) > 1 else whole[0]
