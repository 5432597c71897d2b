"""The shape table of matrix products and of linear layers, and their oracle: one dot product an element."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from gpunn.reference import naive


@dataclass(frozen=True)
class ProductCase:
    """c = a b of these shapes. Of an operand in `across` memory is transposed; one in `apart` lies in wider rows."""

    name: str
    a: tuple
    b: tuple
    across: str = ""
    apart: str = ""

    def __str__(self):  # the pytest id
        return self.name

    @property
    def terms(self):
        return max(self.a[-1], 1)

    def arrays(self, dtype=np.float32):
        """a and b."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        return rng.standard_normal(self.a).astype(dtype), rng.standard_normal(self.b).astype(dtype)


@dataclass(frozen=True)
class LinearCase:
    """y = activation(x (M, C) times w (K, C) transposed, plus b); of "x" and "w" in `without` no gradient is wanted."""

    name: str
    x: tuple
    w: tuple
    bias: bool = True
    activation: str | None = None
    without: str = ""
    across: bool = False  # memory of x is transposed

    def __str__(self):  # the pytest id
        return self.name

    def arrays(self, dtype=np.float32):
        """x, w, b or None, gy, and y, of which some elements are 0 as ReLU leaves them."""
        rng, (m, c), k = np.random.default_rng(crc32(self.name.encode())), self.x, self.w[0]
        x, w, b, gy = (rng.standard_normal(shape).astype(dtype) for shape in ((m, c), (k, c), (k,), (m, k)))
        y = np.maximum(rng.uniform(-1, 1, (m, k)), 0).astype(dtype)
        if self.name.startswith("NaN"):
            x[0, 0] = np.nan
        return x, (w / np.sqrt(max(c, 1))).astype(dtype), b if self.bias else None, gy, y


PRODUCTS = [
    ProductCase("one number", (1, 1), (1, 1)),
    ProductCase("primes", (5, 7), (7, 3)),
    ProductCase("more than a tile, in parts", (37, 203), (203, 41)),
    ProductCase("16 bytes", (40, 144), (144, 72)),
    ProductCase("16 bytes, b transposed", (40, 144), (144, 72), "b"),
    ProductCase("16 bytes, a transposed", (40, 144), (144, 72), "a"),
    ProductCase("16 bytes, both transposed", (72, 24), (24, 40), "ab"),
    ProductCase("16 bytes, deep, in parts", (24, 272), (272, 40)),
    ProductCase("16 bytes, wide, in parts", (24, 275), (275, 40), "a"),
    ProductCase("primes, both transposed", (37, 29), (29, 41), "ab"),
    ProductCase("rows apart", (9, 16), (16, 8), "", "ab"),
    ProductCase("rows apart, transposed", (8, 16), (16, 24), "ab", "ab"),
    ProductCase("one row", (1, 531), (531, 9)),
    ProductCase("one column", (13, 40), (40, 1)),
    ProductCase("vector by matrix", (9,), (9, 4)),
    ProductCase("matrix by vector", (3, 9), (9,)),
    ProductCase("vector by vector", (300,), (300,)),
    ProductCase("no depth", (3, 0), (0, 4)),
    ProductCase("no rows", (0, 3), (3, 4)),
    ProductCase("batch", (3, 5, 7), (3, 7, 4)),
    ProductCase("batch, 16 bytes, transposed", (2, 3, 16, 8), (2, 3, 8, 24), "ab"),
    ProductCase("batch of one matrix", (2, 3, 5), (5, 6)),
    ProductCase("batch, each repeated", (4, 1, 5, 7), (3, 7, 6)),
    ProductCase("batch, three axes repeated by turns", (2, 1, 3, 4, 5), (1, 2, 1, 5, 6)),
    ProductCase("batch by vector", (2, 3, 4, 5), (5,)),
    ProductCase("batch of none", (0, 3, 4), (0, 4, 5)),
]
LINEARS = [
    LinearCase("one number", (1, 1), (1, 1)),
    LinearCase("primes, tanh", (7, 13), (5, 13), activation="tanh"),
    LinearCase("primes, ReLU", (11, 5), (17, 5), activation="relu"),
    LinearCase("16 bytes, ReLU", (37, 72), (40, 72), activation="relu"),
    LinearCase("16 bytes, tanh, in parts", (152, 200), (16, 200), activation="tanh"),
    LinearCase("no bias", (9, 6), (4, 6), bias=False),
    LinearCase("tiles filled to the last column", (33, 128), (8, 128)),
    LinearCase("no gradient of x, in parts", (300, 7), (3, 7), without="x"),
    LinearCase("no gradient of w", (6, 9), (11, 9), activation="tanh", without="w"),
    LinearCase("gradient of x alone", (6, 8), (16, 8), bias=False, without="w"),
    LinearCase("gradient of w alone", (8, 8), (16, 8), bias=False, without="x"),
    LinearCase("gradient of the bias alone", (70, 8), (16, 8), without="xw", activation="relu"),
    LinearCase("one feature, 16 bytes", (8, 1), (8, 1)),
    LinearCase("x across memory, 16 bytes", (16, 8), (8, 8), across=True),
    LinearCase("both gradients in parts", (130, 8), (132, 8)),
    LinearCase("16 bytes, both gradients in parts", (264, 8), (272, 8), activation="relu"),
    LinearCase("NaN, ReLU", (3, 5), (4, 5), activation="relu"),
    LinearCase("no features", (3, 0), (4, 0)),
    LinearCase("no rows", (0, 3), (4, 3)),
]


def product(a, b):
    """a (..., M, K) times b (..., K, N), batches repeated to one shape; vectors as in numpy.matmul."""
    left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left, right = (np.broadcast_to(one, (*batch, *one.shape[-2:])) for one in (left, right))
    c = np.zeros((*batch, left.shape[-2], right.shape[-1]))
    for at in np.ndindex(*batch):
        c[at] = naive.matmul(left[at], right[at])
    c = c[..., 0, :] if a.ndim == 1 else c
    return c[..., 0] if b.ndim == 1 else c


def linear(x, w, b, activation):
    """y (M, K)."""
    y = naive.linear(x, w, b)
    return np.tanh(y) if activation == "tanh" else np.maximum(y, 0) if activation == "relu" else y


def linear_backward(gy, x, w, y, activation):
    """gx, gw and gb, of the y that forward gave."""
    slope = {"tanh": 1 - y * y, "relu": (y != 0) * 1.0, None: 1.0}[activation]
    gy = gy * slope
    return naive.matmul(gy, w), naive.matmul(gy.T, x), gy.sum(axis=0)
