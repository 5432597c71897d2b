"""Which pixels: cuts, borders, mirrors, and other sizes."""

from __future__ import annotations

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
    as_size,
    dimensions,
    is_number,
    is_picture,
    like,
    pixels,
)
from gpunn.data.transforms.resample import resampled
from gpunn.errors import DataError

MODES = ("constant", "edge", "reflect", "symmetric")  # torchvision's words, and numpy.pad's


def crop(img: Image, top: int, left: int, height: int, width: int) -> Image:
    """The window of this place and size; what of it lies outside the image is 0.

    Examples:
        >>> data.transforms.functional.crop(np.ones((1, 2, 2)), 1, 1, 2, 2).tolist()
        [[[1.0, 0.0], [0.0, 0.0]]]
    """
    if is_picture(img):
        return img.crop((left, top, left + width, top + height))
    array = pixels("crop", img)
    h, w = array.shape[-2:]
    if top >= 0 and left >= 0 and top + height <= h and left + width <= w:
        return img[..., top : top + height, left : left + width]
    y = np.zeros((*array.shape[:-2], height, width), array.dtype)
    rows, columns = (slice(max(a, 0), max(min(a + n, most), 0)) for a, n, most in ((top, height, h), (left, width, w)))
    part = array[..., rows, columns]
    down, right = max(-top, 0), max(-left, 0)
    y[..., down : down + part.shape[-2], right : right + part.shape[-1]] = part
    return like(img, y)


def center_crop(img: Image, output_size: int | Sequence[int]) -> Image:
    """The window in the middle; a smaller image gets a border of 0 first."""
    ch, cw = as_size("center_crop", output_size)
    _, h, w = dimensions("center_crop", img)
    if ch > h or cw > w:
        x, y = max(cw - w, 0), max(ch - h, 0)
        img = pad(img, [x // 2, y // 2, (x + 1) // 2, (y + 1) // 2])
        h, w = max(h, ch), max(w, cw)
    return crop(img, round((h - ch) / 2), round((w - cw) / 2), ch, cw)


def as_padding(function: str, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Pixels at the left, top, right and bottom, of one number, (left and right, top and bottom), or all four."""
    widths = tuple(padding) if isinstance(padding, Sequence) and not isinstance(padding, str) else (padding,)
    if len(widths) not in (1, 2, 4) or not all(isinstance(n, (int, np.integer)) and is_number(n) for n in widths):
        raise DataError(f"{function}: padding is {padding!r}, expected 1, 2 or 4 whole numbers: left, top, ...")
    left, top, right, bottom = (int(n) for n in widths * (4 // len(widths)))
    return left, top, right, bottom


def pad(img: Image, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant") -> Image:
    """A border: one number of pixels, (left and right, top and bottom), or (left, top, right, bottom).

    Args:
        padding_mode: "constant" (of `fill`), "edge", "reflect" (without the edge) or "symmetric" (with it).

    Examples:
        >>> data.transforms.functional.pad(np.ones((1, 1, 1)), [1, 0]).tolist()
        [[[0.0, 1.0, 0.0]]]
    """
    left, top, right, bottom = as_padding("pad", padding)
    if padding_mode not in MODES:
        raise DataError(f"pad: padding_mode is {padding_mode!r}, expected one of {', '.join(MODES)}")
    channels, height, width = dimensions("pad", img)
    if min(left, top, right, bottom) < 0:
        h, w = height + min(top, 0) + min(bottom, 0), width + min(left, 0) + min(right, 0)
        cut = crop(img, max(-top, 0), max(-left, 0), h, w)
        return pad(cut, [max(n, 0) for n in (left, top, right, bottom)], fill, padding_mode)
    if padding_mode == "reflect" and not is_picture(img) and (max(left, right) >= width or max(top, bottom) >= height):
        raise DataError(
            f"pad: padding {padding!r} cannot be reflected in an image of {height} x {width}; use less, or 'symmetric'"
        )
    if is_picture(img):
        return _padded_picture(img, (left, top, right, bottom), fill, padding_mode)
    array = pixels("pad", img)
    if padding_mode == "constant":
        y = np.empty((*array.shape[:-2], height + top + bottom, width + left + right), array.dtype)
        y[...] = np.reshape(as_fill("pad", fill, channels), (-1, 1, 1) if array.ndim > 2 else (1, 1)).astype(
            array.dtype
        )
        y[..., top : top + height, left : left + width] = array
        return like(img, y)
    widths = [(0, 0)] * (array.ndim - 2) + [(top, bottom), (left, right)]
    return like(img, np.pad(array, widths, mode=padding_mode))  # type: ignore[call-overload]


def _padded_picture(img: Image, widths: tuple[int, int, int, int], fill: Fill, mode: str) -> Image:
    from PIL import Image as pillow

    left, top, right, bottom = widths
    if mode == "constant":
        size = img.size[0] + left + right, img.size[1] + top + bottom
        y = pillow.new(img.mode, size, as_ink("pad", fill, img))
        if img.mode == "P":
            y.putpalette(img.palette)
        y.paste(img, (left, top))
        return y
    array = np.asarray(img)
    y = pillow.fromarray(np.pad(array, [(top, bottom), (left, right), (0, 0)][: array.ndim], mode=mode))  # type: ignore[call-overload]
    if img.mode == "P":
        y.putpalette(img.palette)
    return y


def hflip(img: Image) -> Image:
    """Left and right exchanged.

    Examples:
        >>> data.transforms.functional.hflip(np.array([[[1, 2]]])).tolist()
        [[[2, 1]]]
    """
    if is_picture(img):
        return img.transpose(0)  # FLIP_LEFT_RIGHT
    return like(img, np.ascontiguousarray(pixels("hflip", img)[..., ::-1]))


def vflip(img: Image) -> Image:
    """Top and bottom exchanged."""
    if is_picture(img):
        return img.transpose(1)  # FLIP_TOP_BOTTOM
    return like(img, np.ascontiguousarray(pixels("vflip", img)[..., ::-1, :]))


def resize(
    img: Image,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Image:
    """An image of another size.

    Args:
        size: (height, width), or the shorter side's length, by which the other follows.
        max_size: the most that the longer side may then have; the shorter one follows.
        antialias: whether pixels of Tensors and arrays are averaged where the image shrinks, as Pillow always does.

    Examples:
        >>> data.transforms.functional.resize(np.zeros((3, 20, 30)), 10).shape
        (3, 10, 15)
    """
    mode = as_mode("resize", interpolation)
    _, h, w = dimensions("resize", img)
    one = is_number(size) or len(size) == 1  # type: ignore[arg-type]
    height, width = as_size("resize", size)
    if max_size is not None and not one:
        raise DataError(f"resize: max_size is {max_size} beside size {size!r}, expected one number as size")
    if one:
        short, long = height, int(height * max(h, w) / min(h, w))
        if max_size is not None:
            if max_size <= short:
                raise DataError(f"resize: max_size is {max_size}, expected more than the shorter side's {short}")
            if long > max_size:
                short, long = int(max_size * short / long), max_size
        height, width = (long, short) if w <= h else (short, long)
    if (height, width) == (h, w):
        return img
    if is_picture(img):
        return img.resize((width, height), PILLOW[mode])
    return like(img, resampled(pixels("resize", img), (height, width), mode, bool(antialias)))


def resized_crop(
    img: Image,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Image:
    """The window of this place and size, scaled to `size`, (height, width)."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)
