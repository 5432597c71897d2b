"""Hues, turned about the circle of colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpunn.data.transforms.image import Image


def turned(x: np.ndarray, turn: float) -> np.ndarray:
    """Floating RGB (..., 3, H, W) with each hue moved on, by way of hue, saturation and value."""
    r, g, b = np.moveaxis(x, -3, 0)
    high, spread = x.max(axis=-3), np.ptp(x, axis=-3)
    flat = spread == 0
    saturation = spread / np.where(flat, 1, high)
    rc, gc, bc = ((high - part) / np.where(flat, 1, spread) for part in (r, g, b))
    hue = np.where(high == r, bc - gc, np.where(high == g, 2 + rc - bc, 4 + gc - rc))
    hue = ((hue / 6 + 1) % 1 + turn) % 1
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    p, q, t = (np.clip(high * (1 - saturation * k), 0, 1) for k in (1, part, 1 - part))
    sector = sector.astype(np.intp) % 6
    return np.stack([np.choose(sector, c) for c in ((high, q, p, p, t, high), (t, high, high, q, p, p),
                                                     (p, p, t, high, high, q))], axis=-3)  # fmt: skip


def turned_picture(picture: Image, turn: float) -> Image:
    """Pillow's image with each hue moved on; one without hues as it is."""
    from PIL import Image as pillow

    if picture.mode in ("L", "1", "I", "F"):
        return picture
    hue, saturation, value = picture.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(int(turn * 255) % 256)  # uint8 goes round, as hues do
    return merged("HSV", [pillow.fromarray(moved), saturation, value]).convert(picture.mode)


def merged(mode: str, bands: Sequence[Image]) -> Image:
    """One picture of several bands."""
    from PIL import Image as pillow

    return pillow.merge(mode, bands)
