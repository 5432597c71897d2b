"""A picture file as a network's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpunn.data.pillow import require_pillow, upright
from gpunn.errors import DataError

INK = 20 / 28  # share of the side that a digit's longer side fills: MNIST's own preparation, LeCun 1998 section III.A


def read_picture(path: Path, channels: int, size: int) -> np.ndarray:
    """The picture as uint8 (1, channels, size, size). For one channel: a bright digit, centred, on black.

    A grey picture that has the network's size and a dark border is taken as it is. A coloured one is scaled until it
    covers the square, whose middle counts, as in `data.read_image_folder`. Raises DataError for a file that is no
    picture, and without Pillow.
    """
    Image = require_pillow("read_picture")
    from PIL import ImageOps

    try:
        with Image.open(path) as picture:
            picture = upright(picture).convert("RGBA")
        # Transparent parts are paper: without this they would turn black.
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the path") from error
    except Exception as error:  # a damaged file raises whatever its first wrong byte leads to
        raise DataError(f"{path} cannot be read as a picture ({type(error).__name__}: {error})") from error
    if channels == 3:
        fitted = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
        return np.asarray(fitted).transpose(2, 0, 1)[None]
    grey = bright_on_dark(np.asarray(picture.convert("L")))
    if grey.shape != (size, size):
        grey = _fit(grey, size, Image)
    return grey[None, None]


def bright_on_dark(grey: np.ndarray) -> np.ndarray:
    """The picture, inverted if its border is bright: digits of the data sets are white on black."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 255 - grey if np.median(border) > 127 else grey


def _fit(grey: np.ndarray, size: int, image_module) -> np.ndarray:
    """The drawn part of the picture, scaled and centred by its mass in a black square of side ``size``."""
    grey = np.where(grey > grey.max() * 0.2, grey, 0)  # paper is rarely quite even
    rows, columns = np.flatnonzero(grey.any(1)), np.flatnonzero(grey.any(0))
    if not rows.size:
        return np.zeros((size, size), np.uint8)
    ink = image_module.fromarray(grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = round(size * INK) / max(ink.size)
    width, height = (max(1, round(side * scale)) for side in ink.size)
    drawn = np.asarray(ink.resize((width, height), image_module.Resampling.LANCZOS))
    square = np.zeros((size, size), np.uint8)
    top, left = _centred(drawn, size)
    square[top : top + height, left : left + width] = drawn
    return square


def _centred(drawn: np.ndarray, size: int) -> list[int]:
    """Where the drawing's first row and column go, so that its centre of mass is the square's centre."""
    mass = drawn.astype(np.float64) + 1e-9
    corner = []
    for axis, side in enumerate(drawn.shape):
        centre = (mass.sum(1 - axis) @ np.arange(side)) / mass.sum()
        corner.append(int(np.clip(round(size / 2 - 0.5 - centre), 0, size - side)))
    return corner
