"""Our own steps as a device's kernel takes them: their fixed numbers once, and those that they draw for each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpunn.cuda.gather import MOST, Step
from gpunn.data.augment.crop import Cutout, RandomCrop, RandomHorizontalFlip
from gpunn.data.augment.mixup import Mixup
from gpunn.data.augment.step import Compose, Normalise, pixel
from gpunn.data.images import scale_shift
from gpunn.errors import DataError

KINDS = {RandomCrop: "crop", RandomHorizontalFlip: "flip", Cutout: "hole", Normalise: "scale", Mixup: "mixup"}


class Program:
    """What a transform makes of images of one shape and dtype.

    `steps` and `numbers` are those of kernels/data/gather.cu, `shape` (C, P, Q) and `dtype` those of the result,
    `classes` how many Mixup tells apart, or 0. Raises DataError for a transform that `why_not` speaks of, and where a
    step refuses such images.
    """

    def __init__(self, transform: Callable | None, shape: tuple[int, int, int], dtype: np.dtype):
        if reason := why_not(transform):
            raise DataError(f"Resident: {reason}; give the loader the data set itself, whose batches the host makes")
        self.ours = list(_flat(transform))
        self.shape, self.dtype, self.classes, self.columns = shape, dtype, 0, 1
        self._numbers: list[float] = []
        self.steps = tuple([self._lowered(step) for step in self.ours])
        self.numbers = np.array(self._numbers or [0.0], np.float64 if dtype == np.float64 else np.float32)

    @property
    def mixup(self) -> Mixup | None:
        """The step that blends samples, if one does."""
        return next((step for step in self.ours if isinstance(step, Mixup)), None)

    def words(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The int32 words of the batch of these rows of the set; `rng` gives what it would give the steps."""
        n, columns, shares = len(rows), [rows], []
        for step, lowered in zip(self.ours, self.steps, strict=True):
            if isinstance(step, Mixup):
                share, other = step.draw(n, rng)
                columns.append(other)
                shares = [np.array([float(self.blends.type(share))]), np.array([share], np.float32)]
            else:
                columns += step.draw((n, self.shape[0], lowered.height, lowered.width), rng)
        return np.concatenate([*columns, *(one.view(np.int32) for one in shares)], dtype=np.int32, casting="unsafe")

    def _lowered(self, step: Any) -> Step:
        """The step in numbers; goes on to the shape and dtype of what it makes."""
        c, h, w = self.shape
        lowered = Step(KINDS[type(step)], self.columns, len(self._numbers), h, w)
        if isinstance(step, Mixup):
            return lowered._replace(size=self._blend(step))
        self.columns += len(step.draw((1, c, h, w), np.random.default_rng(0)))  # which refuses what does not fit
        if isinstance(step, Normalise):
            for number in scale_shift(np.zeros((1, c, h, w), self.dtype), step.mean, step.std):
                self._numbers += np.broadcast_to(number.reshape(-1), c).tolist()
            self.dtype = np.dtype(np.float32)
        elif isinstance(step, RandomCrop):
            self.shape = (c, *step.window((1, c, h, w)))
            lowered = lowered._replace(size=step.padding, mode=step.mode)
        elif isinstance(step, Cutout):
            lowered = lowered._replace(size=step.size)
        if isinstance(step, Cutout) or (isinstance(step, RandomCrop) and step.mode == "constant"):
            self._numbers.append(float(pixel(type(step).__name__, step.fill, self.dtype)))
        return lowered

    def _blend(self, step: Mixup) -> int:
        """Whether it blends bytes, which it rounds; the targets have its classes."""
        if self.classes:
            raise DataError("Mixup: labels are another Mixup's targets, expected classes; leave one of the two away")
        self.columns, self.classes = self.columns + 1, step.num_classes
        self.blends = np.dtype(np.float32) if self.dtype == np.uint8 else self.dtype
        return int(self.dtype == np.uint8)


def why_not(transform: Callable | None) -> str:
    """What a device's kernel cannot do of a transform, in words; "" where it makes what the transform makes."""
    steps = list(_flat(transform))
    for step in steps:
        if type(step) not in KINDS:
            name = getattr(step, "__name__", type(step).__name__)
            return f"no kernel computes {name}, only {', '.join(kind.__name__ for kind in KINDS)}"
    return f"a launch takes {MOST} steps, the transform has {len(steps)}" if len(steps) > MOST else ""


def _flat(transform: Any) -> Iterator[Any]:
    """The steps of a transform, one after the other."""
    if type(transform) is Compose:
        for step in transform.steps:
            yield from _flat(step)
    elif transform is not None:
        yield transform
