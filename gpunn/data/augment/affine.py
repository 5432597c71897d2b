"""Rotation, scaling, shear and shift in one resampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpunn.data.augment.step import ImageStep, as_dtype, interval, pixel
from gpunn.errors import DataError

CHUNK = 16  # images at a time: their arrays stay in the cache, which is worth a factor of 4 at 3 x 32 x 32
Range = float | tuple[float, float]


@dataclass(frozen=True)
class RandomAffine(ImageStep):
    """Turns, scales, shears and shifts each image about its centre by its own random amounts; bilinear.

    `degrees` (counter-clockwise) and `shear` (along x, degrees): one number a for -a to a, or (low, high). `scale`: a
    factor's (low, high), or one number a for 1 - a to 1 + a. `shift`: (down, right), the most pixels either way, or one
    number for both. Outside the image lies `fill`, in the images' values. uint8 stays uint8, rounded.

    Examples:
        >>> images, rng = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), np.random.default_rng(0)
        >>> data.RandomAffine(degrees=(180, 180))(images, rng)[0][0].tolist()
        [[[3, 2], [1, 0]]]
    """

    degrees: Range = 0.0
    scale: Range = 0.0
    shift: Range = 0.0
    shear: Range = 0.0
    fill: float = 0.0

    def __post_init__(self):
        self._ranges()

    def _ranges(self) -> tuple[tuple[float, float], ...]:
        """(low, high) of the angle, the shear, the scale and the shifts down and right."""
        name = "RandomAffine"
        shifts = self.shift if isinstance(self.shift, (tuple, list)) else (self.shift, self.shift)
        if len(shifts) != 2:
            raise DataError(f"{name}: shift is {self.shift!r}; give one number of pixels, or (down, right)")
        scale = interval(name, "scale", self.scale, 1, 0)
        if scale[0] == 0:
            raise DataError(f"{name}: scale is {self.scale!r}; its lowest factor must be above 0")
        shear = interval(name, "shear", self.shear, 0)
        if max(map(abs, shear)) >= 90:
            raise DataError(f"{name}: shear is {self.shear!r}; give less than 90 degrees")
        return (
            interval(name, "degrees", self.degrees, 0),
            shear,
            scale,
            interval(name, "shift", shifts[0], 0),
            interval(name, "shift", shifts[1], 0),
        )

    def apply(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = len(images)
        angle, shear, scale, down, right = (rng.uniform(low, high, n) for low, high in self._ranges())
        y, x = _sources(images.shape[2:], np.radians(angle), np.tan(np.radians(shear)), scale, down, right)
        fill = pixel("RandomAffine", self.fill, images.dtype)
        return as_dtype(bilinear(images, y, x, fill), images.dtype)


def bilinear(images: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """Values (N, C, P, Q), float32 (float64 from float64), of images (N, C, H, W) at rows `y`, columns `x` (N, P, Q).

    Outside the pixel centres' grid the image fades into `fill` within one pixel.
    """
    values = np.empty((*images.shape[:2], *y.shape[1:]), np.float64 if images.dtype == np.float64 else np.float32)
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        values[part] = _bilinear(images[part], y[part], x[part], fill, values.dtype)
    return values


def _bilinear(images: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float, dtype) -> np.ndarray:
    n, c, h, w = images.shape
    framed = np.full((n, c, h + 3, w + 3), fill, dtype=dtype)  # one before, two after: the last one's neighbour
    framed[:, :, 1 : h + 1, 1 : w + 1] = images
    y, x = np.clip(y, -1, h) + 1, np.clip(x, -1, w) + 1
    row, column = y.astype(np.intp), x.astype(np.intp)
    fy, fx = ((at - whole).astype(dtype)[:, None] for at, whole in ((y, row), (x, column)))
    plane = (h + 3) * (w + 3)
    first = row * (w + 3) + column + (np.arange(n) * (c * plane)).reshape(-1, 1, 1)
    index = first[:, None] + (np.arange(c) * plane).reshape(-1, 1, 1)
    flat = framed.reshape(-1)
    above, below = (_between(flat, index + step, fx) for step in (0, w + 3))
    below -= above
    below *= fy
    above += below
    return above


def _between(flat: np.ndarray, index: np.ndarray, part: np.ndarray) -> np.ndarray:
    """flat[index] and its right neighbour, mixed by `part` of the neighbour."""
    left, right = flat[index], flat[index + 1]
    right -= left
    right *= part
    left += right
    return left


def _sources(size, angle, shear, scale, down, right) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel's value comes from: rows and columns (N, H, W) of the inverse transformation.

    A point (x, y) about the centre, y pointing down, goes to scale * R * S * (x, y) + (right, down), with the shear
    S = [1 t; 0 1] and the counter-clockwise turn R = [cos sin; -sin cos]; its inverse is S^-1 * R^T / scale.
    """
    h, w = size
    shape = (-1, 1, 1)
    cos, sin = (f(angle).reshape(shape) / scale.reshape(shape) for f in (np.cos, np.sin))
    v = np.arange(h).reshape(-1, 1) - (h - 1) / 2 - down.reshape(shape)
    u = np.arange(w) - (w - 1) / 2 - right.reshape(shape)
    y = sin * u + cos * v
    x = cos * u - sin * v - shear.reshape(shape) * y
    return y + (h - 1) / 2, x + (w - 1) / 2
