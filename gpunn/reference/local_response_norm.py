"""The shape table of local response normalisation, and its oracle: a channel at a time, in float64."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class LrnCase:
    """x (N, C, *) over `size` channels; of `strewn` ones some elements are NaN or infinite."""

    name: str
    x: tuple
    size: int
    numbers: tuple = (0.5, 0.75, 2.0)  # alpha, beta, k
    scale: float = 1.0
    strewn: bool = False

    def __str__(self):  # the pytest id
        return self.name

    def arrays(self, dtype=np.float32):
        """x, gy."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        x, gy = (rng.standard_normal(self.x) for _ in range(2))
        x = x * self.scale
        if self.strewn:
            x[0, 0].flat[0], x[-1, -1].flat[-1] = np.nan, np.inf
        return x.astype(dtype), gy.astype(dtype)


LRNS = [
    LrnCase("a window of one", (2, 3, 5), 1),
    LrnCase("AlexNet's", (2, 24, 3, 4), 5, (1e-4, 0.75, 1.0)),
    LrnCase("an even window", (2, 7, 5), 4, (2.0, 0.5, 0.5)),
    LrnCase("a window beyond the channels", (1, 8, 16), 21),
    LrnCase("several blocks", (3, 16, 9, 8), 3),
    LrnCase("NaN and infinities", (2, 8, 4), 3, strewn=True),
    LrnCase("no samples", (0, 3, 4), 3),
]
FAR = [LrnCase("squares that overflow", (2, 8, 6), 3, (1e-4, 0.75, 1.0), scale=1e25)]  # float32


def forward(x, size, alpha, beta, k):
    """y and the divisor."""
    x = np.asarray(x, np.float64)
    divisor = np.zeros(x.shape)
    for c in range(x.shape[1]):
        window = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        divisor[:, c] = k + alpha / size * (window**2).sum(1)
    return x * divisor**-beta, divisor


def backward(gy, x, size, alpha, beta, k):
    """gx."""
    gy, x = np.asarray(gy, np.float64), np.asarray(x, np.float64)
    _, divisor = forward(x, size, alpha, beta, k)
    gx = gy * divisor**-beta
    for c in range(x.shape[1]):
        for other in range(max(c - size // 2, 0), min(c + (size - 1) // 2 + 1, x.shape[1])):
            slope = gy[:, c] * x[:, c] * divisor[:, c] ** (-beta - 1)
            gx[:, other] -= 2 * alpha * beta / size * x[:, other] * slope
    return gx
