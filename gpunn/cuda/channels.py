"""The problem that batch normalisation's kernels take, and each channel's parameters and statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array, Running
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.layout import cast, in_order, is_row_major
from gpunn.cuda.problem import Norm
from gpunn.cuda.signature import Layout

COUNT = np.dtype(np.int64)


def norm_problem(name: str, x: Layout, eps: float, relu: int, training: int, /, **more: Layout | None) -> Norm:
    """The checked problem. ``more`` has x's dtype and shape, or is None; all are in the memory order of x."""
    check_arrays(name, x=x, **more)
    check_index(name, **{"one channel of x": (x.shape[0], *x.shape[2:])})
    aligned = all(a.aligned for a in (x, *more.values()) if a is not None)
    n, c, *spatial = x.shape
    return Norm(x.dtype.name, aligned, n, c, int(np.prod(spatial)), not is_row_major(x), eps, relu, training)


def alike(a: tuple | None, x: Layout) -> Layout | None:
    """An array of x's shape, in x's memory order."""
    return None if a is None else in_order(Layout(*a), not is_row_major(x))


def taken(a: tuple | None) -> Layout | None:
    """An array as it is, where there is one."""
    return None if a is None else Layout(*a)


def parameters(name: str, x: Layout, **given: tuple | None) -> dict[str, Layout | None]:
    """Each channel's parameters in the accumulation type, contiguous; None stays None."""
    arrays = {key: taken(a) for key, a in given.items()}
    check_devices(name, x=x, **arrays)
    return {key: cast(a, accumulate(x.dtype.name)) for key, a in arrays.items()}


def movable(running: Running | None, wanted: DTypeLike) -> tuple[Sequence[Array | None], list[Array | None]]:
    """Running statistics and their count, and the same where a kernel can move them.

    The latter are copies of those of another dtype, or of views with gaps.
    """
    mean, var, _, batches = running or (None, None, 0.0, None)
    own = (mean, var, batches)
    moved = [
        a if a is None or (a.dtype == dtype and a.flags.c_contiguous) else a.astype(dtype)
        for a, dtype in zip(own, (wanted, wanted, COUNT), strict=True)
    ]
    return own, moved


def move_back(own: Sequence[Array | None], moved: Sequence[Array | None]) -> None:
    """Where `movable` made copies, what the kernel made of them."""
    for a, done in zip(own, moved, strict=True):
        if a is not done and a is not None:
            a[...] = done
