"""The shape table of what normalises each sample by its own statistics, and its oracle: a row at a time, in float64."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class RowsCase:
    """x (M, L), each row normalised; of `strewn` ones the first row has a NaN, the second an infinity."""

    name: str
    x: tuple
    affine: bool = True
    offset: float = 0.0  # mean far from 0 in units of the deviation
    scale: float = 1.0
    strewn: bool = False

    def __str__(self):  # the pytest id
        return self.name

    @property
    def terms(self):
        return 4 * self.x[1] + self.offset**2

    def arrays(self, dtype=np.float32):
        """x, gamma or None, beta or None, gy."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        x, gy = (rng.standard_normal(self.x) for _ in range(2))
        x = (x + self.offset) * self.scale
        if self.strewn:
            x[0, -1], x[1, 0] = np.nan, np.inf
        gamma, beta = rng.uniform(0.5, 1.5, self.x[1]), rng.standard_normal(self.x[1])
        made = x, gamma if self.affine else None, beta if self.affine else None, gy
        return tuple(None if a is None else a.astype(dtype) for a in made)


LAYERS = [
    RowsCase("one element", (3, 1)),
    RowsCase("a prime", (7, 13)),
    RowsCase("teams of two", (37, 8), affine=False),
    RowsCase("several blocks of teams", (70, 24)),
    RowsCase("a lane without a pack", (5, 88), offset=10.0),
    RowsCase("two warps a row", (5, 1032)),
    RowsCase("a wide team", (3, 4104), affine=False, offset=3.0),
    RowsCase("longer than registers, one element an access", (2, 4099)),
    RowsCase("longer than registers", (2, 33000), offset=2.0),
    RowsCase("NaN and infinities", (5, 40), strewn=True),
    RowsCase("many rows of a block", (270, 520)),
    RowsCase("no rows", (0, 5)),
]
FAR = [  # where squares overflow float32
    RowsCase("squares that overflow", (6, 24), scale=1e30),
    RowsCase("squares that overflow, long rows", (2, 4099), scale=1e20, offset=1.0),
]


@dataclass(frozen=True)
class GroupsCase(RowsCase):
    """x (N, C, *) in groups of channels; of `strewn` ones the first group has a NaN, the second sample an infinity."""

    groups: int = 1

    @property
    def terms(self):
        return 4 * int(np.prod(self.x[1:])) // self.groups + self.offset**2

    def arrays(self, dtype=np.float32):
        rng = np.random.default_rng(crc32(self.name.encode()))
        x, gy = (rng.standard_normal(self.x) for _ in range(2))
        x = (x + self.offset) * self.scale
        if self.strewn:
            x[0, 0].flat[-1], x[1, -1].flat[0] = np.nan, np.inf
        gamma, beta = rng.uniform(0.5, 1.5, self.x[1]), rng.standard_normal(self.x[1])
        made = x, gamma if self.affine else None, beta if self.affine else None, gy
        return tuple(None if a is None else a.astype(dtype) for a in made)


GROUPS = [
    GroupsCase("groups, no positions", (3, 6), groups=2),
    GroupsCase("groups, one each", (2, 7, 5, 3), groups=7),
    GroupsCase("groups, of primes", (3, 15, 7, 1), groups=5, offset=5.0),
    GroupsCase("groups, of two channels", (2, 64, 4, 4), groups=32),
    GroupsCase("groups, packs of neither", (2, 24, 3, 4), groups=4, affine=False),
    GroupsCase("groups, one of all", (2, 16, 6, 6), groups=1),
    GroupsCase("groups, several turns", (2, 40, 9, 16), groups=2),
    GroupsCase("groups, longer than registers", (1, 8, 40, 41), groups=2, offset=2.0),
    GroupsCase("groups, many a block", (1, 600, 2), groups=600),
    GroupsCase("groups, NaN and infinities", (3, 8, 3, 4), groups=4, strewn=True),
    GroupsCase("groups, no samples", (0, 4, 3), groups=2),
]
FAR_GROUPS = [GroupsCase("groups, squares that overflow", (2, 12, 5, 4), groups=3, scale=1e30)]


def groups_forward(x, groups, gamma, beta, eps):
    """y, mean and 1 / sqrt(variance + eps) (N, groups)."""
    x = np.asarray(x, np.float64)
    rows, shape = x.reshape(-1, x[:1, : x.shape[1] // groups].size if len(x) else 1), (1, -1, *(1,) * (x.ndim - 2))
    y, mean, rstd = rows_forward(rows, None, None, eps)
    y = y.reshape(x.shape)
    y = y if gamma is None else y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape), mean.reshape(-1, groups), rstd.reshape(-1, groups)


def groups_backward(gy, x, groups, gamma, mean, rstd):
    """gx, ggamma, gbeta."""
    gy, x = np.asarray(gy, np.float64), np.asarray(x, np.float64)
    g = gy if gamma is None else gy * gamma.reshape(1, -1, *(1,) * (x.ndim - 2))
    rows = (x.shape[0] * groups, x[:1, : x.shape[1] // groups].size)
    gx, *_ = rows_backward(g.reshape(rows), x.reshape(rows), None, mean.reshape(-1), rstd.reshape(-1))
    each = (a.repeat(x.shape[1] // groups, axis=1).reshape(*x.shape[:2], *(1,) * (x.ndim - 2)) for a in (mean, rstd))
    unit = (x - next(each)) * next(each)
    axes = (0, *range(2, x.ndim))
    return gx.reshape(x.shape), (gy * unit).sum(axes), gy.sum(axes)


def rows_forward(x, gamma, beta, eps, centred=True):
    """y, mean, 1 / sqrt(mean of (x - mean)^2 + eps); not `centred`: the mean is 0."""
    x = np.asarray(x, np.float64)
    y, mean, rstd = np.zeros(x.shape), np.zeros(len(x)), np.zeros(len(x))
    for m, row in enumerate(x):
        mean[m] = row.sum() / row.size if centred else 0.0
        rstd[m] = 1 / np.sqrt(((row - mean[m]) ** 2).sum() / row.size + eps)
        y[m] = (row - mean[m]) * rstd[m]
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta, mean, rstd


def rows_backward(gy, x, gamma, mean, rstd, centred=True):
    """gx, ggamma, gbeta."""
    gy, x = np.asarray(gy, np.float64), np.asarray(x, np.float64)
    gx, ggamma, gbeta = np.zeros(x.shape), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for m in range(len(x)):
        unit = (x[m] - mean[m]) * rstd[m]
        g = gy[m] if gamma is None else gy[m] * gamma
        level = g.sum() / g.size if centred else 0.0
        gx[m] = rstd[m] * (g - level - unit * ((g * unit).sum() / g.size))
        ggamma += gy[m] * unit
        gbeta += gy[m]
    return gx, ggamma, gbeta
