"""What every step is, steps in a row, and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from gpunn.data.images import normalise
from gpunn.errors import DataError


class ImageStep:
    """A step that changes the images, the batch's first array, and hands on the rest: subclasses define `apply`."""

    def __call__(self, images: np.ndarray, *rest: Any) -> tuple:
        others, rng = unpacked(type(self).__name__, rest)
        return (self.apply(checked_images(type(self).__name__, images), rng), *others)

    def apply(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """New images from `images` (N, C, H, W), of the same dtype unless the step says otherwise."""
        raise TypeError(f"{type(self).__name__}: an ImageStep defines apply(images, rng)")


class DrawnStep(ImageStep):
    """An image step in two halves: `draw` takes its random numbers, a few a sample; `change` then moves pixels alone.

    The host draws, so that all devices get the same numbers; a device changes in a kernel (gpunn.data.Resident).
    """

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """What `change` takes for images of this shape (N, C, H, W): arrays of whole numbers, one a sample."""
        return ()

    def change(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """New images from `images` (N, C, H, W)."""
        raise TypeError(f"{type(self).__name__}: a DrawnStep defines change(images, *drawn), and draw(shape, rng)")

    def apply(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.change(images, *self.draw(images.shape, rng))


class Compose:
    """Steps one after the other, each called as step(*batch, rng): the steps here, or functions of your own.

    Examples:
        >>> images, rng = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), np.random.default_rng(0)
        >>> step = data.Compose(data.RandomHorizontalFlip(), data.Normalise(0.5, 0.5))
        >>> step(images, rng)[0].dtype
        dtype('float32')
    """

    def __init__(self, *steps: Callable[..., Any]):
        for step in steps:
            if not callable(step):
                raise DataError(f"Compose: {step!r} is no step; give functions step(*batch, rng), as Compose(a, b)")
        self.steps = steps

    def __call__(self, *batch: Any) -> tuple:
        arrays, rng = unpacked("Compose", batch)
        for step in self.steps:
            arrays = step(*arrays, rng)
            if not isinstance(arrays, (tuple, list)):
                raise DataError(
                    f"Compose: {step!r} returned {type(arrays).__name__}; return a tuple with one array for each given"
                )
        return tuple(arrays)

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"


@dataclass(frozen=True)
class Normalise(DrawnStep):
    """uint8 images as float32: scaled to 0..1, minus `mean`, over `std`, each one number or one a channel.

    Examples:
        >>> images, rng = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), np.random.default_rng(0)
        >>> data.Normalise(mean=0.0, std=1 / 255)(images, rng)[0][1].round(3).tolist()
        [[[4.0, 5.0], [6.0, 7.0]]]
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def change(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        return normalise(images, self.mean, self.std)


def unpacked(step: str, batch: Sequence[Any]) -> tuple[Sequence[Any], np.random.Generator]:
    """The arrays and the generator behind them, or DataError in the words of `step`."""
    if not batch or not isinstance(batch[-1], np.random.Generator):
        raise DataError(f"{step}: the last argument is no numpy.random.Generator; call step(*batch, rng)")
    return batch[:-1], batch[-1]


def checked_images(step: str, images: Any) -> np.ndarray:
    """`images`, or DataError in the words of `step`."""
    if not isinstance(images, np.ndarray):
        raise DataError(
            f"{step}: images are {type(images).__name__}, expected a NumPy array; augment before moving them"
        )
    if images.ndim != 4:
        raise DataError(f"{step}: images have shape {images.shape}, expected (N, C, H, W); grey ones have C = 1")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{step}: images are {images.dtype}, expected uint8 or floating")
    return images


def as_dtype(values: np.ndarray, dtype: np.dtype, limit: bool = False) -> np.ndarray:
    """Floating `values` as images of `dtype`: uint8 is rounded and limited to 0..255; `limit` keeps floats in 0..1."""
    if dtype == np.uint8:
        return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)
    return (np.clip(values, 0, 1, out=values) if limit else values).astype(dtype, copy=False)


def interval(step: str, name: str, value: Any, centre: float, least: float = -np.inf) -> tuple[float, float]:
    """(low, high): `value` itself, or centre - value to centre + value for one number; none below `least`."""
    if isinstance(value, Real) and value >= 0:  # type: ignore[operator]
        low, high = max(centre - float(value), least), centre + float(value)
    elif isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, Real) for v in value):
        low, high = float(value[0]), float(value[1])
    else:
        low, high = np.nan, np.nan
    if not (least <= low <= high < np.inf):
        bound = "" if least == -np.inf else f" of at least {least:g}"
        raise DataError(f"{step}: {name} is {value!r}; give one number of at least 0, or (low, high){bound}")
    return low, high


def probability(step: str, name: str, value: Any) -> None:
    """DataError unless `value` is a probability."""
    if not isinstance(value, Real) or not 0 <= value <= 1:  # type: ignore[operator]
        raise DataError(f"{step}: {name} is {value!r}; give a probability, 0 to 1")


def pixel(step: str, value: Any, dtype: np.dtype) -> Any:
    """`value` as a pixel of `dtype`, or DataError: as a byte 0.5 would become black, not grey."""
    if not isinstance(value, Real):
        raise DataError(f"{step}: fill is {value!r}; give a number")
    if dtype == np.uint8 and value not in range(256):
        raise DataError(f"{step}: fill is {value!r}, but the images are uint8; give a whole number from 0 to 255")
    return dtype.type(value)


def whole(step: str, name: str, value: Any, least: int) -> None:
    """DataError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise DataError(f"{step}: {name} is {value!r}; give a whole number of at least {least}")
