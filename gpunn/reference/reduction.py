"""Sums, means and extremes over axes, element by element in float64: the oracle, and its cases."""

from __future__ import annotations

import numpy as np

CASES = (  # name, shape, axes
    ("rows", (5, 16), (1,)),
    ("short rows", (40, 8), (1,)),
    ("odd rows", (3, 7), (1,)),
    ("columns", (5, 16), (0,)),
    ("odd columns", (9, 3), (0,)),
    ("a column", (70, 1), (0,)),
    ("images' channels", (2, 8, 3, 4), (0, 2, 3)),
    ("images' pixels", (2, 8, 3, 4), (2, 3)),
    ("every second axis", (2, 3, 4, 5, 8), (0, 2, 4)),
    ("between", (3, 4, 5), (1,)),
    ("all", (3, 4, 8), (0, 1, 2)),
    ("none", (3, 4), ()),
    ("0-d", (), ()),
    ("nothing to keep", (0, 4), (1,)),
    ("rows in parts", (1, 16384), (1,)),
    ("columns in parts", (2100, 8), (0,)),
    ("odd columns in parts", (2100, 3), (0,)),
    ("tiles of columns", (33, 40), (0,)),
)
LAST = "NaN and infinities"  # a case of its own for extremes and sums


def specials():
    """Rows of NaN alone, infinities of one sign and of both, and numbers between."""
    nan, inf = np.nan, np.inf
    rows = [[nan] * 4, [1, nan, 3, 4], [inf, 1, 2, 3], [-inf, -inf, 1, 2], [inf, -inf, 0, 0], [-inf] * 4]
    return np.array([*([*row, 0.5, -1, 2, -3] for row in rows), [-inf] * 8, [inf] * 8, [nan] * 8])


def reduced(name, x, axes, factor=None):
    """The reduction over axes that stay as 1, in float64, element by element."""
    x = x if factor is None else x * np.broadcast_to(factor, x.shape)
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    y = np.full(shape, {"max": -np.inf, "min": np.inf, "prod": 1.0}.get(name, 0.0))
    for index in np.ndindex(x.shape):
        at, v = tuple(0 if axis in axes else i for axis, i in enumerate(index)), x[index]
        size = abs(v) if name in ("norm1", "amax") else v * v if name == "norm2" else v
        if name in ("sum", "mean", "norm1", "norm2"):
            y[at] += size
        elif name == "prod":
            y[at] *= size
        elif size != size or (size < y[at] if name == "min" else size > y[at]):
            y[at] = size
    if name == "norm2":
        return np.sqrt(y)
    return y / (x.size / max(y.size, 1)) if name == "mean" and y.size else y


def extreme(name, x, axes):
    """The largest or smallest over axes that stay as 1, and its place among them: the first of equals, or of NaN."""
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    y, places = np.zeros(shape), np.zeros(shape, np.int64)
    for at in np.ndindex(shape):
        inside = tuple(slice(None) if axis in axes else i for axis, i in enumerate(at))
        best, place = None, -1
        for i, v in enumerate(x[inside].reshape(-1).tolist()):
            if best is None or (best == best and (v != v or (v > best if name == "max" else v < best))):
                best, place = v, i
        y[at], places[at] = best, place
    return y, places
