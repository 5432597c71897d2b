"""Generated digits: pen strokes, warped, drawn and spoiled; a stand-in for MNIST where there is no network.

Images come in blocks, each from its own seed: the first n images of a seed are the same however many are asked for,
and two calls give the same bytes (on one machine and NumPy version; elsewhere a pixel may differ by one grey level).

The default set (seed 0; made in 1.7 s on one core): softmax regression reaches 82 % of the test images, LeNet-5 99.5 %
after 8 epochs (SGD, momentum 0.9, cosine from 0.05, batch 64), one seed each. Linear models fail since the digits
shift, turn and lean.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np

from gpunn import limits, npz
from gpunn.data.cache import write_atomically
from gpunn.data.strokes import glyph_table
from gpunn.errors import DataError
from gpunn.files import cache_folder
from gpunn.seals import say
from gpunn.text import brief

VERSION = 1  # part of the cache file's name: raise it when a change alters any pixel
SIZE = 28
BLOCK = 1000
CHUNK = 64  # images drawn together: 64 planes of float32 are 200 KB and stay in the second-level cache


class ImageSet(NamedTuple):
    """Images uint8 (N, 28, 28) and labels uint8 (N,), for training and for testing."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_digits(n_train: int = 20000, n_test: int = 4000, seed: int = 0) -> ImageSet:
    """Generated digits as an ImageSet, from the cache folder if they were made before (24,000 images: some seconds)."""
    images = limits.DIGITS
    for name, value, least, most in (
        ("n_train", n_train, 1, images), ("n_test", n_test, 1, images), ("seed", seed, 0, limits.SEED)
    ):  # fmt: skip
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not least <= value <= most:
            words = f"a whole number of at least {least} and at most {most:,}"
            raise DataError(f"load_digits: {name} is {brief(value)}; give {words}")
    path = cache_folder() / f"digits-v{VERSION}-seed{seed}-{n_train}-{n_test}.npz"
    digits = _read_cache(path, n_train, n_test)
    if digits is None:
        if path.exists():
            say(f"gpunn: {path} is damaged; the digits are made anew")
        digits = ImageSet(*make_digits(n_train, seed, "train"), *make_digits(n_test, seed, "test"))
        with suppress(OSError):  # a cache that cannot be written costs some seconds next time, nothing else
            write_atomically(path, lambda file: np.savez(file, **digits._asdict()))
    return digits


def make_digits(n: int, seed: int = 0, part: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """`n` images uint8 (n, 28, 28) and labels uint8 (n,) of the part "train" or "test"; classes equally frequent."""
    stream = ("train", "test").index(part)
    blocks = [_make_block(np.random.default_rng((VERSION, seed, stream, b))) for b in range(-(-n // BLOCK))]
    images, labels = (np.concatenate(parts)[:n] for parts in zip(*blocks, strict=True))
    return images, labels


def _read_cache(path, n_train: int, n_test: int) -> ImageSet | None:
    """The set kept at `path`; None where the file is missing, damaged or of other shapes."""
    try:
        with npz.opened(path) as file:
            digits = ImageSet(*(npz.read(file, name) for name in ImageSet._fields))
    except Exception:  # whatever the first wrong byte leads to
        return None
    shapes = [(n_train, SIZE, SIZE), (n_train,), (n_test, SIZE, SIZE), (n_test,)]
    whole = all(a.shape == shape and a.dtype == np.uint8 for a, shape in zip(digits, shapes, strict=True))
    return digits if whole and max(digits.train_labels.max(), digits.test_labels.max()) < 10 else None


def _make_block(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    table, digit_of = glyph_table()
    labels = rng.permutation(np.arange(BLOCK) % 10)
    styles = len(digit_of) // 10
    glyphs = table[labels * styles + rng.integers(0, styles, BLOCK)]
    ends = _pose(_warp(glyphs, rng), rng)
    distance = np.concatenate([_distance(ends[i : i + CHUNK]) for i in range(0, BLOCK, CHUNK)])
    return _ink(distance, rng), labels.astype(np.uint8)


def _uniform(rng, low, high, *shape) -> np.ndarray:
    return (low + (high - low) * rng.random((BLOCK, *shape))).astype(np.float32)


def _warp(ends: np.ndarray, rng) -> np.ndarray:
    """Move every point by a smooth random field: three sine waves an axis, half to one and a half periods long."""
    for _ in range(3):
        frequency = _uniform(rng, -2.4, 2.4, 1, 1, 2)
        phase = _uniform(rng, 0, 2 * np.pi, 1, 1, 2)
        amplitude = _uniform(rng, -0.1, 0.1, 1, 1, 2)
        wave = (ends * frequency).sum(axis=-1, keepdims=True)
        ends = ends + amplitude * np.sin(wave + phase)
    return ends


def _pose(ends: np.ndarray, rng) -> np.ndarray:
    """Scale, shear, turn and shift the strokes into pixels, leaving each digit whole inside the image."""
    angle = np.clip(rng.normal(0, 0.16, BLOCK), -0.4, 0.4).astype(np.float32)
    shear = np.clip(rng.normal(0.08, 0.2, BLOCK), -0.45, 0.5).astype(np.float32)
    width, height = _uniform(rng, 7.5, 11.5), _uniform(rng, 7.5, 11)
    cos, sin = np.cos(angle), np.sin(angle)
    lean = width * shear
    matrix = np.stack([width * cos, -lean * cos - height * sin, width * sin, height * cos - lean * sin])
    ends = ends @ matrix.T.reshape(BLOCK, 1, 2, 2).swapaxes(-1, -2)
    low, high = ends.min(axis=(1, 2)), ends.max(axis=(1, 2))
    room = np.maximum(0, (SIZE - 5 - (high - low)) / 2)  # 2.5 pixels stay free at each side for the pen's width
    shift = _uniform(rng, -1, 1, 2) * np.minimum(room, 3)
    return ends + (shift - (low + high) / 2 + (SIZE - 1) / 2)[:, None, None]


def _distance(ends: np.ndarray) -> np.ndarray:
    """Distance (n, SIZE, SIZE) of every pixel from the nearest of the segments `ends` (n, segments, 2 ends, xy)."""
    start, along = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    length = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    unit = along / length
    grid = np.arange(SIZE, dtype=np.float32)
    # In a segment's own frame (u along it, v across) both coordinates are a sum of a row's and a column's term.
    u_row = unit[..., 1:] * grid - (unit * start).sum(axis=-1, keepdims=True)
    u_col = unit[..., :1] * grid
    v_row = unit[..., :1] * grid - (unit[..., :1] * start[..., 1:] - unit[..., 1:] * start[..., :1])
    v_col = -unit[..., 1:] * grid
    nearest = np.full((len(ends), SIZE, SIZE), np.inf, dtype=np.float32)
    u, v = np.empty_like(nearest), np.empty_like(nearest)
    for s in range(ends.shape[1]):
        np.add(u_row[:, s, :, None], u_col[:, s, None, :], out=u)
        np.add(v_row[:, s, :, None], v_col[:, s, None, :], out=v)
        # beyond the ends of the segment: u minus u clipped to 0..length
        np.subtract(u, np.minimum(np.maximum(u, 0), length[:, s, :, None]), out=u)
        u *= u
        v *= v
        u += v
        np.minimum(nearest, u, out=nearest)
    return np.sqrt(nearest, out=nearest)


def _ink(distance: np.ndarray, rng) -> np.ndarray:
    """Grey values uint8 from distances: pen width, soft edges, an erased band, a scratch, contrast and noise."""
    pen, soft = _uniform(rng, 0.45, 1.5, 1, 1), _uniform(rng, 0.8, 1.6, 1, 1)
    ink = np.clip(0.5 + (pen - distance) / soft, 0, 1)
    ink *= 1 - _uniform(rng, 0.5, 1, 1, 1) * _bands(rng, share=0.3, half_width=0.9)
    ink = np.maximum(ink, _scratches(rng, share=0.35))
    ink *= _uniform(rng, 0.55, 1, 1, 1)
    ink += _uniform(rng, 0, 0.12, 1, 1) * rng.standard_normal(ink.shape, dtype=np.float32)
    return np.rint(255 * np.clip(ink, 0, 1)).astype(np.uint8)


def _bands(rng, share: float, half_width: float) -> np.ndarray:
    """1 on a thin straight band at a random place and angle in `share` of the images, 0 elsewhere."""
    angle, offset = _uniform(rng, 0, np.pi, 1, 1), _uniform(rng, -7, 7, 1, 1)
    grid = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    across = np.abs(np.cos(angle) * grid + np.sin(angle) * grid[:, None] - offset)
    return np.clip(0.5 + half_width - across, 0, 1) * (_uniform(rng, 0, 1, 1, 1) < share)


def _scratches(rng, share: float) -> np.ndarray:
    """A short thin stroke near the border in `share` of the images."""
    turn, tilt, reach = _uniform(rng, 0, 2 * np.pi), _uniform(rng, 0, np.pi), _uniform(rng, 1, 3)
    middle = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * 12.5 + (SIZE - 1) / 2
    half = np.stack([np.cos(tilt), np.sin(tilt)], axis=-1) * reach[:, None]
    distance = _distance(np.stack([middle - half, middle + half], axis=1)[:, None])
    return np.clip(1.1 - distance, 0, 1) * (_uniform(rng, 0, 1, 1, 1) < share)
