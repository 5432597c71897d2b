"""Brightness, colour and contrast."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from gpunn.data.transforms.hue import merged, turned, turned_picture
from gpunn.data.transforms.image import Image, is_number, is_picture, like, pixels
from gpunn.errors import DataError

LUMA = np.array([0.2989, 0.587, 0.114], np.float32).reshape(3, 1, 1)  # torchvision's, of ITU-R BT.601


def rgb_to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """The luminance, in one channel or in three equal ones.

    Examples:
        >>> data.transforms.functional.rgb_to_grayscale(np.full((3, 1, 1), 100, np.uint8)).tolist()
        [[[99]]]
    """
    if num_output_channels not in (1, 3):
        raise DataError(f"rgb_to_grayscale: num_output_channels is {num_output_channels!r}, expected 1 or 3")
    if is_picture(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else merged("RGB", [grey] * 3)
    array = _coloured("rgb_to_grayscale", img)
    grey = array if array.shape[-3] == 1 else _grey(array)
    return like(img, np.repeat(grey, num_output_channels, axis=-3))


to_grayscale = rgb_to_grayscale


def adjust_brightness(img: Image, brightness_factor: float) -> Image:
    """Each value times the factor: 0 is black, 1 the image.

    Examples:
        >>> data.transforms.functional.adjust_brightness(np.full((3, 1, 1), 100, np.uint8), 2).ravel().tolist()
        [200, 200, 200]
    """
    factor = _factor("adjust_brightness", brightness_factor)
    if is_picture(img):
        return _enhanced("Brightness", img, factor)
    array = _coloured("adjust_brightness", img)
    return like(img, _blend(array, np.zeros_like(array), factor))


def adjust_contrast(img: Image, contrast_factor: float) -> Image:
    """Distances from the mean grey times the factor: 0 is that grey, 1 the image."""
    factor = _factor("adjust_contrast", contrast_factor)
    if is_picture(img):
        return _enhanced("Contrast", img, factor)
    array = _coloured("adjust_contrast", img)
    grey = array if array.shape[-3] == 1 else _grey(array)
    mean = grey.mean(axis=(-3, -2, -1), keepdims=True, dtype=np.float64 if grey.dtype == np.float64 else np.float32)
    return like(img, _blend(array, mean, factor))


def adjust_saturation(img: Image, saturation_factor: float) -> Image:
    """Distances from each pixel's grey times the factor: 0 is the grey image, 1 the image."""
    factor = _factor("adjust_saturation", saturation_factor)
    if is_picture(img):
        return _enhanced("Color", img, factor)
    array = _coloured("adjust_saturation", img)
    return img if array.shape[-3] == 1 else like(img, _blend(array, _grey(array), factor))


def adjust_hue(img: Image, hue_factor: float) -> Image:
    """All hues turned by the factor, -0.5 to 0.5, of the whole circle."""
    if not is_number(hue_factor) or not -0.5 <= hue_factor <= 0.5:
        raise DataError(f"adjust_hue: hue_factor is {hue_factor!r}, expected a number from -0.5 to 0.5")
    if is_picture(img):
        return turned_picture(img, hue_factor)
    array = _coloured("adjust_hue", img)
    if array.shape[-3] == 1:
        return img
    x = array.astype(np.float32) / np.float32(255) if array.dtype == np.uint8 else array
    y = turned(x, hue_factor)
    return like(img, (y * np.float32(255.999)).astype(np.uint8) if array.dtype == np.uint8 else y.astype(array.dtype))


def adjust_sharpness(img: Image, sharpness_factor: float) -> Image:
    """Differences from the smoothed image times the factor: 0 is smoothed, 1 the image, 2 sharper."""
    factor = _factor("adjust_sharpness", sharpness_factor)
    if is_picture(img):
        return _enhanced("Sharpness", img, factor)
    array = _coloured("adjust_sharpness", img)
    h, w = array.shape[-2:]
    if h <= 2 or w <= 2:
        return img
    x = array.astype(np.float32 if array.dtype == np.uint8 else array.dtype)
    total = sum(x[..., i : h - 2 + i, j : w - 2 + j] for i in range(3) for j in range(3)) + 4 * x[..., 1:-1, 1:-1]
    smooth = x.copy()  # the border stays
    smooth[..., 1:-1, 1:-1] = np.rint(total / 13) if array.dtype == np.uint8 else total / 13
    return like(img, _blend(array, smooth, factor))


def invert(img: Image) -> Image:
    """Light and dark exchanged."""
    if is_picture(img):
        return _ops().invert(img)
    array = _coloured("invert", img)
    return like(img, _bound(array) - array)


def posterize(img: Image, bits: int) -> Image:
    """A uint8 image with the highest `bits` of each value alone, 0 to 8."""
    if not isinstance(bits, (int, np.integer)) or not 0 <= bits <= 8:
        raise DataError(f"posterize: bits is {bits!r}, expected a whole number from 0 to 8")
    if is_picture(img):
        return _ops().posterize(img, bits)
    array = _bytes("posterize", img)
    return like(img, array & np.uint8(256 - 2 ** (8 - bits)))


def solarize(img: Image, threshold: float) -> Image:
    """Values from `threshold` on inverted."""
    if is_picture(img):
        return _ops().solarize(img, threshold)
    array = _coloured("solarize", img)
    if threshold > _bound(array):
        raise DataError(f"solarize: threshold is {threshold!r}, expected at most {_bound(array)}, which is white")
    return like(img, np.where(array >= threshold, _bound(array) - array, array))


def autocontrast(img: Image) -> Image:
    """Each channel stretched, so that its lowest value is black and its highest white."""
    if is_picture(img):
        return _ops().autocontrast(img)
    array = _coloured("autocontrast", img)
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    low, high = (f(axis=(-2, -1), keepdims=True).astype(dtype) for f in (array.min, array.max))
    flat = low == high
    stretch = _bound(array).astype(dtype) / np.where(flat, 1, high - low)
    y = np.clip((array - low) * stretch, 0, _bound(array)).astype(array.dtype)
    return like(img, np.where(flat, array, y))


def equalize(img: Image) -> Image:
    """A uint8 image with each channel's histogram as even as it gets."""
    if is_picture(img):
        return _ops().equalize(img)
    array = _bytes("equalize", img)
    planes = array.reshape(-1, array.shape[-2] * array.shape[-1])
    return like(img, np.stack([_equalized(plane) for plane in planes]).reshape(array.shape))


def _equalized(plane: np.ndarray) -> np.ndarray:
    counts = np.bincount(plane, minlength=256)
    step = counts[counts > 0][:-1].sum() // 255
    if step == 0:
        return plane
    table = (np.cumsum(counts) + step // 2) // step
    return np.clip(np.concatenate([[0], table[:-1]]), 0, 255).astype(np.uint8)[plane]


def _coloured(function: str, img: Image) -> np.ndarray:
    """Pixels of 1 or 3 channels, uint8 or floating."""
    array = pixels(function, img)
    if array.ndim < 3 or array.shape[-3] not in (1, 3):
        raise DataError(f"{function}: the image has shape {array.shape}, expected (C, H, W) of 1 or 3 channels")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise TypeError(f"{function}: the image is {array.dtype}, expected uint8, or floating in 0..1")
    return array


def _bytes(function: str, img: Image) -> np.ndarray:
    array = _coloured(function, img)
    if array.dtype != np.uint8:
        raise TypeError(f"{function}: the image is {array.dtype}, expected uint8; put it before ToTensor()")
    return array


def _factor(function: str, factor: float) -> float:
    if not is_number(factor) or not 0 <= factor < np.inf:
        raise DataError(f"{function}: the factor is {factor!r}, expected a number of at least 0")
    return float(factor)


def _bound(array: np.ndarray) -> np.number:
    """White."""
    return array.dtype.type(255 if array.dtype == np.uint8 else 1)


def _grey(array: np.ndarray) -> np.ndarray:
    luma = LUMA.astype(array.dtype if array.dtype.kind == "f" else np.float32)
    return (array * luma).sum(axis=-3, keepdims=True).astype(array.dtype)


def _blend(array: np.ndarray, other: np.ndarray, factor: float) -> np.ndarray:
    """factor * array + (1 - factor) * other, limited to black and white; bytes are cut off, as torchvision's are."""
    dtype = np.float32 if array.dtype == np.uint8 else array.dtype
    y = array.astype(dtype) * factor + other.astype(dtype) * (1 - factor)
    return np.clip(y, 0, _bound(array)).astype(array.dtype)


def _enhanced(kind: str, img: Image, factor: float) -> Image:
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def _ops() -> ModuleType:
    from PIL import ImageOps

    return ImageOps
