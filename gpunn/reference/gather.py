"""The shape table of batches gathered from a data set, and their oracle: step after step, a pixel at a time."""

from dataclasses import dataclass, field
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class Flip:
    """Mirrors the samples whose flag is set."""

    flags: tuple


@dataclass(frozen=True)
class Crop:
    """A window of `size` from each padded image, at its own place."""

    padding: int
    mode: str
    fill: float
    size: tuple
    tops: tuple
    lefts: tuple


@dataclass(frozen=True)
class Hole:
    """A square of `size`, filled, whose first pixel may lie outside."""

    size: int
    fill: float
    tops: tuple
    lefts: tuple


@dataclass(frozen=True)
class Scale:
    """Bytes as floats: times a factor, less a number, both the channel's."""

    factors: tuple
    less: tuple


@dataclass(frozen=True)
class Mix:
    """Every sample blended with another, and their labels."""

    share: float
    others: tuple


@dataclass(frozen=True)
class GatherCase:
    """`index` of a set of images (M, C, H, W), bytes or floats of the type that is asked for, through the steps."""

    name: str
    images: tuple
    index: tuple
    steps: tuple = field(default=())
    bytes: bool = True
    classes: int = 0

    def __str__(self):  # the pytest id
        return self.name

    def arrays(self):
        rng = np.random.default_rng(crc32(self.name.encode()))
        images = rng.integers(0, 256, self.images, dtype=np.uint8) if self.bytes else rng.standard_normal(self.images)
        return images, rng.integers(0, self.classes or 10, self.images[0])

    @property
    def shape(self):
        """(N, C, P, Q) of the result."""
        sizes = [step.size for step in self.steps if isinstance(step, Crop)]
        return (len(self.index), self.images[1], *(sizes[-1] if sizes else self.images[2:]))


RGB = Scale((0.017, 0.02, 0.015), (2.1, 1.9, 0.0))
GREY = Scale((0.0123,), (0.4,))
CORNERS = Crop(2, "constant", 9, (6, 5), (0, 4, 2, 3), (4, 0, 2, 1))
GATHERS = [
    GatherCase("rows alone", (9, 3, 5, 4), (8, 0, 0, 3)),
    GatherCase("floats alone", (3, 7, 4, 3), (2, 1), bytes=False),
    GatherCase("several blocks a sample", (3, 1, 20, 17), (1, 2), (GREY,)),
    GatherCase("all steps", (7, 3, 6, 5), (6, 2, 2, 0),
               (CORNERS, Flip((1, 0, 1, 0)), Hole(3, 250, (-1, 6, 4, 2), (3, 0, -2, 1)), RGB, Mix(0.3, (2, 0, 3, 3))),
               classes=10),
    GatherCase("bytes blended, then moved", (5, 4, 5, 6), (4, 1, 3),
               (Mix(0.45, (1, 2, 1)), Hole(2, 0, (0, 3, 5), (4, 1, 0)), Flip((0, 1, 1)),
                Crop(1, "edge", 0, (6, 4), (0, 1, 1), (2, 4, 0))), classes=3),
    GatherCase("floats blended between crops", (5, 4, 4, 5), (0, 4, 2),
               (Crop(3, "reflect", 0, (5, 7), (0, 5, 2), (4, 1, 0)), Mix(0.7, (2, 1, 0)),
                Crop(1, "constant", 0.5, (7, 7), (0, 0, 0), (1, 2, 0)), Hole(4, -1.5, (5, 7, 0), (0, 0, 5))),
               bytes=False, classes=5),
    GatherCase("a pixel left, more classes than that", (4, 1, 4, 4), (3, 0, 1),
               (Crop(0, "constant", 0, (1, 1), (3, 0, 2), (0, 3, 1)), GREY, Mix(0.125, (0, 2, 1))), classes=11),
    GatherCase("scaled after a fill", (2, 1, 3, 3), (1, 0, 1),
               (Hole(2, 200, (0, 2, 3), (2, 0, 0)), GREY, Crop(1, "constant", -3, (5, 5), (0, 0, 0), (0, 0, 0)))),
    GatherCase("no samples", (4, 3, 5, 5), (), (RGB,)),
]  # fmt: skip


def gather(case, images, labels):
    """x and y of the batch; each step in the type that it computes in, rounded after each operation."""
    x, y = [images[m] for m in case.index], np.array([labels[m] for m in case.index], np.int64)
    for step in case.steps:
        if isinstance(step, Mix):
            x = [_blended(one, x[other], step.share) for one, other in zip(x, step.others, strict=True)]
            share, hot = np.float32(step.share), np.eye(case.classes, dtype=np.float32)
            y = np.array([[t + (o - t) * share for t, o in zip(hot[a], hot[y[b]], strict=True)]
                          for a, b in zip(y, step.others, strict=True)])  # fmt: skip
        else:
            x = [_moved(step, n, image) for n, image in enumerate(x)]
    return np.array(x).reshape(case.shape), y


def _moved(step, n, image):
    c, h, w = image.shape
    if isinstance(step, Scale):
        pixels = [np.float32(v) * np.float32(step.factors[k]) - np.float32(step.less[k])
                  for k in range(c) for v in image[k].flat]  # fmt: skip
        return np.array(pixels, np.float32).reshape(image.shape)
    p, q = step.size if isinstance(step, Crop) else (h, w)
    made = np.empty((c, p, q), image.dtype)
    for y in range(p):
        for x in range(q):
            made[:, y, x] = _seen(step, n, image, y, x)
    return made


def _seen(step, n, image, y, x):
    """All channels of the pixel that is seen at (y, x) after the step."""
    h, w = image.shape[1:]
    if isinstance(step, Flip):
        return image[:, y, w - 1 - x if step.flags[n] else x]
    if isinstance(step, Hole):
        inside = 0 <= y - step.tops[n] < step.size and 0 <= x - step.lefts[n] < step.size
        return image.dtype.type(step.fill) if inside else image[:, y, x]
    y, x = y + step.tops[n] - step.padding, x + step.lefts[n] - step.padding
    if step.mode == "constant" and not (0 <= y < h and 0 <= x < w):
        return image.dtype.type(step.fill)
    inside = (lambda i, size: (size - 1) - abs(size - 1 - abs(i))) if step.mode == "reflect" else (
        lambda i, size: min(max(i, 0), size - 1))  # fmt: skip
    return image[:, inside(y, h), inside(x, w)]


def _blended(one, other, share):
    kind = np.dtype(np.float32) if one.dtype == np.uint8 else one.dtype
    a, b = one.astype(kind), other.astype(kind)
    v = a + (b - a) * kind.type(share)
    return np.round(v).clip(0, 255).astype(np.uint8) if one.dtype == np.uint8 else v
