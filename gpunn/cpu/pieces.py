"""The walk over arrays in pieces that stay in a core's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Elements in one piece of an update. Parameter, gradient, two moments and a scratch of 32 K floats are 640 KB: they
# stay in a core's L2 cache through the five to ten ufuncs of a step, so main memory is read and written once.
PIECE = 32 * 1024


def pieces(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays, which share one shape, in slices of about PIECE elements.

    A gradient (the second) in another memory order is brought into the parameter's own first: one strided copy instead
    of a strided pass for every line of the update.
    """
    p = arrays[0]
    if p.ndim == 0:
        yield arrays
        return
    axes = sorted(range(p.ndim), key=lambda axis: -p.strides[axis])  # the parameter's rows in memory
    if all(a.transpose(axes).flags.c_contiguous for a in (p, *arrays[2:])):
        arrays = tuple(np.ascontiguousarray(a.transpose(axes)).reshape(-1) for a in arrays)
    rows = max(1, PIECE * len(arrays[0]) // max(1, p.size))
    for start in range(0, len(arrays[0]), rows):
        yield tuple(a[start : start + rows] for a in arrays)
