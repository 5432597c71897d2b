"""The walk over arrays in pieces that stay in a core's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.cpu.narrow import cast, is_narrow

# Elements in one piece of an update. Parameter, gradient, two moments and a scratch of 32 K floats are 640 KB: they
# stay in a core's L2 cache through the five to ten ufuncs of a step, so main memory is read and written once.
PIECE = 32 * 1024


def pieces(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays, which share one shape, in slices of about PIECE elements, all but the second to be changed in place.

    Slices of 16-bit floats come as float32 and are rounded back, once a step, as a kernel rounds when it stores.
    """
    for piece in _slices(*arrays):
        if not any(map(is_narrow, piece)):
            yield piece
            continue
        wide = tuple([cast(a, np.dtype(np.float32)) if is_narrow(a) else a for a in piece])
        yield wide
        for own, copy in zip(piece[:1] + piece[2:], wide[:1] + wide[2:], strict=True):
            if copy is not own:
                own[...] = cast(copy, own.dtype)


def _slices(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The slices as they lie in memory.

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
