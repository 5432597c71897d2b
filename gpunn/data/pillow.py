"""Pillow, an extra: asked for in one place, and its pictures made ready."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.errors import DataError


def require_pillow(function: str) -> Any:
    """The module PIL.Image, or DataError in the words of `function` with the remedy."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f'{function}: decoding images needs Pillow, which is not there ({error}); pip install "gpunn[image]"'
        ) from error
    return Image


def upright(picture: Any) -> Any:
    """The picture turned as the camera noted, its pixels of 8 bits, so that `convert` keeps what they show.

    ValueError for pixels of 32 bits, of which the file does not say what is white.
    """
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):  # `convert` would make white of every grey above 255
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are of 32 bits, mode {picture.mode!r}, whose black and white it does not say")
    if picture.mode == "P" and "transparency" in picture.info:  # what Pillow warns of otherwise
        return picture.convert("RGBA")
    return picture
