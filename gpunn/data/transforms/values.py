"""What pixels are: pictures, bytes, numbers in 0..1, numbers about 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike

from gpunn.data.pillow import require_pillow
from gpunn.data.transforms.hue import merged
from gpunn.data.transforms.image import Image, dimensions, is_picture, like, pixels
from gpunn.engine.tensor import Tensor
from gpunn.errors import DataError

BYTE = np.float32(255)
WIDE = {"I": np.int32, "I;16": np.int16, "F": np.float32}  # modes that are no bytes, and what ToTensor makes of them


def to_tensor(pic: Image) -> Tensor:
    """A picture, or an array (H, W) or (H, W, C), as a Tensor (C, H, W): bytes as float32 in 0..1.

    Numbers of other dtypes stay what they are.
    Raises TypeError for anything else, a Tensor included, and DataError for an array of other dimensions.

    Examples:
        >>> data.transforms.functional.to_tensor(np.array([[0, 255]], np.uint8)).tolist()
        [[[0.0, 1.0]]]
    """
    if is_picture(pic):
        array = np.array(pic, WIDE.get(pic.mode))
        array = array * np.uint8(255) if pic.mode == "1" else array
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise DataError(f"to_tensor: the array has shape {pic.shape}, expected (H, W) or (H, W, C)")
        array = pic
    else:
        raise TypeError(f"to_tensor: got {type(pic).__name__}, expected a Pillow image or an array (H, W, C)")
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    if array.dtype != np.uint8:
        return Tensor(np.ascontiguousarray(array))
    y = np.empty(array.shape, np.float32)
    return Tensor(np.divide(array, BYTE, out=y, dtype=np.float32))


def pil_to_tensor(pic: Image) -> Tensor:
    """A picture as a Tensor (C, H, W) of its own numbers: uint8 for most, bool for mode "1".

    Examples:
        >>> from PIL import Image
        >>> data.transforms.functional.pil_to_tensor(Image.new("RGB", (4, 2))).shape
        (3, 2, 4)
    """
    if not is_picture(pic):
        raise TypeError(f"pil_to_tensor: got {type(pic).__name__}, expected a Pillow image; an array is one already")
    array = np.array(pic)
    return Tensor(array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1)))


def to_pil_image(pic: Image, mode: str | None = None) -> Image:
    """A Tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as Pillow's image.

    Floats of a Tensor, in 0..1, become bytes. `mode` is guessed from dtype and channels: "L", "LA", "RGB", "RGBA",
    "I", "I;16" or "F".
    """
    make = require_pillow("to_pil_image").fromarray
    array = pixels("to_pil_image", pic) if isinstance(pic, Tensor) else pic
    if not isinstance(array, np.ndarray):
        raise TypeError(f"to_pil_image: got {type(pic).__name__}, expected a Tensor (C, H, W) or an array (H, W, C)")
    if array.ndim not in (2, 3):
        raise DataError(f"to_pil_image: the image has {array.ndim} dimensions, expected 2 or 3 (shape {array.shape})")
    array = array.transpose(1, 2, 0) if isinstance(pic, Tensor) and array.ndim == 3 else array
    if isinstance(pic, Tensor) and array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    channels = array.shape[2] if array.ndim == 3 else 1
    if channels not in (1, 2, 3, 4):
        raise DataError(f"to_pil_image: the image has {channels} channels, expected 1 to 4 (shape {array.shape})")
    array = array[:, :, 0] if array.ndim == 3 and channels == 1 else array
    grey = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
    modes = [grey[array.dtype.name]] if channels == 1 and array.dtype.name in grey else []
    if channels > 1 and array.dtype == np.uint8:
        modes = [["LA"], ["RGB", "YCbCr", "HSV", "LAB"], ["RGBA", "CMYK", "RGBX"]][channels - 2]
    if not modes:
        raise TypeError(f"to_pil_image: {array.dtype} of {channels} channels is no picture; expected uint8")
    if mode is not None and mode not in modes:
        raise DataError(f"to_pil_image: mode is {mode!r}, but {channels} channels of {array.dtype} make {modes}")
    made = make(np.ascontiguousarray(array.astype(np.uint16) if modes[0] == "I;16" else array))
    if mode in (None, made.mode):
        return made
    return merged(mode, [make(np.ascontiguousarray(array[:, :, c])) for c in range(channels)])


def convert_image_dtype(image: Image, dtype: DTypeLike = np.float32) -> Image:
    """An image in another dtype, its values scaled from the range of the one (0..1 of floats) to that of the other.

    Examples:
        >>> data.transforms.functional.convert_image_dtype(np.full((1, 1, 1), 0.5), "uint8").item()
        127
    """
    array, to = pixels("convert_image_dtype", image), np.dtype(dtype)
    if array.dtype == to:
        return image
    if array.dtype.kind not in "fiu" or to.kind not in "fiu":
        raise TypeError(f"convert_image_dtype: from {array.dtype} to {to}, expected floating or whole numbers")
    if array.dtype.kind == "f":
        if to.kind == "f":
            return like(image, array.astype(to))
        if to.itemsize > 1 and to.itemsize >= array.dtype.itemsize:
            raise DataError(
                f"convert_image_dtype: {array.dtype} does not tell all of {to} apart; expected a smaller one"
            )
        return like(image, (array * (_white(to) + 1 - 1e-3)).astype(to))
    most = _white(array.dtype)
    if to.kind == "f":
        return like(image, array.astype(to) / to.type(most))
    if most > _white(to):
        return like(image, (array // ((most + 1) // (_white(to) + 1))).astype(to))
    return like(image, array.astype(to) * to.type((_white(to) + 1) // (most + 1)))


def _white(dtype: np.dtype) -> int:
    """The largest of whole numbers."""
    return np.iinfo(dtype).max  # type: ignore[call-overload,arg-type]


def normalize(
    tensor: Image, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
) -> Image:
    """A floating image (..., C, H, W) minus `mean`, over `std`: numbers, or one each a channel.

    Raises:
        TypeError: a picture, or an image that is no floating point.
        DataError: std has a 0, or there are neither 1 nor C of them.
    """
    array = pixels("normalize", tensor)
    if array.dtype.kind != "f":
        raise TypeError(f"normalize: the image is {array.dtype}, expected floating point; put ToTensor() before it")
    if array.ndim < 3:
        raise DataError(f"normalize: the image has shape {array.shape}, expected (..., C, H, W)")
    shift, scale = scales("normalize", mean, std, array.dtype)
    if {len(shift), len(scale)} - {1, array.shape[-3]}:
        raise DataError(
            f"normalize: got {len(shift)} means and {len(scale)} stds for an image of shape {array.shape}, "
            "expected one, or one a channel"
        )
    y = np.subtract(array, shift, out=array if inplace else None)
    y /= scale
    return tensor if inplace else like(tensor, y)


def scales(function: str, mean: float | Sequence[float], std: float | Sequence[float], dtype: np.dtype) -> tuple:
    """`mean` and `std` as arrays (C, 1, 1) of `dtype`; DataError where they are no such numbers."""
    both = []
    for name, value in (("mean", mean), ("std", std)):
        try:
            both.append(tuple(map(float, value if hasattr(value, "__iter__") else (value,))))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise DataError(f"{function}: {name} is {value!r}, expected numbers; give one, or one a channel") from error
    return _scales(function, *both, dtype)


@lru_cache(64)
def _scales(function: str, mean: tuple, std: tuple, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    if not mean or not std or not all(std):
        raise DataError(f"{function}: mean is {mean} and std {std}, expected at least one each, and no std of 0")
    shift, scale = (np.array(values, dtype).reshape(-1, 1, 1) for values in (mean, std))
    return shift, scale


def erase(img: Image, i: int, j: int, h: int, w: int, v: Image, inplace: bool = False) -> Image:
    """A Tensor (C, H, W) with the values v, (C, h, w) or what broadcasts to it, from row i and column j on."""
    array = pixels("erase", img)
    y = array if inplace else array.copy()
    y[..., i : i + h, j : j + w] = v.array if isinstance(v, Tensor) else v
    return img if inplace else like(img, y)


def get_dimensions(img: Image) -> list[int]:
    """Channels, height and width.

    Examples:
        >>> data.transforms.functional.get_dimensions(np.zeros((3, 4, 5)))
        [3, 4, 5]
    """
    return list(dimensions("get_dimensions", img))
