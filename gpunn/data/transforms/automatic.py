"""Augmentation by chance alone."""

from __future__ import annotations

import math

from gpunn.data.transforms import chance
from gpunn.data.transforms import functional as F
from gpunn.data.transforms.image import Fill, Image, InterpolationMode, as_mode, dimensions
from gpunn.errors import DataError

SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
NAMES = ("Identity", *SIGNED, "Posterize", "Solarize", "AutoContrast", "Equalize")
ENHANCED = {
    "Brightness": F.adjust_brightness,
    "Color": F.adjust_saturation,
    "Contrast": F.adjust_contrast,
    "Sharpness": F.adjust_sharpness,
}


class RandAugment:
    """`num_ops` changes chosen at random of fourteen, all of one strength (Cubuk et al. 2019).

    Args:
        magnitude: the strength, 0 to num_magnitude_bins - 1.
        interpolation, fill: those of functional.affine.

    Takes pictures, and uint8 Tensors or arrays (C, H, W) of 1 or 3 channels.

    Examples:
        >>> data.transforms.RandAugment()(np.zeros((3, 8, 8), np.uint8)).shape
        (3, 8, 8)
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Fill = None,
    ):
        if num_ops < 0 or num_magnitude_bins < 2 or not 0 <= magnitude < num_magnitude_bins:
            raise DataError(
                f"RandAugment: num_ops is {num_ops}, magnitude {magnitude} of {num_magnitude_bins} bins; expected at "
                "least 0 changes, 2 bins, and a magnitude from 0 to bins - 1"
            )
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins
        self.interpolation, self.fill = as_mode("RandAugment", interpolation), fill

    def __call__(self, img: Image) -> Image:
        for _ in range(self.num_ops):
            name = NAMES[chance.whole(0, len(NAMES))]
            sign = -1 if name in SIGNED and chance.uniform() < 0.5 else 1
            img = self.changed(img, name, sign)
        return img

    def changed(self, img: Image, name: str, sign: int = 1) -> Image:
        """The image after the change of this name, with a positive or a negative strength."""
        part = self.magnitude / (self.num_magnitude_bins - 1)
        _, height, width = dimensions("RandAugment", img)
        if name in ENHANCED:
            return ENHANCED[name](img, 1 + sign * 0.9 * part)
        if name.startswith("Shear"):
            angle = math.degrees(math.atan(sign * 0.3 * part))
            shear = [angle, 0.0] if name == "ShearX" else [0.0, angle]
            return F.affine(img, 0.0, [0, 0], 1.0, shear, self.interpolation, self.fill, center=[0, 0])
        if name.startswith("Translate"):
            way = int(sign * 150 / 331 * part * (width if name == "TranslateX" else height))
            shift = [way, 0] if name == "TranslateX" else [0, way]
            return F.affine(img, 0.0, shift, 1.0, 0.0, self.interpolation, self.fill)
        if name == "Rotate":
            return F.rotate(img, sign * 30 * part, self.interpolation, fill=self.fill)
        if name == "Posterize":
            return F.posterize(img, 8 - round(4 * part))
        if name == "Solarize":
            return F.solarize(img, 255 * (1 - part))
        return F.autocontrast(img) if name == "AutoContrast" else F.equalize(img) if name == "Equalize" else img

    def __repr__(self) -> str:
        return (
            f"RandAugment(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill})"
        )
