"""The shape table of filters of images, and their oracle: tap by tap, each place outside walked back, in float64."""

from dataclasses import dataclass
from itertools import product
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class FilterCase:
    """x (*, *spatial) and a kernel along its last axes; of `strewn` ones some elements are NaN or infinite."""

    name: str
    x: tuple
    size: tuple
    border: str = "zeros"
    strewn: bool = False

    def __str__(self):  # the pytest id
        return self.name

    def arrays(self, dtype=np.float32):
        """x, kernel, gy."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        x, kernel, gy = (rng.standard_normal(shape) for shape in (self.x, self.size, self.x))
        if self.strewn:
            x.flat[0], x.flat[-1] = np.nan, np.inf
        return x.astype(dtype), kernel.astype(dtype), gy.astype(dtype)


FILTERS = [
    FilterCase("3x3", (2, 7, 8), (3, 3)),
    FilterCase("3x3, mirror", (3, 6, 9), (3, 3), "reflect"),
    FilterCase("5x5, several tiles, replicate", (1, 70, 136), (5, 5), "replicate"),
    FilterCase("5x5, more rows than parts", (1, 216, 72), (5, 5), "symmetric"),
    FilterCase("5x5, two tiles across, modulo", (1, 9, 264), (5, 5), "circular"),
    FilterCase("4x2, even, modulo", (2, 2, 5, 16), (4, 2), "circular"),
    FilterCase("2x3, even, mirror", (9, 24), (2, 3), "reflect"),
    FilterCase("1x7, rows", (3, 40), (1, 7), "symmetric"),
    FilterCase("7x1, columns, symmetric", (1, 17, 8), (7, 1), "symmetric"),
    FilterCase("row of 5, mirror", (6, 33), (5,), "reflect"),
    FilterCase("row of 9, modulo", (2, 3, 16), (9,), "circular"),
    FilterCase("kernel beyond the image, mirror", (2, 3, 2), (8, 7), "reflect"),
    FilterCase("kernel beyond the image, modulo", (3, 4), (7, 7), "circular"),
    FilterCase("one pixel, mirror", (3, 1, 1), (3, 5), "reflect"),
    FilterCase("9x9, mirror", (12, 11), (9, 9), "reflect"),
    FilterCase("2x3x2, replicate", (2, 3, 4, 5), (2, 3, 2), "replicate"),
    FilterCase("3x3x3, mirror", (2, 3, 5), (3, 3, 3), "reflect"),
    FilterCase("1x3x3 of volumes", (2, 3, 4, 8), (1, 3, 3), "symmetric"),
    FilterCase("NaN and infinities", (2, 6, 8), (3, 3), "replicate", strewn=True),
    FilterCase("no planes", (0, 4, 8), (3, 3), "reflect"),
]


def walked(i, n, border):
    """The place inside an axis of n that place i is a copy of, None for a zero."""
    while not 0 <= i < n:
        if border == "zeros":
            return None
        if border == "replicate":
            i = min(max(i, 0), n - 1)
        elif border == "circular":
            i += n if i < 0 else -n
        elif border == "symmetric":
            i = -i - 1 if i < 0 else 2 * n - 1 - i
        else:
            i = 0 if n == 1 else -i if i < 0 else 2 * (n - 1) - i
    return i


def _met(shape, size, border):
    """(tap, outputs, what they meet): of each tap the places of outputs and of the input, as lists of an axis each."""
    space = shape[len(shape) - len(size) :]
    for tap in product(*map(range, size)):
        axes = [
            [(p, at) for p in range(n) if (at := walked(p + k - count // 2, n, border)) is not None]
            for n, k, count in zip(space, tap, size, strict=True)
        ]
        if all(axes):
            yield (
                tap,
                (..., *np.ix_(*[[p for p, _ in axis] for axis in axes])),
                (
                    ...,
                    *np.ix_(*[[at for _, at in axis] for axis in axes]),
                ),
            )


def forward(x, kernel, border):
    """y."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    y = np.zeros(x.shape)
    for tap, outputs, met in _met(x.shape, kernel.shape, border):
        y[outputs] += x[met] * kernel[tap]
    return y


def grad_input(gy, kernel, border):
    """gx."""
    gy, kernel = np.asarray(gy, np.float64), np.asarray(kernel, np.float64)
    gx = np.zeros(gy.shape)
    for tap, outputs, met in _met(gy.shape, kernel.shape, border):
        np.add.at(gx, met, gy[outputs] * kernel[tap])  # pyright: ignore[reportArgumentType]: ... is an index
    return gx


def grad_kernel(gy, x, size, border):
    """The gradient of the kernel."""
    gy, x = np.asarray(gy, np.float64), np.asarray(x, np.float64)
    gk = np.zeros(size)
    for tap, outputs, met in _met(x.shape, size, border):
        gk[tap] = (gy[outputs] * x[met]).sum()
    return gk
