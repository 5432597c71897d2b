"""The shape table of softmax, and its oracle: a row at a time, in float64."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class SoftmaxCase:
    """Scores of this shape along an axis; of `strewn` ones a tenth is NaN or infinite."""

    name: str
    x: tuple
    axis: int
    spread: float = 3.0
    strewn: bool = False
    middle: float = 0.0

    def __str__(self):  # the pytest id
        return self.name

    @property
    def rows(self):
        """(M, C, L) of the rows in memory of the array's own order."""
        shape = self.x or (1,)
        return int(np.prod(shape)) // max(shape[self.axis], 1), shape[self.axis], int(np.prod(shape[self.axis + 1 :]))

    def arrays(self, dtype=np.float32):
        """x, gy."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        x, gy = (rng.standard_normal(self.x) for _ in range(2))
        x = np.asarray(x * self.spread + self.middle)
        if self.strewn:
            kinds = rng.choice([0, np.nan, np.inf, -np.inf], x.shape, p=(0.9, 0.03, 0.03, 0.04))
            x = np.where(kinds == 0, x, kinds)
            x[0] = -np.inf
        return x.astype(dtype), np.asarray(gy).astype(dtype)


SOFTMAXES = [
    SoftmaxCase("no dimensions", (), 0),
    SoftmaxCase("ten classes", (37, 10), 1),
    SoftmaxCase("rows of packs", (9, 64), 1, spread=30.0),
    SoftmaxCase("several warps a row", (3, 2, 1040), 2),
    SoftmaxCase("longer than registers, one element an access", (2, 4099), 1),
    SoftmaxCase("longer than registers", (1, 33000), 1, spread=20.0),
    SoftmaxCase("columns", (5, 7), 0),
    SoftmaxCase("far below 0", (3, 9), 1, middle=-1000.0),
    SoftmaxCase("channels of planes", (2, 21, 6, 8), 1),
    SoftmaxCase("long columns of packs", (1, 300, 16), 1),
    SoftmaxCase("longer than registers, columns", (2, 2100, 3), 1),
    SoftmaxCase("many columns", (1, 3, 1100), 1),
    SoftmaxCase("NaN and infinities", (40, 6), 1, strewn=True),
    SoftmaxCase("NaN and infinities, columns", (6, 40), 0, strewn=True),
    SoftmaxCase("no rows", (0, 5), 1),
]


@dataclass(frozen=True)
class MaskedCase:
    """Scores (N, G, L, S) with a mask that broadcasts to them, of booleans, numbers or none, or causal."""

    name: str
    x: tuple
    mask: tuple | None = None
    added: bool = False
    causal: bool = False
    scale: float = 0.5

    def arrays(self):
        """x, and the mask or None: a third of the keys is hidden, and all of the first row's."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        x = rng.standard_normal(self.x) * 3
        if self.mask is None:
            return x, None
        seen = rng.random(self.mask) < 0.7
        seen[..., 0, :] = seen.shape[-2] == 1
        return x, np.where(seen, rng.standard_normal(self.mask), -np.inf) if self.added else seen


MASKED = [
    MaskedCase("scaled", (2, 3, 5, 7)),
    MaskedCase("causal", (2, 3, 9, 9), causal=True),
    MaskedCase("causal, fewer keys", (1, 2, 12, 8), causal=True),
    MaskedCase("causal, several packs a thread", (1, 1, 5, 1040), causal=True),
    MaskedCase("a mask of all heads", (2, 3, 6, 8), (6, 8)),
    MaskedCase("a mask of keys", (3, 2, 4, 12), (3, 1, 1, 12)),
    MaskedCase("a mask an image", (3, 2, 4, 12), (3, 1, 4, 12), added=True),
    MaskedCase("a mask a head", (2, 3, 4, 5), (3, 4, 1), added=True),
    MaskedCase("a mask of each", (2, 3, 4, 8), (2, 3, 4, 8)),
    MaskedCase("added to long rows", (1, 2, 3, 4100), (3, 4100), added=True),
]


def masked(x, mask, causal, scale):
    """softmax(scale x + mask), a row at a time; 0 where a row sees nothing."""
    s, y = scale * x, np.zeros(x.shape)
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    for index in np.ndindex(x.shape[:-1]):
        row = s[index] if not causal else np.where(np.arange(x.shape[-1]) <= index[-1], s[index], -np.inf)
        if not np.isneginf(row).all():
            y[index] = _forward_row(False, row)
    return y


def forward(x, axis, log):
    """y, rows of it in turn."""
    return _by_rows(_forward_row, axis, log, x)


def backward(gy, y, axis, log):
    """gx."""
    return _by_rows(_backward_row, axis, log, gy, y)


def _forward_row(log, x):
    if np.isposinf(x).any() and not np.isnan(x).any():
        x = np.where(np.isposinf(x), 0.0, -np.inf)  # the limit: those that are +inf share everything
    off = x - np.max(x)
    total = np.exp(off).sum()
    return off - np.log(total) if log else np.exp(off) / total


def _backward_row(log, gy, y):
    return gy - np.exp(y) * gy.sum() if log else y * (gy - (gy * y).sum())


def _by_rows(function, axis, log, *arrays):
    moved = [np.moveaxis(np.atleast_1d(np.asarray(a, np.float64)), axis, -1) for a in arrays]
    made = np.zeros(moved[0].shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for index in np.ndindex(made.shape[:-1]):
            made[index] = function(log, *(a[index] for a in moved))
    return np.moveaxis(made, -1, axis).reshape(np.shape(arrays[0]))
