"""Generated discs and triangles on textured noise, and the class of each pixel: a set for segmentation.

Every number comes from `Generator.integers` and elementwise arithmetic of IEEE doubles (no sine, no product of
matrices), so that the images are the same to the last bit on every machine. They come in blocks, each from its own
seed: the first n images of a seed are the same however many are asked for.
"""

from __future__ import annotations

import numpy as np

from gpunn import limits
from gpunn.data.digits import ImageSet
from gpunn.errors import DataError
from gpunn.text import brief

VERSION = 1  # part of the seed: raise it when a change alters any pixel
SIZE = 64
BLOCK = 100  # images made together
CLASSES = ("background", "disc", "triangle")
MOST = 4  # things in an image; the last ones hide what lies below them
CONTRAST = 40  # grey levels, at least, between a thing's colour and the background's, in each channel


def load_shapes(n_train: int = 2000, n_test: int = 400, seed: int = 0) -> ImageSet:
    """Images uint8 (N, 3, 64, 64) and masks int64 (N, 64, 64) of the classes `CLASSES`, for training and for testing.

    One to four discs and triangles in an image, of radii 6 to 18, in any place and turn, some cut off by the border or
    hidden in part by others; each surface has its own colour and texture. 2,400 images take some seconds.
    """
    for name, value, least, most in (
        ("n_train", n_train, 1, limits.DIGITS), ("n_test", n_test, 1, limits.DIGITS), ("seed", seed, 0, limits.SEED)
    ):  # fmt: skip
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not least <= value <= most:
            words = f"a whole number of at least {least} and at most {most:,}"
            raise DataError(f"load_shapes: {name} is {brief(value)}; give {words}")
    return ImageSet(*make_shapes(n_train, seed, "train"), *make_shapes(n_test, seed, "test"))


def make_shapes(n: int, seed: int = 0, part: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """`n` images uint8 (n, 3, 64, 64) and masks int64 (n, 64, 64) of the part "train" or "test".

    >>> images, masks = data.make_shapes(2)
    >>> images.shape, masks.shape, np.unique(masks).tolist()
    ((2, 3, 64, 64), (2, 64, 64), [0, 1, 2])
    """
    stream = ("train", "test").index(part)
    blocks = [_make_block(np.random.default_rng((VERSION, seed, stream, b))) for b in range(-(-n // BLOCK))]
    images, masks = (np.concatenate(parts)[:n] for parts in zip(*blocks, strict=True))
    return images, masks


def _make_block(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    behind = rng.integers(0, 256, (BLOCK, 3, 1, 1)).astype(np.float64)
    images = _surface(rng, behind)
    masks = np.zeros((BLOCK, SIZE, SIZE), np.int64)
    count = rng.integers(1, MOST + 1, (BLOCK, 1, 1))
    for i in range(MOST):
        kinds = rng.integers(1, len(CLASSES), (BLOCK, 1, 1))
        inside = np.where(kinds == 1, *_distances(rng))  # pixels to the edge, below 0 outside
        inside = np.where(i < count, inside, -SIZE)
        # A colour of its own: at least CONTRAST away, on a circle of grey levels.
        colour = (behind + rng.integers(CONTRAST, 257 - CONTRAST, (BLOCK, 3, 1, 1))) % 256
        share = np.clip(inside + 0.5, 0, 1)[:, None]  # a soft edge, one pixel wide
        images += share * (_surface(rng, colour) - images)
        masks = np.where(inside > 0, kinds, masks)
    return np.floor(np.clip(images, 0, 255) + 0.5).astype(np.uint8), masks


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> np.ndarray:
    """Of 2^16 equal steps from low to high, (BLOCK, *shape)."""
    return low + (high - low) * (rng.integers(0, 1 << 16, (BLOCK, *shape)) / (1 << 16))


def _distances(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A disc and a triangle in one place: each pixel's way to their edge (BLOCK, 64, 64), below 0 outside."""
    grid = np.arange(SIZE, dtype=np.float64)
    y = grid[:, None] - _uniform(rng, 4, SIZE - 4, 1, 1)
    x = grid - _uniform(rng, 4, SIZE - 4, 1, 1)
    radius = _uniform(rng, 6, 18, 1, 1)
    disc = 0.75 * radius - np.sqrt(x * x + y * y)  # of about the triangle's area
    # A turn without sine and cosine: (1 - t^2, 2t) / (1 + t^2) is a point of the circle.
    t = _uniform(rng, -1, 1, 1, 1)
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    cos, sin = (np.where(rng.integers(0, 2, (BLOCK, 1, 1)) == 1, v, -v) for v in (cos, sin))
    u, v = cos * x + sin * y, cos * y - sin * x
    # Three half planes with normals 120 degrees apart, each at half the radius from the middle: corners at the radius.
    half = 3**0.5 / 2
    triangle = radius / 2 - np.maximum(np.maximum(u, half * v - u / 2), -half * v - u / 2)
    return disc, triangle


def _surface(rng: np.random.Generator, colour: np.ndarray) -> np.ndarray:
    """A colour (BLOCK, 3, 1, 1) with a texture: smooth spots, stripes and grain, (BLOCK, 3, 64, 64)."""
    grid = np.arange(SIZE, dtype=np.float64)
    across = _uniform(rng, -0.25, 0.25, 1, 1, 1) * grid + _uniform(rng, -0.25, 0.25, 1, 1, 1) * grid[:, None]
    stripes = np.abs(across - np.floor(across) - 0.5) * 4 - 1  # a triangle wave, -1 to 1
    grain = _uniform(rng, -1, 1, 3, SIZE, SIZE)
    spots = _spots(rng)
    texture = _uniform(rng, 0, 40, 1, 1, 1) * spots + _uniform(rng, 0, 30, 1, 1, 1) * stripes
    return colour + texture + _uniform(rng, 4, 30, 1, 1, 1) * grain


def _spots(rng: np.random.Generator) -> np.ndarray:
    """Noise on a grid of 9 x 9, between whose points it runs straight: (BLOCK, 1, 64, 64), -1 to 1."""
    coarse = _uniform(rng, -1, 1, 1, 9, 9)
    part = (np.arange(SIZE) % 8) / 8
    for axis in (2, 3):
        near, far = (np.repeat(np.take(coarse, range(i, i + 8), axis), 8, axis) for i in (0, 1))
        coarse = near + (far - near) * (part[:, None] if axis == 2 else part)
    return coarse
