"""Brightness, contrast and saturation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpunn.data.augment.step import ImageStep, as_dtype, interval
from gpunn.errors import DataError

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601: red, green, blue


@dataclass(frozen=True)
class ColorJitter(ImageStep):
    """Multiplies brightness, contrast and saturation of each image by its own random factors, in this order.

    Each is one number a, for factors 1 - a (at least 0) to 1 + a, or (low, high). Contrast is the distance from the
    image's mean grey, saturation that from each pixel's own grey. uint8 images, or floating ones in 0..1, of 3 channels
    (red, green, blue) or 1, which has no saturation; the result is limited to the same values.

    Examples:
        >>> images, rng = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), np.random.default_rng(0)
        >>> data.ColorJitter(brightness=(2, 2))(images, rng)[0][0].tolist()
        [[[0, 2], [4, 6]]]
    """

    brightness: float | tuple[float, float] = 0.0
    contrast: float | tuple[float, float] = 0.0
    saturation: float | tuple[float, float] = 0.0

    def __post_init__(self):
        self._ranges()

    def _ranges(self) -> list[tuple[float, float]]:
        names = ("brightness", "contrast", "saturation")
        return [interval("ColorJitter", name, getattr(self, name), 1, 0) for name in names]

    def apply(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n, c = images.shape[:2]
        if c not in (1, 3):
            raise DataError(
                f"ColorJitter: images have {c} channels (shape {images.shape}), expected 3 (RGB) or 1 (grey)"
            )
        brightness, contrast, saturation = (
            rng.uniform(low, high, n).astype(np.float32).reshape(n, 1, 1, 1) for low, high in self._ranges()
        )
        # All three are linear in the pixel x, its grey g and the mean grey m; grey survives saturation:
        # saturation * (contrast * b * x) + (1 - saturation) * (contrast * b * g) + (1 - contrast) * b * m.
        x = images.astype(np.float32)
        x *= brightness
        grey = np.einsum("nchw,c->nhw", x, LUMA)[:, None] if c == 3 else x
        mean = grey.mean(axis=(2, 3), keepdims=True)
        if c == 3:
            x *= contrast * saturation
            x += grey * (contrast * (1 - saturation))
            x += (1 - contrast) * mean
        else:
            x *= contrast
            x += (1 - contrast) * mean
        return as_dtype(x, images.dtype, limit=True)
