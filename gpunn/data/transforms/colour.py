"""Colours, changed by random amounts."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn.data.transforms import chance
from gpunn.data.transforms import functional as F
from gpunn.data.transforms.image import Image, as_chance, as_range, dimensions
from gpunn.errors import DataError

Range = float | Sequence[float]


class ColorJitter:
    """Brightness, contrast, saturation and hue changed by random amounts, in random order.

    (`data.ColorJitter`, which knows no hue, is of whole batches.)

    Args:
        brightness, contrast, saturation: one number a, for factors max(0, 1 - a) to 1 + a, or (low, high).
        hue: one number a of at most 0.5, for turns of -a to a of the whole circle, or (low, high).

    Examples:
        >>> data.transforms.ColorJitter(0.2, 0.2, 0.2, 0.1)(np.zeros((3, 4, 4), np.uint8)).shape
        (3, 4, 4)
    """

    def __init__(self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0, hue: Range = 0):
        name = "ColorJitter"
        self.brightness = as_range(name, "brightness", brightness, centre=1, least=0)
        self.contrast = as_range(name, "contrast", contrast, centre=1, least=0)
        self.saturation = as_range(name, "saturation", saturation, centre=1, least=0)
        self.hue = as_range(name, "hue", hue, centre=0)
        if max(map(abs, self.hue)) > 0.5:
            raise DataError(f"{name}: hue is {hue!r}, expected parts of the circle from -0.5 to 0.5")

    def __call__(self, img: Image) -> Image:
        steps = (
            (F.adjust_brightness, self.brightness, 1),
            (F.adjust_contrast, self.contrast, 1),
            (F.adjust_saturation, self.saturation, 1),
            (F.adjust_hue, self.hue, 0),
        )
        for i in chance.order(4):
            change, (low, high), nothing = steps[i]
            if (low, high) != (nothing, nothing):
                img = change(img, chance.uniform(low, high))
        return img

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}, "
            f"hue={self.hue})"
        )


class Grayscale:
    """The luminance, in 1 or in 3 equal channels."""

    def __init__(self, num_output_channels: int = 1):
        if num_output_channels not in (1, 3):
            raise DataError(f"Grayscale: num_output_channels is {num_output_channels!r}, expected 1 or 3")
        self.num_output_channels = num_output_channels

    def __call__(self, img: Image) -> Image:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class RandomGrayscale:
    """The luminance in as many channels as the image has, with probability p."""

    def __init__(self, p: float = 0.1):
        self.p = as_chance("RandomGrayscale", p)

    def __call__(self, img: Image) -> Image:
        channels = dimensions("RandomGrayscale", img)[0]
        return F.rgb_to_grayscale(img, channels) if chance.uniform() < self.p else img

    def __repr__(self) -> str:
        return f"RandomGrayscale(p={self.p})"
