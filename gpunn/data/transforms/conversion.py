"""Between pictures and Tensors, and what works on Tensors alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from gpunn import random
from gpunn.data.transforms import chance
from gpunn.data.transforms import functional as F
from gpunn.data.transforms.image import Image, as_chance, as_range, is_number, is_picture, pixels
from gpunn.data.transforms.values import scales
from gpunn.engine.tensor import Tensor
from gpunn.errors import DataError


class ToTensor:
    """A picture, or an array (H, W) or (H, W, C), as a Tensor (C, H, W): bytes as float32 in 0..1."""

    def __call__(self, pic: Image) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """A picture as a Tensor (C, H, W) of its own numbers: uint8 for most."""

    def __call__(self, pic: Image) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """A Tensor (C, H, W), or an array (H, W, C), as Pillow's image: floats in 0..1 become bytes. `mode` is Pillow's."""

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Image) -> Image:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype:
    """An image in another dtype, its values scaled from the range of the one to that of the other."""

    def __init__(self, dtype: DTypeLike):
        self.dtype = np.dtype(dtype)

    def __call__(self, image: Image) -> Image:
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return f"ConvertImageDtype({self.dtype})"


class Normalize:
    """A floating image (..., C, H, W) minus `mean`, over `std`; `data.Normalise` is of uint8 batches.

    Examples:
        >>> data.transforms.Normalize((0.5,), (0.25,))(Tensor([[[1.0]]])).tolist()
        [[[2.0]]]
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False):
        scales("Normalize", mean, std, np.dtype(np.float64))
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: Image) -> Image:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class RandomErasing:
    """With probability p a rectangle of a Tensor (C, H, W) is filled (Zhong et al. 2017); `data.Cutout` is of batches.

    Args:
        scale: (low, high) of its share of the image's area. `ratio`: of its height over its width.
        value: a number, one a channel, or "random" for normal noise.
        inplace: whether the image itself is written to.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
    ):
        self.p = as_chance("RandomErasing", p)
        self.scale, self.ratio = as_range("RandomErasing", "scale", scale, least=0), as_ratio("RandomErasing", ratio)
        if self.scale[1] > 1:
            raise DataError(f"RandomErasing: scale is {scale!r}, expected shares of the image; give at most 1")
        if value != "random" and not is_number(value) and not (isinstance(value, (tuple, list)) and len(value)):
            raise DataError(f"RandomErasing: value is {value!r}, expected a number, one a channel, or 'random'")
        self.value, self.inplace = value, inplace

    def __call__(self, img: Image) -> Image:
        if is_picture(img):
            raise TypeError("RandomErasing: got a Pillow image, expected a Tensor (C, H, W); put ToTensor() before it")
        if chance.uniform() >= self.p:
            return img
        array = pixels("RandomErasing", img)
        channels, height, width = array.shape[-3:] if array.ndim > 2 else (1, *array.shape)
        if isinstance(self.value, (tuple, list)) and len(self.value) not in (1, channels):
            raise DataError(
                f"RandomErasing: value has {len(self.value)} numbers, but the image {channels} channels; give one each"
            )
        for _ in range(10):
            area = height * width * chance.uniform(*self.scale)
            ratio = math.exp(chance.uniform(*map(math.log, self.ratio)))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                i, j = chance.whole(0, height - h + 1), chance.whole(0, width - w + 1)
                return F.erase(img, i, j, h, w, self._value(channels, h, w), self.inplace)
        return img

    def _value(self, *shape: int) -> np.ndarray:
        if isinstance(self.value, str):
            return random.normal(shape)
        return np.asarray(self.value, np.float32).reshape(-1, 1, 1)

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


def as_ratio(function: str, ratio: Sequence[float]) -> tuple[float, float]:
    """(low, high) of a quotient, both above 0."""
    low, high = as_range(function, "ratio", ratio, least=0)
    if low == 0:
        raise DataError(f"{function}: ratio is {ratio!r}, expected quotients; give numbers above 0")
    return low, high
