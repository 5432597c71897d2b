"""A picture file as a network's input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gpunn.data.pillow import open_picture, require_pillow
from gpunn.errors import DataError
from gpunn.files import write_atomically

INK = 20 / 28  # share of the side that a digit's longer side fills: MNIST's own preparation, LeCun 1998 section III.A
FAINTEST = 32  # of 255: paper of one colour differs less from itself, in its grain and the losses of a JPEG
LARGEST = 1000  # pixels of the longer side that are looked at


def read_picture(path: Path, channels: int, size: int) -> np.ndarray:
    """The picture as uint8 (1, channels, size, size). For one channel: a bright digit, centred, on black.

    A grey picture that has the network's size and a dark border is taken as it is; of others the border's median is the
    paper, of any colour, and what differs from it is ink. A coloured network's picture is scaled until it covers the
    square, whose middle counts, as in `data.read_image_folder`. Raises DataError for a file that is no picture, for one
    on which nothing is drawn, and without Pillow.
    """
    Image = require_pillow("read_picture")
    from PIL import ImageOps

    try:
        picture = _reduced(open_picture(path), max(LARGEST, size)).convert("RGBA")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a picture ({reason}); give another, or save it again") from error
    # Transparent parts are paper: without this they would turn black.
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if channels == 3:
        fitted = ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR)
        return np.asarray(fitted).transpose(2, 0, 1)[None]
    drawn = ink(np.asarray(picture), size)
    if not drawn.any():
        raise DataError(f"{path}: nothing is drawn on it; give a picture whose drawing differs from its border")
    if drawn.shape != (size, size):
        drawn = _fit(drawn, size, Image)
    return drawn[None, None]


def write_picture(path: Path, pixels: np.ndarray, colours: np.ndarray | None = None) -> None:
    """Write a PNG of uint8 pixels (H, W), or (C, H, W) of 1 or 3 channels; whole, or not at all. Its folder is made.

    colours: float (classes, 3) of 0 to 1; pixels (H, W) then are numbers of classes, which the file keeps, and viewers
    show in these colours. DataError for a file that is there already, which might be anybody's, or cannot be written.
    """
    Image = require_pillow("write_picture")
    if path.exists():
        raise DataError(f"{path} is there already, and is left as it is; remove it, or choose another folder")
    flat = pixels if pixels.ndim == 2 else pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(flat))
    if colours is not None:
        picture.putpalette((colours * 255).round().astype(np.uint8).tobytes())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: picture.save(file, "PNG"))
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}); choose another folder") from error


def _reduced(picture: Any, most: int) -> Any:
    """The picture, or where its longer side is twice `most` pixels and more a smaller one: a camera's take memory."""
    factor = max(picture.size) // most
    if factor < 2:
        return picture
    return (picture if picture.mode in ("L", "RGB", "RGBA") else picture.convert("RGBA")).reduce(factor)


def ink(picture: np.ndarray, size: int) -> np.ndarray:
    """How far each pixel of uint8 (H, W, 3) differs from the paper: uint8 (H, W), of which the strongest is 255.

    All zero where nothing is drawn. A grey picture of the network's own size with a dark border comes back as it is.
    """
    paper = np.median(np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]), axis=0)
    # The channel that differs most: in luminance a red pen on green paper, or a yellow one on white, would vanish.
    differs = np.abs(picture - paper.astype(np.int16)).max(axis=2)
    strongest = int(differs.max())
    if strongest < FAINTEST:
        return np.zeros(differs.shape, np.uint8)
    if differs.shape == (size, size) and paper.max() <= 127 and (picture == picture[:, :, :1]).all():
        return picture[:, :, 0]
    return (differs * np.int32(255) // strongest).astype(np.uint8)


def _fit(grey: np.ndarray, size: int, image_module: Any) -> np.ndarray:
    """The drawn part of the picture, scaled and centred by its mass in a black square of side ``size``."""
    grey = np.where(grey > 255 * 0.2, grey, 0).astype(np.uint8)  # paper is rarely quite even
    rows, columns = np.flatnonzero(grey.any(1)), np.flatnonzero(grey.any(0))
    drawing = image_module.fromarray(grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = round(size * INK) / max(drawing.size)
    width, height = (max(1, round(side * scale)) for side in drawing.size)
    drawn = np.asarray(drawing.resize((width, height), image_module.Resampling.LANCZOS))
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
