"""The shape table of dropout, and its oracle: Philox4x32-10 written out in Python's integers, one number at a time."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

MASK = 2**32 - 1


@dataclass(frozen=True)
class DropCase:
    """x dropped by a mask of this shape, whose numbers begin at (seed, stream, counter)."""

    name: str
    x: tuple
    mask: tuple
    p: float = 0.5
    draw: tuple = (5, 1, 3)

    def __str__(self):  # the pytest id
        return self.name

    def arrays(self, dtype=np.float32):
        return (np.random.default_rng(crc32(self.name.encode())).standard_normal(self.x).astype(dtype),)


DROPOUTS = [
    DropCase("one number", (1,), (1,)),
    DropCase("no dimensions", (), ()),
    DropCase("a prime", (1009,), (1009,), 0.3),
    DropCase("plane", (3, 5, 7, 3), (3, 5, 7, 3), 0.2),
    DropCase("rank 3, many channels", (2, 19, 5), (2, 19, 5)),
    DropCase("several blocks", (3, 4, 20, 12), (3, 4, 20, 12), 0.1),
    DropCase("channels", (4, 7, 3, 5), (4, 7, 1, 1), 0.4),
    DropCase("samples", (9, 3, 4, 2), (9, 1, 1, 1)),
    DropCase("batch", (2, 3, 4), (1, 1, 1)),
    DropCase("everything", (5, 6), (5, 6), 1.0),
    DropCase("large seed, late counter", (65,), (65,), 0.5, (2**64 - 3, 2**32 - 2, 2**32 - 4)),
]


def drop(case, x):
    """x times 0, or 1 / (1 - p), float64."""
    count = int(np.prod(case.mask))
    keep = [word(case.draw, i) >= case.p * 2**32 for i in range(count)]
    scale = 0 if case.p == 1 else 1 / (1 - case.p)
    return np.asarray(x, np.float64) * np.reshape(np.array(keep) * scale, case.mask)


def word(draw, index):
    """The number of this index from a draw on."""
    seed, stream, counter = draw
    counter += index // 4
    c = [counter & MASK, counter >> 32, stream, 0]
    k = [seed & MASK, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & MASK, a >> 32 ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c[index % 4]
