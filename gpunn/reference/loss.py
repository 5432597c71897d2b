"""The shape table of losses of class indices, and their oracle for scores (N, C, d1, ...): plain loops."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from gpunn.reference import naive


@dataclass(frozen=True)
class LossCase:
    """Scores x, with labels of which the share `ignore` is `ignore_index`; arrays are made from the name.

    `masked`: class 0 has no weight, and scores of -inf.
    """

    name: str
    x: tuple
    weight: bool = False
    ignore: float = 0.0
    ignore_index: int = -100
    smoothing: float = 0.0
    offset: float = 0.0
    masked: bool = False

    def __str__(self):  # the pytest id
        return self.name

    @property
    def terms(self):
        return self.x[0 if len(self.x) == 1 else 1] + 4

    def arrays(self, dtype=np.float32):
        """x, labels, weight (or None), and the gradient of the loss that is not reduced."""
        rng, classes = np.random.default_rng(crc32(self.name.encode())), self.x[0 if len(self.x) == 1 else 1]
        x = (rng.standard_normal(self.x) * 3 + self.offset).astype(dtype)
        labels = rng.integers(0, classes, self.x[:1] + self.x[2:] if len(self.x) > 1 else ())
        labels = np.where(rng.random(labels.shape) < self.ignore, self.ignore_index, labels)
        weight = rng.uniform(0.25, 2, classes).astype(dtype) if self.weight else None
        if self.masked and weight is not None:
            x[:, 0], weight[0] = -np.inf, 0
        return x, labels, weight, rng.standard_normal(labels.shape).astype(dtype)


LOSSES = [
    LossCase("one class", (3, 1)),
    LossCase("one row", (7,)),
    LossCase("primes", (5, 13)),
    LossCase("weights", (6, 5), weight=True),
    LossCase("ignored rows", (9, 4), ignore=0.4),
    LossCase("ignored class, weights", (9, 4), weight=True, ignore=0.4, ignore_index=2),
    LossCase("smoothing", (5, 7), smoothing=0.3),
    LossCase("smoothing, weights, ignored rows", (11, 6), True, 0.3, smoothing=0.1),
    LossCase("a plane of rows", (2, 5, 3, 7), weight=True, ignore=0.2, smoothing=0.2),
    LossCase("as many positions as classes", (3, 4, 4)),
    LossCase("more classes than a block", (3, 301), smoothing=0.1),
    LossCase("more rows than a block", (600, 3), ignore=0.1),
    LossCase("more blocks than threads in one", (2100, 2), weight=True),
    LossCase("scores far from 0", (6, 5), offset=1000.0),
    LossCase("a masked class", (12, 4), weight=True, smoothing=0.1, masked=True),
    LossCase("scores below every other", (5, 33), offset=-1e38),  # of float16 all are -inf
    LossCase("every row ignored", (7, 5), weight=True, ignore=1.0),
    LossCase("every row ignored, smoothing", (2, 5, 3), ignore=1.0, smoothing=0.2),
    LossCase("rows of several accesses a lane", (7, 640), weight=True, ignore=0.2),
    LossCase("one row to a block's last lanes", (257, 33), ignore=0.1, smoothing=0.1),
]


def cross_entropy(case, x, labels, weight, reduction):
    """The loss, float64, of the labels' shape where it is not reduced."""
    loss = naive.cross_entropy(*_rows(x, labels), weight, case.ignore_index, reduction, case.smoothing)
    return np.asarray(loss).reshape(labels.shape if reduction == "none" else ())


def cross_entropy_backward(case, gy, x, labels, weight, reduction):
    """d loss / d x, times gy."""
    rows = _rows(x, labels)
    how = "mean" if reduction == "mean" else "sum"
    gx = naive.cross_entropy_backward(*rows, weight, case.ignore_index, how, case.smoothing)
    return _unrows(gx * np.asarray(gy, np.float64).reshape(-1, 1), x.shape)


def nll(case, x, labels, weight, reduction):
    """-weight[label] x[label] of each row, float64, reduced."""
    rows, labels_of_rows = _rows(x, labels)
    shares = np.zeros(len(rows))
    weights = np.zeros(len(rows))
    for m, label in enumerate(labels_of_rows):
        if label != case.ignore_index:
            weights[m] = 1 if weight is None else weight[label]
            shares[m] = -weights[m] * rows[m, label] if weights[m] else 0
    if reduction == "none":
        return shares.reshape(labels.shape)
    return np.asarray(shares.sum() / weights.sum() if reduction == "mean" else shares.sum())


def nll_backward(case, gy, x, labels, weight, reduction):
    """d loss / d x, times gy."""
    rows, labels_of_rows = _rows(x, labels)
    gx, total = np.zeros(rows.shape), 0.0
    for m, label in enumerate(labels_of_rows):
        if label != case.ignore_index:
            gx[m, label] = -1 if weight is None else -weight[label]
            total -= gx[m, label]
    divisor = total if reduction == "mean" and total else 1
    return _unrows(gx * np.asarray(gy, np.float64).reshape(-1, 1) / divisor, x.shape)


def hits(x, labels, k, ignore_index):
    """(right, counted): by sorting each row; without a k by its argmax, which is the first NaN where there is one."""
    right = counted = 0
    for row, label in zip(*_rows(x, labels), strict=True):
        if label == ignore_index:
            continue
        counted += 1
        order = sorted(range(len(row)), key=lambda c: (not np.isnan(row[c]), -row[c] if row[c] == row[c] else 0, c))
        right += int(label) in order[: k or 1] and (k is None or not np.isnan(row[int(label)]))
    return np.asarray(right), np.asarray(counted)


def _rows(x, labels):
    """Scores (M, C), float64, and labels (M,)."""
    x = np.asarray(x, np.float64)
    moved = x[None] if x.ndim == 1 else np.moveaxis(x, 1, -1)
    return moved.reshape(-1, moved.shape[-1]), labels.reshape(-1)


def _unrows(rows, shape):
    if len(shape) == 1:
        return rows[0]
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
