"""Pillow, an extra: asked for in one place, and its pictures opened and made ready."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gpunn import files, limits
from gpunn.errors import DataError

# By content, whatever the file is called. Pillow knows forty more, and starts Ghostscript for one of them.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


def require_pillow(function: str) -> Any:
    """The module PIL.Image, or DataError in the words of `function` with the remedy."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f'{function}: decoding images needs Pillow, which is not there ({error}); pip install "gpunn[image]"'
        ) from error
    return Image


def open_picture(source: Path | BinaryIO, formats: tuple[str, ...] = FORMATS, turn: bool = True) -> Any:
    """The picture in a file, decoded, and upright unless `turn` is False. OSError where the file cannot be read at all.

    ValueError, in words, for what is no picture of these formats, is damaged, or has too many pixels to decode.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow warns of what it mends, which is well, and of sizes, which are looked at here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = files.reading(source) if isinstance(source, Path) else nullcontext(source)
            with opened as file, Image.open(file, formats=formats) as picture:
                width, height = picture.size
                if width * height > limits.PIXELS:
                    raise ValueError(
                        f"it has {width} x {height} pixels, more than the {limits.PIXELS:,} that are decoded: scale it"
                    )
                return upright(picture, turn)
    except UnidentifiedImageError as error:
        raise ValueError(f"it is no image of {', '.join(formats)}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has too many pixels, more than the {limits.PIXELS:,} that are decoded") from error
    except (FileNotFoundError, PermissionError, IsADirectoryError, files.NotAFile, ValueError):
        raise
    except Exception as error:  # a damaged file raises whatever its first wrong byte leads to
        raise ValueError(str(error) or type(error).__name__) from error


def upright(picture: Any, turn: bool = True) -> Any:
    """The picture turned as the camera noted, unless `turn` is False, its pixels of 8 bits: `convert` keeps those.

    ValueError for pixels of 32 bits, of which the file does not say what is white.
    """
    from PIL import Image, ImageOps

    picture.load()
    if turn:
        ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I;16"):  # `convert` would make white of every grey above 255
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are of 32 bits, mode {picture.mode!r}, whose black and white it does not say")
    if picture.mode == "P" and "transparency" in picture.info:  # what Pillow warns of otherwise
        return picture.convert("RGBA")
    return picture


@cache
def _fromarray() -> Any:
    try:
        from PIL import Image
    except ImportError:
        return None
    return Image.fromarray


def picture_of(pixels: np.ndarray) -> Any:
    """Pixels uint8 (H, W) or (H, W, 3) as Pillow's image, or as they are where there is no Pillow."""
    make = _fromarray()
    return pixels if make is None else make(pixels)
